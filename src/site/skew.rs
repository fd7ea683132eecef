//! How far this machine's clock is from the database server's. WordPress compares the times of reset links, and callers those of
//! signatures, with clocks that are right.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// In seconds. Servers without time synchronization drift by less for months.
const TOLERATED: u64 = 60;

/// The difference, as last measured.
#[derive(Debug, Default)]
pub struct Skew {
    /// By how many seconds this machine's clock is ahead.
    ahead: AtomicI64,
}

impl Skew {
    /// Notes a measurement. The log hears when the difference becomes too large, and when that is over.
    pub fn measured(&self, here: DateTime<Utc>, database: DateTime<Utc>) {
        let ahead = (here - database).num_seconds();
        let before = self.ahead.swap(ahead, Ordering::Relaxed);
        match (too_large(before), too_large(ahead)) {
            (false, true) => tracing::warn!("the clock is wrong: {}", complaint(ahead)),
            (true, false) => {
                tracing::info!("this machine's clock agrees with the database's again");
            }
            _ => {}
        }
    }

    /// What is wrong, and the remedy; `None` while the difference is tolerable.
    pub fn complaint(&self) -> Option<String> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        too_large(ahead).then(|| complaint(ahead))
    }
}

fn too_large(ahead: i64) -> bool {
    ahead.unsigned_abs() > TOLERATED
}

fn complaint(ahead: i64) -> String {
    let (seconds, direction) = (
        ahead.unsigned_abs(),
        if ahead > 0 { "ahead of" } else { "behind" },
    );
    format!(
        "this machine's clock is {seconds} s {direction} the database's: signed calls are refused, and times in the sidecar's tables \
         are wrong; nothing old is deleted; links in mails follow the database's clock. Set the clock, e.g. with timedatectl set-ntp true"
    )
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn more_than_a_minute_is_too_much() {
        let (skew, now) = (Skew::default(), DateTime::UNIX_EPOCH);
        for (seconds, words) in [
            (0, None),
            (60, None),
            (-60, None),
            (61, Some("61 s ahead of the database's")),
            (-86_400, Some("86400 s behind the database's")),
        ] {
            skew.measured(now + TimeDelta::seconds(seconds), now);
            let complaint = skew.complaint();
            assert_eq!(complaint.is_some(), words.is_some());
            assert!(
                complaint
                    .unwrap_or_default()
                    .contains(words.unwrap_or_default())
            );
        }
    }
}
