//! Wakes WordPress. A wake-up only means "look for events", so several can be merged into one; WP-Cron polls once a
//! minute by itself.
//!
//! PHP often shares its processors with the calls and their database, so wake-ups are throttled while calls come in:
//! one PHP process at a time works for a second, then rests nine times as long as it worked. The rest ends once calls
//! have paused for a tenth of a second. Hooks that have waited for half a minute get every other second.

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

/// PHP processes kept busy at once while no call is in progress.
const IN_FLIGHT: u32 = 2;
/// Minimum time between wake-ups; events committed in between are covered by the next one.
const PAUSE: Duration = Duration::from_millis(150);
/// How long, in seconds, PHP keeps working after a wake-up if there is enough to do.
const RUN_SECONDS: u64 = 1;
/// While calls come in, PHP rests this many times as long as it worked: it gets a tenth of one processor.
const REST: u32 = 9;
/// The same for hooks that have been waiting for [`LONG`]: they get half a processor.
const REST_OF_LATE: u32 = 1;
const LONG: Duration = Duration::from_secs(30);
/// Caps the rest, because a listener that waits for another service takes long but uses no processor.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// Interval at which we check whether calls are in progress.
const LOOK: Duration = Duration::from_millis(20);
/// This many checks in a row without a call count as a pause.
const QUIET_LOOKS: u32 = 5;
/// Delay after a failed wake-up; doubled after each further failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// How often the table is polled when no calls come in: for retries, and for events that another instance left.
const SWEEP: Duration = Duration::from_secs(15);

/// Wakes WordPress.
pub struct Poker {
    /// The site whose hooks are pending.
    pub site: Arc<Site>,
    /// The WordPress to wake.
    pub wordpress: WordPress,
    /// Notified when an event was committed.
    pub bell: Arc<Notify>,
    /// Calls in progress.
    pub calls: TaskTracker,
    /// Days after which an event is given up.
    pub give_up_days: u32,
    /// Counts wake-ups.
    pub metrics: Arc<Metrics>,
}

impl Poker {
    /// Wakes WordPress at startup, on each notification, and for events found due, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let poker = Arc::new(self);
        poker.give_up(&stop).await;
        let sweep = tokio::spawn(Arc::clone(&poker).sweep(stop.clone()));
        let places = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        let trouble = Arc::new(Trouble::default());
        // Wake once at startup: a missing plugin is reported before there is work for it, and the first call finds
        // PHP's code compiled.
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
            // Not awaited: WordPress finishes what it has begun, and at shutdown its answer no longer matters.
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

    /// Before the first wake-up: what has become too old while the daemon was down is not fired.
    async fn give_up(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match queue::give_up(&self.site, self.give_up_days).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!("no look at events for now: {}", telemetry::chain(&error));
                }
            }
            let _ = stop
                .run_until_cancelled(tokio::time::sleep(FIRST_RETRY))
                .await;
        }
    }

    /// While calls are in progress, one process takes all permits.
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
                // Keep the permit during the delay, so that busy callers do not make us contact a site that is down
                // more often.
                tokio::time::sleep(trouble.note(&error)).await;
                self.bell.notify_one();
            }
        }
    }

    /// Keeps the permit while calls come in, for a time that depends on how long PHP worked.
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

    /// How long the next hook has been waiting; `None` if there is none or the database does not answer.
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

/// How long PHP rests after working for `worked`, while a hook has been waiting for `waited`.
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

/// Consecutive failed wake-ups.
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

    /// Logs a failure once, however often it repeats. Returns how long to wait.
    fn note(&self, error: &WordPressError) -> Duration {
        let mut trouble = self.lock();
        let why = telemetry::chain(error);
        if why != trouble.1 {
            if matches!(
                error,
                WordPressError::TooSlow | WordPressError::Unreadable(_)
            ) {
                tracing::warn!("WordPress may have been woken, but {why}");
            } else {
                tracing::warn!(
                    "WordPress cannot be woken: {why}. WP-Cron takes its hooks up meanwhile"
                );
            }
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
            // A listener that waits for another service.
            (ms(60_000), None, LONGEST_REST),
            (ms(60_000), late, LONGEST_REST),
        ] {
            assert_eq!(rest_after(worked, waited), rest, "{worked:?} {waited:?}");
        }
    }
}
