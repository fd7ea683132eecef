//! The time of day. No other module reads the system clock.

use chrono::{DateTime, SubsecRound, Utc};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Now, to the second: WordPress stores nothing more precise.
    pub fn now(self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        Utc::now().trunc_subsecs(0)
    }
}
