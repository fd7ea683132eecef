//! Waking WordPress. A wake-up only says "look", so many of them are one; WP-Cron looks by itself once a minute.
//!
//! PHP often has the same processors as the calls and their database, so it holds back while calls come: one process at
//! a time works for a second, then it rests nine times as long as it took. That ends when calls have paused for a tenth
//! of a second. Hooks that wait for half a minute get every other second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use tracing::field::Empty;

use super::queue;
use super::wordpress::{Ran, WordPress, WordPressError};
use crate::site::Site;
use crate::telemetry::{self, Metrics, fail, phase};

/// PHP processes that are kept busy at once while no call is under way.
const IN_FLIGHT: u32 = 2;
/// Between two wake-ups: what is committed meanwhile goes along with the next.
const PAUSE: Duration = Duration::from_millis(150);
/// How long PHP goes on when it is woken, in seconds, if there is so much to do.
const RUN_SECONDS: u64 = 1;
/// While calls come, how many times longer PHP rests than it has worked: it gets a tenth of one processor.
const REST: u32 = 9;
/// The same for hooks that have been waiting for [`LONG`]: half a processor.
const REST_OF_LATE: u32 = 1;
const LONG: Duration = Duration::from_secs(30);
/// A listener that waits for somebody else takes long, but no processor.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// How often it is looked whether calls are under way.
const LOOK: Duration = Duration::from_millis(20);
/// So many looks that find none are a pause of the calls.
const QUIET_LOOKS: u32 = 5;
/// After a wake-up that failed; doubled after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// How often the table is looked at when nobody calls: for retries, and for what another instance left.
const SWEEP: Duration = Duration::from_secs(15);

/// What waking needs.
pub struct Poker {
    /// The site whose hooks wait.
    pub site: Arc<Site>,
    /// Who is woken.
    pub wordpress: WordPress,
    /// Rung when an event was committed.
    pub bell: Arc<Notify>,
    /// Calls under way.
    pub calls: TaskTracker,
    /// Where wake-ups are counted.
    pub metrics: Arc<Metrics>,
}

impl Poker {
    /// Wakes WordPress at the start, whenever the bell rings, and for what is found due, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let poker = Arc::new(self);
        let sweep = tokio::spawn(Arc::clone(&poker).sweep(stop.clone()));
        let places = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        let trouble = Arc::new(Trouble::default());
        // A plugin that is not there is reported before there is work for it, and the first call finds PHP's code compiled.
        poker.bell.notify_one();
        while !stop.is_cancelled() {
            let waited = async {
                poker.bell.notified().await;
                poker.place(&places).await
            };
            let place = tokio::select! {
                place = waited => place,
                () = stop.cancelled() => break,
            };
            let (one, trouble_of_one) = (Arc::clone(&poker), Arc::clone(&trouble));
            // WordPress goes on with what it has begun; at the end nobody waits for its answer.
            tokio::spawn(async move {
                one.poke(&trouble_of_one).await;
                drop(place);
            });
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => break,
            }
        }
        let _ = sweep.await;
    }

    /// While calls are under way one process has all places.
    async fn place(&self, places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        loop {
            let wanted = if self.calls.is_empty() { 1 } else { IN_FLIGHT };
            if let Ok(place) = Arc::clone(places).try_acquire_many_owned(wanted) {
                return place;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn poke(&self, trouble: &Trouble) {
        let began = Instant::now();
        let span = phase!(
            "client",
            "wake WordPress",
            "http.request.method" = "POST",
            "hooks.done" = Empty,
            "hooks.failed" = Empty
        );
        let woken = self.wordpress.wake(self.site.clock.now(), RUN_SECONDS);
        match woken.instrument(span.clone()).await {
            Ok(ran) => {
                span.record("hooks.done", ran.done);
                span.record("hooks.failed", ran.failed);
                drop(span);
                self.metrics.woken("answered");
                trouble.is_over();
                report(ran);
                if ran.more {
                    self.bell.notify_one();
                }
                self.rest(began.elapsed()).await;
            }
            Err(error) => {
                fail(&span, "not_woken");
                drop(span);
                self.metrics.woken(error.word());
                // Keeps its place meanwhile, so that a site that is away is not asked more often by busy callers.
                tokio::time::sleep(trouble.note(&error)).await;
                self.bell.notify_one();
            }
        }
    }

    /// Keeps its place while calls come, for a time that depends on how long PHP worked.
    async fn rest(&self, worked: Duration) {
        if self.calls.is_empty() {
            return;
        }
        let end = Instant::now() + rest_after(worked, self.waited().await);
        let mut quiet_looks = 0;
        while quiet_looks < QUIET_LOOKS && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
            quiet_looks = if self.calls.is_empty() {
                quiet_looks + 1
            } else {
                0
            };
        }
    }

    /// How long the next hook has been waiting, if there is one and the database answers.
    async fn waited(&self) -> Option<Duration> {
        let waited = self
            .site
            .pool
            .work(async |connection| queue::waited(connection, &self.site.statements).await);
        waited.await.unwrap_or_else(|error| {
            tracing::debug!("no look at events for now: {}", telemetry::chain(&error));
            None
        })
    }

    async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let mut interval = tokio::time::interval(SWEEP);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = stop.cancelled() => return,
            }
            if self.waited().await.is_some() {
                self.bell.notify_one();
            }
        }
    }
}

/// How long PHP rests after it has worked for so long, while a hook has been waiting for `waited`.
fn rest_after(worked: Duration, waited: Option<Duration>) -> Duration {
    let is_late = waited.is_some_and(|waited| waited >= LONG);
    let times = if is_late { REST_OF_LATE } else { REST };
    worked.saturating_mul(times).min(LONGEST_REST)
}

fn report(ran: Ran) {
    if ran.failed > 0 {
        tracing::warn!(
            events.done = ran.done,
            events.failed = ran.failed,
            "plugins of the site failed at {} hooks; \"fcom-sidecar relay status\" tells which and why",
            ran.failed
        );
    } else if ran.done > 0 {
        tracing::debug!(events.done = ran.done, "WordPress fired {} hooks", ran.done);
    }
}

/// Wake-ups that failed, one after the other.
#[derive(Default)]
struct Trouble(std::sync::Mutex<(u32, String)>);

impl Trouble {
    fn is_over(&self) {
        let mut trouble = self.lock();
        if trouble.0 > 0 {
            tracing::info!("WordPress can be woken again");
        }
        *trouble = (0, String::new());
    }

    /// Said once, however often it happens. Returns how long to wait.
    fn note(&self, error: &WordPressError) -> Duration {
        let mut trouble = self.lock();
        let why = telemetry::chain(error);
        if why != trouble.1 {
            tracing::warn!(
                "WordPress cannot be woken: {why}. WP-Cron takes its hooks up meanwhile"
            );
        }
        let pause = FIRST_RETRY.saturating_mul(1 << trouble.0.min(10));
        *trouble = (trouble.0.saturating_add(1), why);
        pause.min(LONGEST_RETRY)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (u32, String)> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn php_gets_a_tenth_and_what_is_late_a_half() {
        let ms = Duration::from_millis;
        let late = Some(Duration::from_secs(45));
        for (worked, waited, rest) in [
            (ms(50), None, ms(450)),
            (ms(1000), Some(ms(2000)), ms(9000)),
            (ms(1000), late, ms(1000)),
            // A listener that waits for somebody else.
            (ms(60_000), None, LONGEST_REST),
            (ms(60_000), late, LONGEST_REST),
        ] {
            assert_eq!(rest_after(worked, waited), rest, "{worked:?} {waited:?}");
        }
    }
}
