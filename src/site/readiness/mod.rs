//! Whether calls can be carried out, and if not, why. This is the only owner of that state: the health check, the
//! metric, the refusal of calls and the log all read it, so they cannot disagree.

mod evidence;
mod reason;
mod state;

pub use self::reason::{Cause, Reason};
pub use self::state::Readiness;
