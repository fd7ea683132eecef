//! Metrics of the backlog in the database, which a task reads periodically.

use chrono::{DateTime, Utc};

use super::{Metrics, StateLabel, signed, unix};

/// The backlog in the database, of all instances together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Runs not yet counted.
    pub uncounted: u64,
    /// When the oldest of them was recorded.
    pub oldest_uncounted: Option<DateTime<Utc>>,
    /// Mails neither sent nor given up.
    pub pending: u64,
    /// When the oldest of them was promised.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// Mails given up.
    pub dead: u64,
}

impl Metrics {
    /// Sets the values read from the database.
    pub fn set_backlog(&self, backlog: &Backlog, now: DateTime<Utc>) {
        self.uncounted_runs.set(signed(backlog.uncounted));
        self.uncounted_age.set(age(backlog.oldest_uncounted, now));
        for (state, count) in [("pending", backlog.pending), ("dead", backlog.dead)] {
            let gauge = self.mails.get_or_create(&StateLabel { state });
            gauge.set(signed(count));
        }
        self.pending_age.set(age(backlog.oldest_pending, now));
        self.backlog_read.set(unix(now));
    }
}

/// Seconds from `since` to `now`; 0 if there is no `since`.
pub(super) fn age(since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    since.map_or(0.0, |since| unix(now) - unix(since)).max(0.0)
}
