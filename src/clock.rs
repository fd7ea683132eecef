//! The time of day. Nobody else asks the system for it.

use chrono::{DateTime, SubsecRound, Utc};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Now, to the second: nothing that WordPress stores is finer.
    pub fn now(self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        Utc::now().trunc_subsecs(0)
    }
}
