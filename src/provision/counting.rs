//! What is known in this process about the counting of runs, by calls (`own_count`) and by the
//! tally.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a webhook that could not be counted is left to the sweep, so that no call waits for it again.
const POSTPONED: Duration = Duration::from_secs(15);

/// What calls and the tally know of each other's counting.
#[derive(Default)]
pub(super) struct Counting {
    /// Runs that are being counted.
    active: AtomicUsize,
    webhooks: Mutex<HashMap<u64, Known>>,
}

/// What is known about a webhook.
#[derive(Default)]
struct Known {
    /// The record as this process has last committed it, and when.
    record: Option<(Vec<u8>, Instant)>,
    postponed: Option<Instant>,
    /// When its runs could not be recorded together with others, because somebody held a webhook's row for long.
    apart: Option<Instant>,
    /// Whether its last call for a known user found something to change.
    changes: bool,
}

/// A webhook's record as stored, and when the server was asked for it.
pub(super) struct Record {
    pub(super) value: Vec<u8>,
    pub(super) asked_at: Instant,
}

/// Lasts for as long as a run is being counted.
pub(super) struct Active<'a>(&'a Counting);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counting {
    /// Notes that a run is being counted.
    pub(super) fn begin(&self) -> Active<'_> {
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(self)
    }

    /// The same, but only if no other run is.
    pub(super) fn begin_alone(&self) -> Option<Active<'_>> {
        let (order, active) = (Ordering::Relaxed, &self.active);
        let alone = active.compare_exchange(0, 1, order, order).is_ok();
        alone.then(|| Active(self))
    }

    fn webhooks(&self) -> MutexGuard<'_, HashMap<u64, Known>> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the webhook could not be counted lately.
    pub(super) fn is_postponed(&self, webhook_id: u64) -> bool {
        self.is_recent(webhook_id, |one| one.postponed)
    }

    /// Whether each run of the webhook is to be recorded by its call for now.
    pub(super) fn is_apart(&self, webhook_id: u64) -> bool {
        self.is_recent(webhook_id, |one| one.apart)
    }

    fn is_recent(&self, webhook_id: u64, when: impl Fn(&Known) -> Option<Instant>) -> bool {
        let webhooks = self.webhooks();
        let since = webhooks.get(&webhook_id).and_then(when);
        since.is_some_and(|since| since.elapsed() < POSTPONED)
    }

    /// Leaves the records of the webhook's next runs to their calls.
    pub(super) fn keep_apart(&self, webhook_id: u64) {
        let mut webhooks = self.webhooks();
        webhooks.entry(webhook_id).or_default().apart = Some(Instant::now());
    }

    /// Leaves the webhook's next runs to the sweep.
    pub(super) fn postpone(&self, webhook_id: u64) {
        let mut webhooks = self.webhooks();
        webhooks.entry(webhook_id).or_default().postponed = Some(Instant::now());
    }

    /// Whether the webhook's last call for a known user found something to change. Then the next one is likely to, and
    /// looks behind its lock only.
    pub(super) fn has_changed(&self, webhook_id: u64) -> bool {
        let webhooks = self.webhooks();
        webhooks.get(&webhook_id).is_some_and(|one| one.changes)
    }

    /// Notes whether a call for a known user finds something to change.
    pub(super) fn note_changes(&self, webhook_id: u64, changes: bool) {
        let mut webhooks = self.webhooks();
        webhooks.entry(webhook_id).or_default().changes = changes;
    }

    /// Notes the record that was committed.
    pub(super) fn wrote(&self, webhook_id: u64, value: Vec<u8>) {
        let mut webhooks = self.webhooks();
        webhooks.entry(webhook_id).or_default().record = Some((value, Instant::now()));
    }

    /// The newest record that is known.
    pub(super) fn newest(&self, webhook_id: u64, read: &Record) -> Vec<u8> {
        let webhooks = self.webhooks();
        let written = webhooks
            .get(&webhook_id)
            .and_then(|one| one.record.as_ref());
        match written {
            Some((value, at)) if *at > read.asked_at => value.clone(),
            _ => read.value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_is_counted_by_its_call() {
        let counting = Counting::default();
        let alone = counting.begin_alone();
        assert!(alone.is_some() && counting.begin_alone().is_none());
        let waiting = counting.begin();
        drop(alone);
        assert!(counting.begin_alone().is_none());
        drop(waiting);
        assert!(counting.begin_alone().is_some());
    }

    #[test]
    fn the_newest_record_is_what_was_read_or_written_last() {
        let counting = Counting::default();
        let before = Record {
            value: b"read".to_vec(),
            asked_at: Instant::now(),
        };
        assert_eq!(counting.newest(3, &before), b"read");
        counting.wrote(3, b"written".to_vec());
        assert_eq!(counting.newest(3, &before), b"written");
        assert_eq!(counting.newest(4, &before), b"read");
        let after = Record {
            value: b"edited".to_vec(),
            asked_at: Instant::now() + Duration::from_millis(1),
        };
        assert_eq!(counting.newest(3, &after), b"edited");
    }
}
