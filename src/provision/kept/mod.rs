//! Keeps the fields of refused calls, encrypted, so that an operator can carry the calls out when the reason has gone.
//!
//! Kept are calls that were read whole and could be carried out as they are: their address is valid, and neither the sender nor the
//! webhook's protection is why they were refused. In memory a copy waits, within a limit, until the database takes it.

mod call;
mod key;
mod rows;

use std::sync::Arc;

use chrono::TimeDelta;

pub use self::call::{KeptCall, Recalled};
pub use self::key::{KeyFileError, KeyId, KeyOfFields, NotOpened, make_key, read_key};
pub use self::rows::{KeptRow, Waiting, prune_kept, waiting};
pub(super) use self::rows::{insert, mark_in};

/// How fields of refused calls are kept.
pub struct Keeping {
    /// What they are encrypted with.
    pub key: KeyOfFields,
    /// For how long.
    pub time: TimeDelta,
    /// Whether passwords are kept, too.
    pub passwords: bool,
}

/// `None` while no fields are kept.
pub type IfKept = Option<Arc<Keeping>>;
