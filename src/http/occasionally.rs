//! Throttles log lines for events that can occur thousands of times a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// Due at most once a second.
#[derive(Default)]
pub struct Occasionally(Mutex<Option<Instant>>);

impl Occasionally {
    /// Returns whether the event is due; if so, it is not due again for a second.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::Occasionally;

    #[test]
    fn it_is_due_once_and_then_not_for_a_while() {
        let occasionally = Occasionally::default();
        assert!(occasionally.is_due());
        assert!(!occasionally.is_due());
    }
}
