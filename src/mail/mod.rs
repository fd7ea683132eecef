//! Sends welcome mails. A call records the promise of a mail in its own transaction; a worker sends it, with retries.
//! Mirrors `wp_new_user_notification` for the user, WordPress 5.9 to 7.1.

mod attempt;
mod compose;
mod connect;
mod failure;
mod gate;
mod hello;
mod in_a_row;
mod line;
mod login_page;
mod message;
pub mod outbox;
mod peer;
mod sender;
mod settings;
mod smtp;
mod templates;
mod text;
mod tls;
mod turns;
mod worker;

pub use compose::compose;
pub use connect::Privacy;
pub use failure::{Failure, FailureKind, Refusal, Reply};
pub use gate::{Delivery, Trouble};
pub use hello::Hello;
pub use line::Line;
#[cfg(any(test, fuzzing))]
pub(crate) use line::converse_with;
pub use message::Header;
pub use sender::{NotAddresses, Sender};
pub use settings::{MailOptions, Network};
pub use smtp::{Smtp, SmtpError};
pub use templates::{Templates, TemplatesError};
pub use text::{Pages, Text, Welcome};
pub use worker::{Pace, Worker};
