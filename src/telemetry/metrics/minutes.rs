//! Keeps how the calls of the last hour ended, and how long they took, minute by minute, for the console's charts. Of this process
//! only, and in memory of a fixed size.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Timelike, Utc};

use crate::outcome::{Class, Outcome};

/// Minutes that are kept, with the current one.
const KEPT: usize = 60;
/// Each power of two of a duration has this many steps, so a duration is known to an eighth of it.
const STEPS: u64 = 8;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// The unit of durations.
const UNIT: Duration = Duration::from_micros(10);
/// Up to some minutes.
const BUCKETS: usize = 192;

/// How calls ended in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Executed, for new members.
    pub new: u32,
    /// Executed, for known members.
    pub known: u32,
    /// Executed earlier.
    pub repeated: u32,
    /// Refused for what was sent.
    pub refused: u32,
    /// Not executed although nothing was wrong with them.
    pub failed: u32,
}

impl Calls {
    /// All that were executed.
    pub fn executed(&self) -> u32 {
        self.new + self.known + self.repeated
    }

    /// All of them.
    pub fn all(&self) -> u32 {
        self.executed() + self.refused + self.failed
    }

    fn count(&mut self, class: Class) {
        match class {
            Class::New => self.new += 1,
            Class::Known => self.known += 1,
            Class::Repeated => self.repeated += 1,
            Class::Refused => self.refused += 1,
            Class::Failed => self.failed += 1,
            Class::None => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.new += other.new;
        self.known += other.known;
        self.repeated += other.repeated;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

/// In which time calls were executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// Half of them.
    pub p50: Duration,
    /// All but one of a hundred.
    pub p99: Duration,
}

/// One minute.
#[derive(Clone, Copy, Debug)]
pub struct Minute {
    /// When it began.
    pub began: DateTime<Utc>,
    /// How its calls ended.
    pub calls: Calls,
    /// In which time those were executed that were.
    pub took: Option<Took>,
}

/// The last hour.
#[derive(Clone, Debug)]
pub struct Hour {
    /// Since the process began, at most sixty, the current one last.
    pub minutes: Vec<Minute>,
    /// All calls together.
    pub calls: Calls,
    /// In which time those were executed that were.
    pub took: Option<Took>,
}

struct Kept {
    number: u64,
    calls: Calls,
    durations: Durations,
}

struct Durations(Box<[u32; BUCKETS]>);

/// The minutes of this process.
pub(super) struct Minutes {
    started: Instant,
    /// When the first minute began, by the clock.
    first: DateTime<Utc>,
    /// How much of the first minute was over at the start.
    ahead: Duration,
    kept: Mutex<VecDeque<Kept>>,
}

impl Minutes {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let ahead = now.second();
        Self {
            started: Instant::now(),
            first: now - TimeDelta::seconds(ahead.into()),
            ahead: Duration::from_secs(ahead.into()),
            kept: Mutex::default(),
        }
    }

    pub(super) fn count(&self, outcome: Outcome, took: Duration) {
        self.count_at(Instant::now(), outcome, took);
    }

    fn count_at(&self, now: Instant, outcome: Outcome, took: Duration) {
        let class = outcome.class();
        if class == Class::None {
            return;
        }
        let number = self.number(now);
        let mut kept = self.kept();
        // Another thread may have begun the next minute by now.
        let is_new = kept.back().is_none_or(|last| last.number < number);
        if is_new {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(Kept {
                number,
                calls: Calls::default(),
                durations: Durations::none(),
            });
        }
        if let Some(last) = kept.back_mut() {
            last.calls.count(class);
            if matches!(class, Class::New | Class::Known | Class::Repeated) {
                last.durations.count(took);
            }
        }
    }

    pub(super) fn hour(&self) -> Hour {
        self.hour_at(Instant::now())
    }

    fn hour_at(&self, now: Instant) -> Hour {
        let newest = self.number(now);
        let oldest = (newest + 1).saturating_sub(KEPT as u64);
        let kept = self.kept();
        let (mut calls, mut durations) = (Calls::default(), Durations::none());
        let minutes = (oldest..=newest).map(|number| {
            let counted = kept.iter().find(|one| one.number == number);
            if let Some(counted) = counted {
                calls.add(&counted.calls);
                durations.add(&counted.durations);
            }
            let passed = TimeDelta::try_minutes(number.cast_signed()).unwrap_or_default();
            Minute {
                began: self.first + passed,
                calls: counted.map(|one| one.calls).unwrap_or_default(),
                took: counted.and_then(|one| one.durations.took()),
            }
        });
        Hour {
            minutes: minutes.collect(),
            calls,
            took: durations.took(),
        }
    }

    fn number(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.started) + self.ahead).as_secs() / 60
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Durations {
    fn none() -> Self {
        Self(Box::new([0; BUCKETS]))
    }

    fn count(&mut self, took: Duration) {
        self.0[bucket(took)] += 1;
    }

    fn add(&mut self, other: &Self) {
        for (sum, one) in self.0.iter_mut().zip(other.0.iter()) {
            *sum += one;
        }
    }

    fn took(&self) -> Option<Took> {
        let all: u64 = self.0.iter().map(|&one| u64::from(one)).sum();
        let within = |percent: u64| {
            let wanted = (all * percent).div_ceil(100);
            let mut seen = 0;
            let place = self.0.iter().position(|&one| {
                seen += u64::from(one);
                seen >= wanted
            });
            middle(place.unwrap_or(BUCKETS - 1))
        };
        (all > 0).then(|| Took {
            p50: within(50),
            p99: within(99),
        })
    }
}

/// Small ones have a bucket each; then each power of two has as many as there are steps.
fn bucket(took: Duration) -> usize {
    let units = u64::try_from(took.as_nanos() / UNIT.as_nanos()).unwrap_or(u64::MAX);
    let place = if units < STEPS {
        units
    } else {
        let power = u64::from(units.ilog2() - STEP_BITS);
        power * STEPS + (units >> power)
    };
    usize::try_from(place).map_or(BUCKETS - 1, |place| place.min(BUCKETS - 1))
}

/// The duration in the middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    let power = (bucket / STEPS).saturating_sub(1);
    let begin = (bucket - power * STEPS) << power;
    let units = 2 * begin + (1 << power);
    Duration::from_micros(units * 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_known_to_an_eighth() {
        for micros in [
            0, 9, 10, 75, 80, 81, 999, 3_000, 13_200, 250_000, 30_000_000,
        ] {
            let took = Duration::from_micros(micros);
            let shown = middle(bucket(took));
            let (longer, shorter) = (took.max(shown), took.min(shown));
            let farthest = took / 8 + UNIT;
            assert!(
                longer <= shorter + farthest,
                "{took:?} is shown as {shown:?}"
            );
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let now = "2026-11-25T13:03:42Z".parse().unwrap();
        let minutes = Minutes::new(now);
        let at = |seconds| minutes.started + Duration::from_secs(seconds);
        let (fast, slow) = (Duration::from_millis(3), Duration::from_millis(40));
        minutes.count_at(at(0), Outcome::Created, slow);
        minutes.count_at(at(17), Outcome::Found, fast);
        minutes.count_at(at(18), Outcome::InvalidEmail, slow);
        minutes.count_at(at(18), Outcome::NotACall, slow);
        let hour = minutes.hour_at(at(20));
        let begins: Vec<String> = hour
            .minutes
            .iter()
            .map(|one| one.began.format("%H:%M:%S").to_string())
            .collect();
        assert_eq!(begins, ["13:03:00", "13:04:00"]);
        assert_eq!(
            (hour.minutes[0].calls.new, hour.minutes[0].calls.known),
            (1, 1)
        );
        assert_eq!(
            hour.minutes[1].calls,
            Calls {
                refused: 1,
                ..Calls::default()
            }
        );
        assert!(hour.minutes[1].took.is_none());
        let took = hour.took.unwrap();
        assert!(took.p50 < Duration::from_millis(4) && took.p99 > Duration::from_millis(35));

        for minute in 0..90 {
            minutes.count_at(at(minute * 60), Outcome::Repeated, fast);
        }
        let hour = minutes.hour_at(at(90 * 60));
        assert_eq!((hour.minutes.len(), hour.calls.all()), (60, 59));
        assert_eq!(minutes.kept().len(), KEPT);
        assert_eq!(hour.minutes[59].calls, Calls::default());
    }
}
