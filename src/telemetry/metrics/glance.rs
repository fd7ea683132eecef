//! What the console reads from memory.

use super::{Hour, Metrics, StateLabel};

/// What waits and what was given up, of all instances, as it was counted last; at most 10,000 of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Mails neither sent nor given up.
    pub mails_pending: u64,
    /// Mails given up.
    pub mails_dead: u64,
    /// Hooks not yet fired; 0 while the relay is off.
    pub hooks_pending: u64,
    /// Hooks given up.
    pub hooks_dead: u64,
    /// Runs that no webhook's count includes yet.
    pub runs_uncounted: u64,
}

impl Metrics {
    /// What the metrics of the backlog say.
    pub fn glance(&self) -> Glance {
        let positive = |value: i64| u64::try_from(value).unwrap_or_default();
        let mails = |state| positive(self.mails.get_or_create(&StateLabel { state }).get());
        let events = &self.relay.events;
        let hooks = |state| events.get(&StateLabel { state }).map(|gauge| gauge.get());
        let hooks = |state| positive(hooks(state).unwrap_or_default());
        Glance {
            mails_pending: mails("pending"),
            mails_dead: mails("dead"),
            hooks_pending: hooks("pending"),
            hooks_dead: hooks("dead"),
            runs_uncounted: positive(self.uncounted_runs.get()),
        }
    }

    /// How the calls of this process ended in the last hour.
    pub fn last_hour(&self) -> Hour {
        self.minutes.hour()
    }
}
