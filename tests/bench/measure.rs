//! One row of the table: what it calls, and the results of its runs.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use crate::http::Calls;
use crate::least::Least;
use crate::load::{self, Pace, Seen, quantile};
use crate::processes::{Cpu, Watched};
use crate::replay::Replay;

/// The target of the calls.
#[derive(Clone)]
pub(crate) enum Target {
    Http(Arc<Calls>),
    Replay(Arc<Replay>),
    Least(Arc<Least>),
}

/// A row of the table.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) watched: Watched,
    /// No number is used twice, however often the row is measured.
    pub(crate) numbers: Arc<AtomicU64>,
    /// With more callers than this it is not measured.
    pub(crate) most_callers: usize,
}

impl Row {
    pub(crate) fn new(name: &str, target: Target, watched: Watched) -> Self {
        Self {
            name: name.to_owned(),
            target,
            watched,
            numbers: Arc::default(),
            most_callers: usize::MAX,
        }
    }

    pub(crate) fn up_to(mut self, callers: usize) -> Self {
        self.most_callers = callers;
        self
    }

    pub(crate) fn calls(name: &str, calls: Calls, watched: &Watched) -> Self {
        Self::new(name, Target::Http(Arc::new(calls)), watched.clone())
    }

    pub(crate) async fn measure(
        &self,
        callers: usize,
        pace: Pace,
        seconds: f64,
    ) -> anyhow::Result<Run> {
        let (numbers, cpu) = (&self.numbers, || self.watched.cpu());
        let (seen, first, last) = match &self.target {
            Target::Http(calls) => load::run(calls, numbers, callers, pace, seconds, cpu).await?,
            Target::Replay(replay) => {
                load::run(replay, numbers, callers, pace, seconds, cpu).await?
            }
            Target::Least(least) => load::run(least, numbers, callers, pace, seconds, cpu).await?,
        };
        if let Some(error) = &seen.error {
            eprintln!("{} at {callers}: {error}", self.name);
        }
        Ok(Run::new(&seen, last.since(first)))
    }
}

/// The results of one measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// In milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Latency counted from when the calls were sent.
    pub(crate) sent_p99: f64,
    pub(crate) errors: f64,
    pub(crate) refused_per_second: f64,
    /// Milliseconds of processor time per call.
    pub(crate) server_cpu: f64,
    pub(crate) database_cpu: f64,
    pub(crate) callers_cpu: f64,
    /// The number of processors that other programs kept busy.
    pub(crate) others_cpu: f64,
}

impl Run {
    fn new(seen: &Seen, cpu: Cpu) -> Self {
        let calls = seen.executed.max(1) as f64;
        let per_call = |seconds: f64| seconds * 1000.0 / calls;
        Self {
            per_second: seen.per_second(),
            p50: quantile(&seen.latency, 0.5),
            p99: quantile(&seen.latency, 0.99),
            p999: quantile(&seen.latency, 0.999),
            sent_p99: quantile(&seen.since_sent, 0.99),
            errors: seen.errors as f64,
            refused_per_second: seen.refused as f64 / seen.seconds,
            server_cpu: per_call(cpu.server),
            database_cpu: per_call(cpu.database),
            callers_cpu: per_call(cpu.callers),
            others_cpu: cpu.others() / seen.seconds,
        }
    }

    /// Of lines that were imported, whose latencies nobody knows.
    pub(crate) fn of_lines(lines: u64, seconds: f64, cpu: Cpu) -> Self {
        let per_line = |processor: f64| processor * 1000.0 / lines.max(1) as f64;
        Self {
            per_second: lines as f64 / seconds,
            server_cpu: per_line(cpu.server),
            database_cpu: per_line(cpu.database),
            callers_cpu: per_line(cpu.callers),
            others_cpu: cpu.others() / seconds,
            ..Self::default()
        }
    }

    /// The median of each number over all runs, and the sum of the errors.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |get: fn(&Self) -> f64| median(runs.iter().map(get));
        Self {
            per_second: of(|run| run.per_second),
            p50: of(|run| run.p50),
            p99: of(|run| run.p99),
            p999: of(|run| run.p999),
            sent_p99: of(|run| run.sent_p99),
            errors: runs.iter().map(|run| run.errors).sum(),
            refused_per_second: of(|run| run.refused_per_second),
            server_cpu: of(|run| run.server_cpu),
            database_cpu: of(|run| run.database_cpu),
            callers_cpu: of(|run| run.callers_cpu),
            others_cpu: of(|run| run.others_cpu),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "calls_per_second": self.per_second,
            "p50_ms": self.p50,
            "p99_ms": self.p99,
            "p999_ms": self.p999,
            "sent_p99_ms": self.sent_p99,
            "errors": self.errors,
            "refused_per_second": self.refused_per_second,
            "cpu_ms_per_call": {
                "server": self.server_cpu,
                "database": self.database_cpu,
                "callers": self.callers_cpu,
            },
            "processors_of_others": self.others_cpu,
        })
    }
}

pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        length if length % 2 == 1 => numbers[length / 2],
        length => f64::midpoint(numbers[length / 2 - 1], numbers[length / 2]),
    }
}
