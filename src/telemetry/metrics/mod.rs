//! Metrics for Prometheus. One registry per daemon, no globals: code that counts something gets [`Metrics`] passed in.
//!
//! A scrape reads memory only, so its cost does not depend on the database. A task periodically reads what only the
//! database knows (the backlog); the age of that reading is a metric, too.

mod backlog;
mod glance;
mod minutes;
mod register;
mod relay;

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use self::backlog::Backlog;
pub use self::glance::Glance;
use self::minutes::Minutes;
pub use self::minutes::{Calls, Hour, Minute, Took};
pub use self::relay::Hooks;
use crate::outcome::{Lane, MailAttempt, Outcome, Verdict};

/// A gauge of seconds.
type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

const CALL_SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const MAIL_SECONDS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0, 60.0];
const BATCH_RUNS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// The record of a refused call.
const RECORDED: &str = "recorded";
const LOST: &str = "lost";

/// How a request to the public listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    /// See [`Outcome`].
    outcome: &'static str,
}

/// Which kind of member a call was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    /// See [`Lane`].
    lane: &'static str,
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    /// See [`Verdict`].
    verdict: &'static str,
}

/// The reason of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    /// One of a small fixed set.
    reason: &'static str,
}

/// The state of a mail, or of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    /// One of a small fixed set.
    state: &'static str,
}

/// All counters, gauges and histograms.
pub struct Metrics {
    registry: Registry,
    calls: Family<OutcomeLabel, Counter>,
    call_seconds: Family<LaneLabel, Histogram, fn() -> Histogram>,
    calls_in_flight: Gauge,
    calls_in_flight_limit: Gauge,
    retries: Family<ReasonLabel, Counter>,
    database_up: Gauge,
    connections: Family<StateLabel, Gauge>,
    connections_limit: Gauge,
    waiting_for_connection: Gauge,
    /// Time to get a connection, or to fail.
    pub connection_wait_seconds: Histogram,
    database_errors: Family<ReasonLabel, Counter>,
    /// The time of one hash, without the wait.
    pub hash_seconds: Histogram,
    /// Calls waiting to hash a password.
    pub waiting_for_hash: Gauge,
    /// From a call's commit until its run is counted.
    pub tally_wait_seconds: Histogram,
    /// Runs counted per transaction.
    pub tally_batch_runs: Histogram,
    /// Runs in this process that are waiting to be counted.
    pub tally_waiting: Gauge,
    uncounted_runs: Gauge,
    uncounted_age: Seconds,
    mail_attempts: Family<StateLabel, Counter>,
    mail_seconds: Histogram,
    mails: Family<StateLabel, Gauge>,
    pending_age: Seconds,
    backlog_read: Seconds,
    reloads: Family<StateLabel, Counter>,
    refusals: Family<StateLabel, Counter>,
    shadowed: Family<VerdictLabel, Counter>,
    relay: RelayMetrics,
    minutes: Minutes,
}

/// Hooks for WordPress to fire, and wake-ups.
#[derive(Default)]
struct RelayMetrics {
    events: Family<StateLabel, Gauge>,
    pending_age: Seconds,
    interrupted: Gauge,
    last_delay: Seconds,
    wakeups: Family<OutcomeLabel, Counter>,
}

impl Metrics {
    /// Registers all metrics at zero. `now` is when the process started; database errors and retries of calls are
    /// counted in `database_errors` and `retries`.
    pub fn new(
        now: DateTime<Utc>,
        database_errors: &[&'static str],
        retries: &[&'static str],
    ) -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(CALL_SECONDS);
        let mut metrics = Self {
            registry: Registry::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(seconds),
            calls_in_flight: Gauge::default(),
            calls_in_flight_limit: Gauge::default(),
            retries: Family::default(),
            database_up: Gauge::default(),
            connections: Family::default(),
            connections_limit: Gauge::default(),
            waiting_for_connection: Gauge::default(),
            connection_wait_seconds: seconds(),
            database_errors: Family::default(),
            hash_seconds: seconds(),
            waiting_for_hash: Gauge::default(),
            tally_wait_seconds: seconds(),
            tally_batch_runs: Histogram::new(BATCH_RUNS),
            tally_waiting: Gauge::default(),
            uncounted_runs: Gauge::default(),
            uncounted_age: Gauge::default(),
            mail_attempts: Family::default(),
            mail_seconds: Histogram::new(MAIL_SECONDS),
            mails: Family::default(),
            pending_age: Gauge::default(),
            backlog_read: Gauge::default(),
            reloads: Family::default(),
            refusals: Family::default(),
            shadowed: Family::default(),
            relay: RelayMetrics::default(),
            minutes: Minutes::new(now),
        };
        metrics.begin_at_zero(database_errors, retries);
        metrics.register_process(now);
        metrics.register_calls();
        metrics.register_work();
        metrics
    }

    /// Creates every series up front: the rate of a series that appears with its first event misses that event.
    fn begin_at_zero(&self, database_errors: &[&'static str], retries: &[&'static str]) {
        for outcome in Outcome::ALL {
            let _ = self.calls.get_or_create(&of_call(*outcome));
        }
        for lane in Lane::ALL {
            let lane = lane.word();
            let _ = self.call_seconds.get_or_create(&LaneLabel { lane });
        }
        for &reason in retries {
            let _ = self.retries.get_or_create(&ReasonLabel { reason });
        }
        for &reason in database_errors {
            let _ = self.database_errors.get_or_create(&ReasonLabel { reason });
        }
        for end in MailAttempt::ALL {
            let state = end.word();
            let _ = self.mail_attempts.get_or_create(&StateLabel { state });
        }
        for state in ["pending", "dead"] {
            let _ = self.mails.get_or_create(&StateLabel { state });
        }
        for state in [RECORDED, LOST] {
            let _ = self.refusals.get_or_create(&StateLabel { state });
        }
        for verdict in Verdict::ALL {
            let verdict = verdict.word();
            let _ = self.shadowed.get_or_create(&VerdictLabel { verdict });
        }
        for state in ["applied", "refused"] {
            let _ = self.reloads.get_or_create(&StateLabel { state });
        }
    }

    /// Counts a request and records its duration.
    pub fn call_ended(&self, outcome: Outcome, lane: Lane, took: Duration) {
        self.calls.get_or_create(&of_call(outcome)).inc();
        let lane = lane.word();
        let seconds = self.call_seconds.get_or_create(&LaneLabel { lane });
        seconds.observe(took.as_secs_f64());
        self.minutes.count(outcome, took);
    }

    /// Counts a failed database operation. `reason` is one of those registered at the start.
    pub fn database_failed(&self, reason: &'static str) {
        self.database_errors
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// Counts a retry of a call.
    pub fn retried(&self, reason: &'static str) {
        self.retries.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Counts an attempt at a mail.
    pub fn mail_attempted(&self, end: MailAttempt, took: Duration) {
        let state = end.word();
        self.mail_attempts
            .get_or_create(&StateLabel { state })
            .inc();
        self.mail_seconds.observe(took.as_secs_f64());
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, applied: bool) {
        let state = if applied { "applied" } else { "refused" };
        self.reloads.get_or_create(&StateLabel { state }).inc();
    }

    /// Counts refused calls that were recorded.
    pub fn refusals_recorded(&self, calls: u64) {
        let state = RECORDED;
        self.refusals
            .get_or_create(&StateLabel { state })
            .inc_by(calls);
    }

    /// Counts refused requests that were not recorded.
    pub fn refusals_lost(&self, requests: u64) {
        let state = LOST;
        self.refusals
            .get_or_create(&StateLabel { state })
            .inc_by(requests);
    }

    /// Counts a call in shadow mode.
    pub fn shadowed(&self, verdict: Verdict) {
        let verdict = verdict.word();
        self.shadowed.get_or_create(&VerdictLabel { verdict }).inc();
    }

    /// Sets whether the database answers and takes writes.
    pub fn set_database_up(&self, up: bool) {
        self.database_up.set(i64::from(up));
    }

    /// Sets how many call permits are free.
    pub fn set_calls_in_flight(&self, limit: usize, free: usize) {
        self.calls_in_flight_limit.set(signed(limit as u64));
        let in_flight = limit.saturating_sub(free);
        self.calls_in_flight.set(signed(in_flight as u64));
    }

    /// Sets the number of connections.
    pub fn set_connections(&self, open: usize, idle: usize, waiting: usize) {
        let in_use = open.saturating_sub(idle);
        for (state, count) in [("in_use", in_use), ("idle", idle)] {
            let gauge = self.connections.get_or_create(&StateLabel { state });
            gauge.set(signed(count as u64));
        }
        self.waiting_for_connection.set(signed(waiting as u64));
    }

    /// Sets how many connections may be open at once: as configured, or as the server allows.
    pub fn set_connections_limit(&self, limit: usize) {
        self.connections_limit.set(signed(limit as u64));
    }

    /// Encodes all metrics in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// A metric cannot be encoded.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(16 * 1024);
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn of_call(outcome: Outcome) -> OutcomeLabel {
    let outcome = outcome.word();
    OutcomeLabel { outcome }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since the epoch are exact for thousands of years"
)]
fn unix(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}
