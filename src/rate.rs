//! Limits how often each of many keys may do something, in memory that does not grow with the number of keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Minimum number of remembered keys, and half the maximum. A client with more addresses than that would get a fresh
/// allowance again and again anyway.
const REMEMBERED: usize = 1 << 14;

/// This many times a period for each key, and as many in a burst after a quiet period.
pub struct Rate<K> {
    interval: Duration,
    burst: Duration,
    keys: Mutex<Keys<K>>,
}

/// When each key's full allowance will be restored. Recent keys are in one map; when that is full, the other one is
/// dropped as a whole.
struct Keys<K> {
    young: HashMap<K, Instant>,
    old: HashMap<K, Instant>,
}

impl<K: Hash + Eq> Rate<K> {
    /// Allows `times` in each `period`.
    pub fn new(times: NonZeroU32, period: Duration) -> Self {
        let interval = period / times.get();
        Self {
            interval,
            burst: period.saturating_sub(interval),
            keys: Mutex::new(Keys {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }

    /// Counts one use, if that is within the rate.
    ///
    /// # Errors
    /// The time to wait.
    pub fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        self.with(|keys| {
            let even = self.within(keys, &key, now)?;
            keys.put(key, even + self.interval);
            Ok(())
        })
    }

    /// Undoes a [`take`](Self::take) that was not used.
    pub fn give_back(&self, key: K) {
        self.with(|keys| {
            let even = keys.even_at(&key);
            if let Some(even) = even.and_then(|even| even.checked_sub(self.interval)) {
                keys.put(key, even);
            }
        });
    }

    /// Whether one more use would be allowed.
    ///
    /// # Errors
    /// The time to wait.
    pub fn check(&self, key: &K, now: Instant) -> Result<(), Duration> {
        self.with(|keys| self.within(keys, key, now).map(|_| ()))
    }

    /// Counts a use even beyond the rate; the key then has to wait longer.
    pub fn note(&self, key: K, now: Instant) {
        self.with(|keys| {
            let even = keys.even_at(&key).unwrap_or(now).max(now);
            keys.put(key, even + self.interval);
        });
    }

    fn within(&self, keys: &Keys<K>, key: &K, now: Instant) -> Result<Instant, Duration> {
        let even = keys.even_at(key).unwrap_or(now).max(now);
        match (even - now).checked_sub(self.burst) {
            None | Some(Duration::ZERO) => Ok(even),
            Some(wait) => Err(wait),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Keys<K>) -> T) -> T {
        work(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Hash + Eq> Keys<K> {
    fn even_at(&self, key: &K) -> Option<Instant> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn put(&mut self, key: K, even_at: Instant) {
        if self.young.len() >= REMEMBERED && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, even_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(times: u32, seconds: u64) -> Rate<u32> {
        Rate::new(
            NonZeroU32::new(times).unwrap(),
            Duration::from_secs(seconds),
        )
    }

    #[test]
    fn a_key_may_be_used_so_often_at_once_and_then_at_the_rate() {
        let (rate, start) = (rate(3, 6), Instant::now());
        for _ in 0..3 {
            assert_eq!(rate.take(1, start), Ok(()));
        }
        assert_eq!(rate.take(1, start), Err(Duration::from_secs(2)));
        assert_eq!(rate.check(&1, start), Err(Duration::from_secs(2)));
        assert_eq!(rate.take(2, start), Ok(()));
        let later = start + Duration::from_secs(2);
        assert_eq!(rate.check(&1, later), Ok(()));
        assert_eq!(rate.take(1, later), Ok(()));
        assert_eq!(rate.take(1, later), Err(Duration::from_secs(2)));
        let much_later = start + Duration::from_mins(1);
        for _ in 0..3 {
            assert_eq!(rate.take(1, much_later), Ok(()));
        }
        assert!(rate.take(1, much_later).is_err());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rate, start) = (rate(1, 6), Instant::now());
        for _ in 0..3 {
            assert_eq!(rate.take(1, start), Ok(()));
            rate.give_back(1);
        }
        assert_eq!(rate.take(1, start), Ok(()));
        assert_eq!(rate.take(1, start), Err(Duration::from_secs(6)));
    }

    #[test]
    fn what_was_done_beyond_the_rate_takes_longer_to_make_up_for() {
        let (rate, start) = (rate(30, 60), Instant::now());
        for _ in 0..100 {
            rate.note(1, start);
        }
        assert_eq!(rate.check(&1, start), Err(Duration::from_secs(142)));
        assert_eq!(rate.check(&1, start + Duration::from_secs(142)), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_is_forgotten_and_the_latest_are_not() {
        let (rate, start) = (rate(1, 60), Instant::now());
        for key in 0..200_000 {
            rate.note(key, start);
        }
        let keys = rate.keys.lock().unwrap();
        assert!(keys.young.len() + keys.old.len() <= 2 * REMEMBERED);
        drop(keys);
        for key in 200_000 - u32::try_from(REMEMBERED).unwrap()..200_000 {
            assert!(rate.check(&key, start).is_err());
        }
        assert_eq!(rate.check(&0, start), Ok(()));
    }
}
