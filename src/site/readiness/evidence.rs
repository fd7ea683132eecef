//! Judges from how calls end whether calls can be carried out, for faults that a test write does not meet.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::reason::Reason;

/// So many calls are looked at, the most recent ones.
const CALLS: usize = 20;
/// Fewer failures may be a peculiarity of one caller.
const FEWEST_FAILURES: usize = 3;
/// Without a failure for this long, calls are worth another attempt: nobody may be sending any while we are not ready.
const MEMORY: Duration = Duration::from_mins(1);

/// An examination takes less: by then it is known whether a failure concerns all calls.
const SETTLED: Duration = Duration::from_secs(3);
/// The same failure is told once in this time.
const REMINDER: Duration = Duration::from_mins(5);

/// How the most recent calls ended.
#[derive(Default)]
pub(super) struct Evidence {
    /// Whether each call failed; empty while all is well.
    failed: VecDeque<bool>,
    last_failure: Option<(Instant, Reason)>,
    /// The first reason of the present verdict: others would only repeat it in other words.
    verdict: Option<Reason>,
    /// What was told of failures that concern some calls only, and when.
    told: Vec<(Instant, Reason)>,
}

impl Evidence {
    /// A call was executed. Returns whether that tells anything new.
    pub(super) fn executed(&mut self) -> bool {
        if self.failed.is_empty() {
            return false;
        }
        self.push(false);
        if !self.failed.contains(&true) {
            self.failed.clear();
        }
        true
    }

    /// A call failed for a reason that concerns all calls.
    pub(super) fn failed(&mut self, reason: Reason) -> bool {
        self.push(true);
        self.last_failure = Some((Instant::now(), reason));
        true
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Why calls cannot be carried out: at least half of them fail.
    pub(super) fn verdict(&mut self) -> Option<Reason> {
        let failures = self.failed.iter().filter(|failed| **failed).count();
        let recent = self
            .last_failure
            .as_ref()
            .filter(|(at, _)| at.elapsed() < MEMORY);
        let most_fail = failures >= FEWEST_FAILURES && failures * 2 >= self.failed.len();
        let reason = recent.filter(|_| most_fail).map(|(_, reason)| reason);
        self.verdict = match (reason, self.verdict.take()) {
            (Some(_), Some(verdict)) => Some(verdict),
            (reason, _) => reason.cloned(),
        };
        self.verdict.clone()
    }

    /// A failure that turned out to concern some calls only, if the operator has not heard of it.
    pub(super) fn untold(&mut self) -> Option<Reason> {
        self.told.retain(|(at, _)| at.elapsed() < REMINDER);
        let (at, reason) = self.last_failure.as_ref()?;
        let is_due = (SETTLED..MEMORY).contains(&at.elapsed());
        if !is_due || self.told.iter().any(|(_, told)| told == reason) {
            return None;
        }
        self.told.push((*at, reason.clone()));
        Some(reason.clone())
    }

    fn push(&mut self, failed: bool) {
        if self.failed.len() == CALLS {
            self.failed.pop_front();
        }
        self.failed.push_back(failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(what: &str) -> Reason {
        Reason::passing(what)
    }

    #[test]
    fn a_single_failure_says_nothing_and_several_in_a_row_do() {
        let mut evidence = Evidence::default();
        assert!(!evidence.executed());
        for (failures, expected) in [(1, None), (2, None), (3, Some(reason("3")))] {
            evidence.failed(reason(&failures.to_string()));
            assert_eq!(evidence.verdict(), expected, "{failures}");
        }
        evidence.failed(reason("another"));
        assert_eq!(evidence.verdict(), Some(reason("3")), "the first one stays");
    }

    #[test]
    fn it_is_over_when_most_calls_are_executed_again() {
        let mut evidence = Evidence::default();
        for _ in 0..4 {
            evidence.failed(reason("full"));
        }
        for _ in 0..4 {
            assert!(evidence.executed());
            assert!(evidence.verdict().is_some());
        }
        evidence.executed();
        assert_eq!(evidence.verdict(), None);
        for _ in 0..CALLS {
            evidence.executed();
        }
        assert!(!evidence.executed(), "old failures are forgotten");
    }

    #[test]
    fn failures_among_many_executed_calls_concern_only_their_callers() {
        let mut evidence = Evidence::default();
        for _ in 0..30 {
            evidence.failed(reason("odd"));
            evidence.executed();
            evidence.executed();
            assert_eq!(evidence.verdict(), None);
        }
    }
}
