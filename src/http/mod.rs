//! HTTP: bytes to a call, an outcome to bytes. One listener for webhook calls behind the site's web server, one for
//! operators.

mod admin;
mod client;
pub mod fields;
mod limits;
mod multipart;
mod reply;
mod server;
mod webhook;

pub use limits::Limiter;
pub use server::{Bound, Front, bind};
