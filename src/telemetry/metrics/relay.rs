//! Metrics of hooks for WordPress to fire, and of wake-ups. They exist only while the relay is on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::registry::Unit;

use super::backlog::age;
use super::{Metrics, OutcomeLabel, StateLabel, signed};

/// The outcomes of a wake-up.
const OUTCOMES: [&str; 9] = [
    "answered",
    "failed",
    "no_secret",
    "not_installed",
    "redirected",
    "refused",
    "too_slow",
    "unreachable",
    "unreadable",
];

/// Hooks in the database, of all instances together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Not yet fired.
    pub pending: u64,
    /// When the oldest of them was recorded.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// Given up.
    pub dead: u64,
    /// Interrupted by the death of a PHP process.
    pub interrupted: u64,
    /// From the call to the completion of the most recently fired hook.
    pub last_delay: Option<Duration>,
}

impl Metrics {
    /// Registers the relay's metrics, too.
    #[must_use]
    pub fn with_relay(mut self) -> Self {
        for outcome in OUTCOMES {
            let _ = self.relay.wakeups.get_or_create(&OutcomeLabel { outcome });
        }
        self.set_hooks(&Hooks::default(), DateTime::UNIX_EPOCH);
        let relay = &self.relay;
        let registry = self.registry.sub_registry_with_prefix("fcom_sidecar");
        registry.register(
            "events",
            "Hooks that WordPress has not fired, at most 10000 of a state",
            relay.events.clone(),
        );
        registry.register_with_unit(
            "event_pending_oldest_age",
            "Age of the oldest hook that waits to be fired; 0 if there is none",
            Unit::Seconds,
            relay.pending_age.clone(),
        );
        registry.register(
            "events_interrupted",
            "Remembered hooks in whose middle a PHP process died, at most 10000",
            relay.interrupted.clone(),
        );
        registry.register_with_unit(
            "event_last_delay",
            "From the call to the end of the hook that was fired last",
            Unit::Seconds,
            relay.last_delay.clone(),
        );
        registry.register(
            "wakeups",
            "Requests that wake WordPress, by how they ended",
            relay.wakeups.clone(),
        );
        self
    }

    /// Counts a request to wake WordPress.
    pub fn woken(&self, outcome: &'static str) {
        let wakeups = &self.relay.wakeups;
        wakeups.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Sets the hook metrics read from the database.
    pub fn set_hooks(&self, hooks: &Hooks, now: DateTime<Utc>) {
        let relay = &self.relay;
        for (state, count) in [("pending", hooks.pending), ("dead", hooks.dead)] {
            let gauge = relay.events.get_or_create(&StateLabel { state });
            gauge.set(signed(count));
        }
        relay.pending_age.set(age(hooks.oldest_pending, now));
        relay.interrupted.set(signed(hooks.interrupted));
        let delay = hooks.last_delay.unwrap_or_default();
        relay.last_delay.set(delay.as_secs_f64());
    }
}
