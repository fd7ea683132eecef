//! The HTTP layer: turns requests into calls and outcomes into responses. One listener serves webhook calls behind the
//! site's web server, the other one serves operators.

mod action;
mod admin;
mod arrival;
mod begun;
pub mod body;
mod budget;
mod client;
mod console;
mod door;
pub mod fields;
mod form;
mod framing;
mod front;
mod inherited;
mod known_keys;
mod lent;
mod limits;
mod multipart;
mod occasionally;
mod pieces;
mod posted;
pub mod query;
mod question;
mod refusal;
mod reply;
mod request_id;
mod rules;
mod server;
mod serving;
mod shadow;
mod signed;
mod sourced;
mod trace;
pub mod trial;
mod unread;
mod webhook;

#[cfg(any(test, fuzzing))]
pub(crate) use client::assert_last_hop_stands;
pub use console::Console;
pub use front::Front;
use front::LocalUser;
pub use inherited::{Inherited, InheritedError};
pub use known_keys::KnownKeys;
pub use limits::Limiter;
pub use occasionally::Occasionally;
pub use rules::CallerRules;
pub use server::{Bound, bind};
pub use shadow::Shadow;
#[cfg(any(test, fuzzing))]
pub(crate) use signed::assert_read_in_one_way;
