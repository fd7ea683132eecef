//! Welcome mails. A call writes the promise of one in its own transaction; a worker sends it, as often as needed.
//! Mirrors `wp_new_user_notification` for the user, WordPress 5.9 to 7.1.

mod message;
pub mod outbox;
mod settings;
mod smtp;
mod templates;
mod text;
mod worker;

pub use message::Header;
pub use settings::{MailOptions, Network, Sender};
pub use smtp::{Failure, Line, Smtp};
pub use templates::Templates;
pub use text::{Text, Welcome, compose};
pub use worker::{Pace, Worker};
