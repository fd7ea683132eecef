//! Provisioning: one webhook call becomes a member, in one transaction. Mirrors `WebhookModule` of FluentCommunity Pro
//! 2.1.0 with `wp_insert_user` and what core 2.8.1 does for it.
//!
//! A call is loaded (`facts`), decided, carried out (`carry_out`) and counted (`tally`).

mod attempt;
mod call;
mod calls;
mod carry_out;
mod claims;
mod error;
mod facts;
mod idempotency;
mod known_user;
mod lanes;
mod member;
mod names;
mod new_user;
mod outcome;
mod protection;
mod runs;
mod signature;
mod tally;
mod waiting_room;
mod writing;

pub use call::{Email, WebhookCall, WebhookKey};
pub use calls::{Bells, Calls, NewUsers, PasswordScheme, WelcomeMail};
pub use carry_out::provision;
pub use error::ProvisionError;
pub use idempotency::{Idempotency, InvalidKey};
pub use lanes::Lanes;
pub use outcome::Outcome;
pub use protection::{Caller, ProtectedWebhook, Protection};
pub use runs::{Chore, tidy};
pub use signature::{SignatureFlaw, Signed};
use tally::Tally;
pub use tally::TallyTask;
use waiting_room::WaitingRoom;
