//! What a call did.

use chrono::{DateTime, Utc};

use crate::outcome::{Lane, Outcome};

/// An executed call: all of its changes are committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Row id in `fcom_meta`.
    pub webhook_id: u64,
    /// The member.
    pub user_id: u64,
    /// Whether the user is new.
    pub created: bool,
    /// When it was executed, to the second.
    pub executed_at: DateTime<Utc>,
    /// Whether this repeats the answer to an earlier call with the same `Idempotency-Key` or `webhook-id`.
    pub replayed: bool,
}

impl Executed {
    /// The result as one word.
    pub fn outcome(&self) -> Outcome {
        match (self.replayed, self.created) {
            (true, _) => Outcome::Repeated,
            (false, true) => Outcome::Created,
            (false, false) => Outcome::Found,
        }
    }

    /// The member that the call was for, also if it was executed earlier.
    pub fn lane(&self) -> Lane {
        if self.created { Lane::New } else { Lane::Known }
    }
}
