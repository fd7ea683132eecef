//! Generates load without flattering the server that is measured.
//!
//! A closed loop has a fixed number of callers, each of which calls again as soon as it is answered: it measures
//! throughput. An open loop starts calls at a constant rate, whatever happened to the earlier ones, and measures a
//! call's latency from when it should have started: a server that stalls is charged for every call that waits.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;

/// How long callers run before counting begins.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long callers wait for answers after the end.
const DRAIN: Duration = Duration::from_mins(1);
/// Longer times are recorded as this value, in microseconds.
const LONGEST: u64 = 120_000_000;

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Executed,
    /// Refused with a request to retry later.
    Refused,
}

/// Something that many callers can call concurrently.
pub(crate) trait Subject: Send + Sync + 'static {
    /// What a caller keeps between its calls.
    type Caller: Send;

    fn caller(&self) -> impl Future<Output = anyhow::Result<Self::Caller>> + Send;

    /// Makes the call with this number; no number is used twice.
    fn call(
        &self,
        caller: &mut Self::Caller,
        number: u64,
    ) -> impl Future<Output = anyhow::Result<Answer>> + Send;
}

/// When calls start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each caller calls again when it is answered.
    Closed,
    /// This many calls start each second.
    Rate(f64),
}

/// What the callers observed.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Answers during the measurement.
    pub(crate) executed: u64,
    pub(crate) refused: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    /// Latency in microseconds of the calls that started during the measurement and were executed.
    pub(crate) latency: Histogram<u64>,
    /// The same, but from when a caller was free to make the call. For overload, where calls wait for callers.
    pub(crate) since_sent: Histogram<u64>,
    /// The message of one of the errors.
    pub(crate) error: Option<String>,
}

impl Seen {
    fn nothing() -> Self {
        let empty = || Histogram::new_with_max(LONGEST, 3).expect("three digits are possible");
        Self {
            executed: 0,
            refused: 0,
            errors: 0,
            seconds: 0.0,
            latency: empty(),
            since_sent: empty(),
            error: None,
        }
    }

    fn add(&mut self, other: Self) {
        self.executed += other.executed;
        self.refused += other.refused;
        self.errors += other.errors;
        self.latency += other.latency;
        self.since_sent += other.since_sent;
        self.error = self.error.take().or(other.error);
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.executed as f64 / self.seconds
    }
}

/// The latency in milliseconds that this share of the calls did not exceed.
pub(crate) fn quantile(latency: &Histogram<u64>, share: f64) -> f64 {
    latency.value_at_quantile(share) as f64 / 1000.0
}

fn record(latency: &mut Histogram<u64>, time: Duration) {
    latency.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
}

/// The measurement's schedule and its participants.
struct Window {
    /// When the callers start to warm up.
    start: Instant,
    /// When counting begins.
    begin: Instant,
    end: Instant,
    pace: Pace,
    /// In an open loop: calls that are due.
    due: Semaphore,
    begun: AtomicU64,
}

/// Runs this many callers for this long. Calls `at_begin` and `at_end` when counting begins and ends.
pub(crate) async fn run<S: Subject, T>(
    subject: &Arc<S>,
    numbers: &Arc<AtomicU64>,
    callers: usize,
    pace: Pace,
    seconds: f64,
    mut snapshot: impl FnMut() -> T,
) -> anyhow::Result<(Seen, T, T)> {
    let mut ready = Vec::with_capacity(callers);
    for _ in 0..callers {
        ready.push(subject.caller().await.context("a caller cannot begin")?);
    }
    let start = Instant::now();
    let begin = start + WARM_UP;
    let window = Arc::new(Window {
        start,
        begin,
        end: begin + Duration::from_secs_f64(seconds),
        pace,
        due: Semaphore::new(0),
        begun: AtomicU64::new(0),
    });
    let pacemaker = start_pacemaker(&window);
    let tasks: Vec<_> = ready
        .into_iter()
        .map(|caller| {
            let (subject, numbers) = (Arc::clone(subject), Arc::clone(numbers));
            tokio::spawn(call_on(subject, caller, numbers, Arc::clone(&window)))
        })
        .collect();
    tokio::time::sleep_until(window.begin.into()).await;
    let first = snapshot();
    tokio::time::sleep_until(window.end.into()).await;
    let last = snapshot();
    let mut seen = Seen::nothing();
    let deadline = tokio::time::Instant::now() + DRAIN;
    for task in tasks {
        match tokio::time::timeout_at(deadline, task).await {
            Ok(part) => seen.add(part?),
            Err(_) => seen.errors += 1,
        }
    }
    if let Some(pacemaker) = pacemaker {
        pacemaker
            .join()
            .map_err(|_| anyhow::anyhow!("the pacemaker failed"))?;
    }
    seen.seconds = seconds;
    Ok((seen, first, last))
}

/// In an open loop, a thread that signals when the next call is due: the runtime's clock is too coarse for that.
fn start_pacemaker(window: &Arc<Window>) -> Option<std::thread::JoinHandle<()>> {
    let Pace::Rate(rate) = window.pace else {
        return None;
    };
    let window = Arc::clone(window);
    Some(std::thread::spawn(move || {
        let start = window.start;
        let mut given = 0;
        while Instant::now() < window.end {
            // The number of calls that are due, truncated.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small and positive"
            )]
            let due = (start.elapsed().as_secs_f64() * rate) as usize + 1;
            window.due.add_permits(due - given);
            given = due;
            let next = start + Duration::from_secs_f64(due as f64 / rate);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        window.due.close();
    }))
}

impl Window {
    /// Waits until the next call is due, and returns when it should have started; `None` after the end.
    async fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let Pace::Rate(rate) = self.pace else {
            return (now < self.end).then_some(now);
        };
        self.due.acquire().await.ok()?.forget();
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        Some(self.start + Duration::from_secs_f64(number as f64 / rate))
    }
}

async fn call_on<S: Subject>(
    subject: Arc<S>,
    mut caller: S::Caller,
    numbers: Arc<AtomicU64>,
    window: Arc<Window>,
) -> Seen {
    let mut seen = Seen::nothing();
    while let Some(begun) = window.next().await {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        let answer = subject.call(&mut caller, number).await;
        let now = Instant::now();
        let counts = (window.begin..window.end).contains(&now);
        match answer {
            Ok(Answer::Executed) => {
                seen.executed += u64::from(counts);
                if begun >= window.begin {
                    record(&mut seen.latency, now - begun);
                    record(&mut seen.since_sent, now - sent);
                }
            }
            Ok(Answer::Refused) => seen.refused += u64::from(counts),
            Err(error) => {
                seen.errors += 1;
                seen.error.get_or_insert_with(|| format!("{error:#}"));
                // The connection may be in any state, so it is not used again.
                let Ok(fresh) = subject.caller().await else {
                    return seen;
                };
                caller = fresh;
            }
        }
    }
    seen
}
