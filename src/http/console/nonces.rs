//! Nonces of signed requests, so that nobody can send one again: remembered for as long as its signature holds, in memory of this
//! process. What was signed before the process began is refused, for the one before may have had it. Of changes, the database
//! remembers them for all processes: see [`Visit::once`](super::visit::Visit::once).

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Maximum difference between the plugin's clock and ours, in seconds; the plugin's own tolerance.
const TOLERANCE: i64 = 300;
/// So many are remembered.
const MOST: usize = 16_384;

/// Those of the last minutes, with the times of their requests in Unix seconds.
pub(super) struct Nonces {
    /// By the clock of today: one that was fast at the start and was put right since must shut nobody out until then.
    began: AtomicI64,
    seen: Mutex<HashMap<[u8; 16], i64>>,
}

/// Why a nonce is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// The clocks differ, or the request is old.
    Time,
    /// It was there before.
    Replayed,
    /// There were too many.
    Crowd,
}

impl Nonces {
    /// Of a process that began then.
    pub(super) fn since(began: DateTime<Utc>) -> Self {
        Self {
            began: began.timestamp().into(),
            seen: Mutex::default(),
        }
    }

    /// Takes the nonce of a request that was signed at `time`, in Unix seconds.
    ///
    /// # Errors
    /// The request is old, or was there before.
    pub(super) fn take(&self, nonce: [u8; 16], time: i64, now: DateTime<Utc>) -> Result<(), Stale> {
        let now = now.timestamp();
        let began = self.began.fetch_min(now, Ordering::Relaxed).min(now);
        let is_old = |time: i64| now.saturating_sub(time) > TOLERANCE;
        if is_old(time) || time.saturating_sub(now) > TOLERANCE || time < began {
            return Err(Stale::Time);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains_key(&nonce) {
            return Err(Stale::Replayed);
        }
        if seen.len() >= MOST {
            seen.retain(|_, time| !is_old(*time));
        }
        if seen.len() >= MOST {
            return Err(Stale::Crowd);
        }
        seen.insert(nonce, time);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: i64 = 1_710_000_000;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(BEGAN + seconds, 0).unwrap()
    }

    #[test]
    fn a_request_counts_once_and_for_some_minutes() {
        let nonces = Nonces::since(at(0));
        let take = |nonce, time, now| nonces.take([nonce; 16], BEGAN + time, at(now));
        assert_eq!(take(1, 1000, 1000), Ok(()));
        assert_eq!(take(1, 1000, 1000), Err(Stale::Replayed));
        assert_eq!(take(1, 1000, 1300), Err(Stale::Replayed));
        assert_eq!(take(1, 1000, 1301), Err(Stale::Time));
        assert_eq!(take(2, 1000, 1300), Ok(()));
        assert_eq!(take(3, 1300, 1000), Ok(()));
        assert_eq!(take(4, 1301, 1000), Err(Stale::Time));
        // What an earlier process may have had.
        assert_eq!(take(5, -1, 0), Err(Stale::Time));
        assert_eq!(take(5, 0, 0), Ok(()));
        assert_eq!(nonces.take([6; 16], i64::MIN, at(0)), Err(Stale::Time));
    }

    #[test]
    fn a_clock_that_was_fast_at_the_start_shuts_nobody_out() {
        let nonces = Nonces::since(at(3600));
        assert_eq!(nonces.take([1; 16], BEGAN - 1, at(0)), Err(Stale::Time));
        assert_eq!(nonces.take([1; 16], BEGAN, at(0)), Ok(()));
        assert_eq!(nonces.take([1; 16], BEGAN, at(0)), Err(Stale::Replayed));
    }

    #[test]
    fn a_crowd_is_refused_rather_than_forgotten() {
        let nonces = Nonces::since(at(0));
        let nonce = |number: usize| (number as u128).to_be_bytes();
        for number in 0..MOST {
            assert_eq!(nonces.take(nonce(number), BEGAN, at(0)), Ok(()));
        }
        let next = nonce(MOST);
        assert_eq!(nonces.take(next, BEGAN, at(300)), Err(Stale::Crowd));
        assert_eq!(nonces.take(nonce(0), BEGAN, at(300)), Err(Stale::Replayed));
        assert_eq!(nonces.take(next, BEGAN + 301, at(301)), Ok(()));
        assert_eq!(nonces.seen.lock().unwrap().len(), 1);
    }
}
