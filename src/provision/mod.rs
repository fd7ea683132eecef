//! Provisioning: turns one webhook call into a member, in one transaction. Mirrors `WebhookModule` of FluentCommunity
//! Pro 2.1.0, together with `wp_insert_user` and what core 2.8.1 does for it.
//!
//! Read `carry_out` first: its function `attempt` shows a whole call on one screen. The call is loaded (`facts`), decided
//! in the stages that `plan` lists, written and committed (`apply`), and counted (`own_count`, or else `tally`). What changes
//! nothing (`unchanged`) is only recorded and counted.

mod admission;
mod apply;
mod biography;
mod call;
mod calls;
mod carry_out;
mod changes;
mod claims;
mod counting;
mod error;
mod executed;
mod execution;
mod facts;
mod field_names;
mod hashing;
mod idempotency;
mod kept;
mod known_user;
mod leftovers;
mod member;
mod names;
mod new_user;
mod new_user_limits;
mod opens;
mod own_count;
mod plan;
mod protection;
mod refused;
mod rehearsal;
mod run;
mod runs;
pub mod shadow;
mod signature;
mod signed_calls;
mod source;
mod sourced;
mod tally;
mod transaction;
mod unchanged;
mod user_count;
mod waiting_room;

pub use call::{Email, WebhookCall, WebhookKey};
pub use calls::{Bells, Calls, NewUserPolicy, PasswordScheme, WelcomeMail};
pub use carry_out::provision;
pub use error::ProvisionError;
pub use executed::Executed;
pub use field_names::FieldNames;
pub use hashing::Hashing;
pub use idempotency::{Idempotency, InvalidKey};
pub use kept::{
    IfKept, Keeping, KeptCall, KeptRow, KeyFileError, KeyId, KeyOfFields, NotOpened, Recalled,
    Waiting, make_key, prune_kept, read_key, waiting,
};
pub use member::CreatedUser;
pub use names::{NameFields, Names};
pub use new_user_limits::NewUserLimits;
pub use opens::{opens, webhook_of};
pub use plan::{MailPlan, NoMail, Plan};
pub use protection::{Caller, ProtectedWebhook, Protection};
pub use refused::{Asker, FormSeen, RefusalTask, Refusals, RefusedCall, prune_refused};
pub use rehearsal::{Chosen, NamesOfNew, Rehearsal, Rows, rehearse};
pub use runs::{Chore, note_unused, tidy};
pub use signature::{SignatureFlaw, Signed};
pub use signed_calls::take_nonce;
pub use source::{Ignored, SourceRead};
use tally::Tally;
pub use tally::TallyTask;
use waiting_room::WaitingRoom;
