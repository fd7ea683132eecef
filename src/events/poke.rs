//! Waking WordPress. A wake-up only says "look", so many of them are one; WP-Cron looks by itself once a minute.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

use super::queue;
use super::wordpress::{Ran, WordPress, WordPressError};
use crate::clock::Clock;
use crate::db::{Pool, Statements};
use crate::telemetry::{self, fail, phase};

/// PHP processes that are kept busy at once.
const IN_FLIGHT: usize = 2;
/// Between two wake-ups: what is committed meanwhile goes along with the next.
const PAUSE: Duration = Duration::from_millis(150);
/// After a wake-up that failed; doubled after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// How often the table is looked at when nobody calls: for retries, and for what another instance left.
const SWEEP: Duration = Duration::from_secs(15);

/// What waking needs.
pub struct Poker {
    /// The site's database.
    pub pool: Pool,
    /// Its statements.
    pub statements: Statements,
    /// Time of day.
    pub clock: Clock,
    /// Who is woken.
    pub wordpress: WordPress,
    /// Rung when an event was committed.
    pub bell: Arc<Notify>,
}

impl Poker {
    /// Wakes WordPress whenever the bell rings, and for what is found due, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let poker = Arc::new(self);
        let sweep = tokio::spawn(Arc::clone(&poker).sweep(stop.clone()));
        let places = Arc::new(Semaphore::new(IN_FLIGHT));
        let trouble = Arc::new(Trouble::default());
        while !stop.is_cancelled() {
            let waited = async {
                poker.bell.notified().await;
                Arc::clone(&places).acquire_owned().await
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

    async fn poke(&self, trouble: &Trouble) {
        let span = phase!(
            "client",
            "wake WordPress",
            "http.request.method" = "POST",
            "hooks.done" = Empty,
            "hooks.failed" = Empty
        );
        let woken = self.wordpress.wake(self.clock.now());
        match woken.instrument(span.clone()).await {
            Ok(ran) => {
                span.record("hooks.done", ran.done);
                span.record("hooks.failed", ran.failed);
                drop(span);
                trouble.is_over();
                report(ran);
                if ran.more {
                    self.bell.notify_one();
                }
            }
            Err(error) => {
                fail(&span, "not_woken");
                drop(span);
                // Keeps its place meanwhile, so that a site that is away is not asked more often by busy callers.
                tokio::time::sleep(trouble.note(&error)).await;
                self.bell.notify_one();
            }
        }
    }

    async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let mut interval = tokio::time::interval(SWEEP);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = stop.cancelled() => return,
            }
            let due = self
                .pool
                .work(async |connection| queue::is_due(connection, &self.statements).await);
            match due.await {
                Ok(true) => self.bell.notify_one(),
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!("no look at events for now: {}", telemetry::chain(&error));
                }
            }
        }
    }
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
