//! Counts runs. `running_count` sits inside a serialised value on one row per webhook, so counting in the call's own
//! transaction would let a busy webhook commit only one call at a time. Instead the run record marks the run as not yet
//! counted, and one task counts all waiting runs in one transaction: exactly once and on any number of instances. A call
//! counts its run itself if no other run is being counted (`own_count`), and one that changes nothing leaves even its
//! record to that transaction (`unchanged`). After a crash, any instance that finds an uncounted run counts it.
//! `user_count`, which WordPress updates with every new user, is updated in the same transaction.

mod transaction;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use tokio::sync::{mpsc, oneshot};
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;

pub(super) use self::transaction::count_within;
use self::transaction::{CountError, Due};
use super::counting::Counting;
use super::run::Run;
use super::runs::{self, Uncounted};
use crate::db::{self, Cause, DatabaseError};
use crate::site::Site;
use crate::telemetry::{self, Metrics};

/// Queue length; a call is only answered when its run is counted, so this bounds nothing else.
const QUEUE: usize = 4096;
/// Runs counted in one transaction.
const BATCH: usize = 500;
/// A call waits at most this long. Then its run is durable and will be counted in any case, or the call records it itself.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often to look for runs that were left uncounted.
const SWEEP: Duration = Duration::from_secs(5);
/// Runs older than this are left behind: no live instance is about to count them.
const LEFT_BEHIND: Duration = Duration::from_secs(15);

/// A call that waits.
enum Waiting {
    /// Its run is recorded.
    ToCount(Uncounted, oneshot::Sender<()>),
    /// Its run is not. Whoever takes the ticket first decides: the task records it, or the call has given up.
    ToRecord(Run, Ticket, oneshot::Sender<Recorded>),
}

/// Can be taken once.
#[derive(Clone, Default)]
struct Ticket(Arc<AtomicBool>);

impl Ticket {
    /// Whether nobody else had taken it.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

/// What became of a record that a call left to the tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// It is committed, and its run is counted.
    Yes,
    /// It is not written.
    No,
    /// The server did not say.
    Unknown,
}

/// Where calls queue their runs.
pub(super) struct Tally {
    queue: mpsc::Sender<Waiting>,
    metrics: Arc<Metrics>,
    counting: Arc<Counting>,
}

/// The receiving end, to be started with [`TallyTask::run`].
pub struct TallyTask {
    queue: mpsc::Receiver<Waiting>,
    counter: Counter,
}

/// Counts runs of a site.
struct Counter {
    site: Arc<Site>,
    metrics: Arc<Metrics>,
    counting: Arc<Counting>,
    /// Whether we, not WordPress, update `user_count`.
    counts_users: bool,
}

impl Tally {
    /// A tally and its task.
    pub(super) fn new(
        site: Arc<Site>,
        metrics: Arc<Metrics>,
        counts_users: bool,
    ) -> (Self, TallyTask) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let counting = Arc::<Counting>::default();
        let tally = Self {
            queue: sender,
            metrics: Arc::clone(&metrics),
            counting: Arc::clone(&counting),
        };
        let counter = Counter {
            site,
            metrics,
            counting,
            counts_users,
        };
        (tally, TallyTask { queue, counter })
    }

    /// What calls that count their own runs have to know.
    pub(super) fn counting(&self) -> &Counting {
        &self.counting
    }

    /// Returns when the run is counted, or when that takes so long that it is left to the sweep. The call has already waited
    /// for so long.
    pub(super) async fn count(&self, run: Uncounted, waited: Duration) {
        let entry = |sender| Waiting::ToCount(run, sender);
        let patience = LONGEST_WAIT.saturating_sub(waited);
        // An error means that counting failed for now.
        if self.hand_in(patience, entry).await.is_err() {
            tracing::warn!(
                run.id = run.run_id,
                "answering before run {} is counted",
                run.run_id
            );
        }
    }

    /// Returns when the run is recorded and counted, or when that cannot be.
    pub(super) async fn record(&self, run: Run) -> Recorded {
        let ticket = Ticket::default();
        let entry = |sender| Waiting::ToRecord(run, ticket.clone(), sender);
        match self.hand_in(LONGEST_WAIT, entry).await {
            Ok(Some(recorded)) => recorded,
            _ if ticket.take() => Recorded::No,
            _ => Recorded::Unknown,
        }
    }

    /// Waits for the task's answer; `None` if it gave none.
    async fn hand_in<T>(
        &self,
        patience: Duration,
        entry: impl FnOnce(oneshot::Sender<T>) -> Waiting,
    ) -> Result<Option<T>, Elapsed> {
        let metrics = &self.metrics;
        let _active = self.counting.begin();
        let began = Instant::now();
        metrics.tally_waiting.inc();
        let (sender, answer) = oneshot::channel();
        let handed_in = async {
            self.queue.send(entry(sender)).await.ok()?;
            answer.await.ok()
        };
        let answer = tokio::time::timeout(patience, handed_in).await;
        metrics.tally_waiting.dec();
        metrics
            .tally_wait_seconds
            .observe(began.elapsed().as_secs_f64());
        answer
    }
}

impl TallyTask {
    /// Counts until `stop` is cancelled, then counts what is still queued.
    pub async fn run(self, stop: CancellationToken) {
        let Self { queue, counter } = self;
        tokio::join!(
            counter.count_as_they_come(queue, &stop),
            counter.sweep(&stop)
        );
    }
}

impl Counter {
    async fn count_as_they_come(
        &self,
        mut queue: mpsc::Receiver<Waiting>,
        stop: &CancellationToken,
    ) {
        let mut waiting = Vec::with_capacity(BATCH);
        while !stop.is_cancelled() {
            tokio::select! {
                _ = queue.recv_many(&mut waiting, BATCH) => {}
                () = stop.cancelled() => {}
            }
            self.count_waiting(&mut waiting).await;
        }
        while let Ok(run) = queue.try_recv() {
            waiting.push(run);
        }
        self.count_waiting(&mut waiting).await;
    }

    async fn count_waiting(&self, waiting: &mut Vec<Waiting>) {
        let (mut runs, mut counted) = (Vec::new(), Vec::new());
        let (mut records, mut recorded) = (Vec::new(), Vec::new());
        for one in waiting.drain(..) {
            match one {
                Waiting::ToCount(run, sender) => {
                    runs.push(run);
                    counted.push(sender);
                }
                Waiting::ToRecord(_, ticket, _) if !ticket.take() => {}
                Waiting::ToRecord(run, _, sender) if self.is_left_alone(run.webhook_id) => {
                    let _ = sender.send(Recorded::No);
                }
                Waiting::ToRecord(run, _, sender) => {
                    records.push(run);
                    recorded.push(sender);
                }
            }
        }
        runs.retain(|run| !self.counting.is_postponed(run.webhook_id));
        let due = Due {
            recorded: &runs,
            unrecorded: &records,
            counts_users: self.counts_users_of(&runs),
        };
        if due.len() > 0 {
            #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
            let batch = due.len() as f64;
            self.metrics.tally_batch_runs.observe(batch);
        }
        let mut outcome = Recorded::No;
        if !records.is_empty() {
            outcome = self.record(&due).await;
        }
        for sender in recorded {
            // The call may have stopped waiting.
            let _ = sender.send(outcome);
        }
        if outcome != Recorded::Yes {
            for webhook_id in self.count_apart(&runs).await {
                self.counting.postpone(webhook_id);
            }
        }
        for sender in counted {
            let _ = sender.send(());
        }
    }

    /// Whether a run of the webhook is not recorded together with others for now.
    fn is_left_alone(&self, webhook_id: u64) -> bool {
        self.counting.is_postponed(webhook_id) || self.counting.is_apart(webhook_id)
    }

    /// Tries once: each call whose run is not recorded records it by itself.
    async fn record(&self, due: &Due<'_>) -> Recorded {
        match self.count(due).await.map_err(CountError::into_inner) {
            Ok(()) => Recorded::Yes,
            Err(error) => {
                tracing::debug!(error = %telemetry::chain(&error), "not recorded together");
                // Nobody says which webhook it is that somebody holds; the calls of all others wait no longer for it.
                if error.is_lock_timeout() {
                    for webhook_id in due.webhooks() {
                        self.counting.keep_apart(webhook_id);
                    }
                }
                if error.may_follow_commit() {
                    Recorded::Unknown
                } else {
                    Recorded::No
                }
            }
        }
    }

    /// Counts runs that this or another instance left behind.
    async fn sweep(&self, stop: &CancellationToken) {
        let mut interval = tokio::time::interval(SWEEP);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.count_left_behind(stop).await {
                tracing::debug!(error = %telemetry::chain(&error), "no sweep for now");
            }
        }
    }

    async fn count_left_behind(&self, stop: &CancellationToken) -> Result<(), DatabaseError> {
        let site = &self.site;
        let (statements, until) = (&site.statements, site.clock.now() - LEFT_BEHIND);
        let mut after = 0;
        while !stop.is_cancelled() {
            let found = site
                .pool
                .work(async |connection| {
                    runs::uncounted(connection, statements, until, after).await
                })
                .await?;
            let Some(last) = found.last() else { break };
            after = last.run_id;
            let failed = self.count_apart(&found).await;
            let left = found.iter().filter(|run| failed.contains(&run.webhook_id));
            let counted = found.len() - left.count();
            if counted > 0 {
                tracing::info!("counted {counted} runs that were left behind");
            }
        }
        Ok(())
    }

    /// Counts all runs together or, if that fails, each webhook's runs separately. Returns the webhooks whose runs are
    /// still uncounted.
    async fn count_apart(&self, runs: &[Uncounted]) -> Vec<u64> {
        let mut by_webhook: BTreeMap<u64, Vec<Uncounted>> = BTreeMap::new();
        for run in runs {
            by_webhook.entry(run.webhook_id).or_default().push(*run);
        }
        let all_at_once = by_webhook.len() > 1;
        if all_at_once && self.count_with_retries(runs).await.is_ok() {
            return Vec::new();
        }
        let mut failed = Vec::new();
        for (webhook_id, runs) in by_webhook {
            if let Err(error) = self.count_with_retries(&runs).await {
                // Otherwise the reason is in the log already.
                if self.site.readiness.is_ready() {
                    tracing::warn!(
                        webhook.id = webhook_id,
                        error = %telemetry::chain(&error),
                        "could not count runs of webhook {webhook_id}; they will be counted later"
                    );
                }
                failed.push(webhook_id);
            }
        }
        failed
    }

    /// Also counts the users, if some of the runs created any. Users who cannot be counted are left to the next new
    /// user.
    async fn count_with_retries(&self, runs: &[Uncounted]) -> Result<(), DatabaseError> {
        let due = Due {
            recorded: runs,
            unrecorded: &[],
            counts_users: self.counts_users_of(runs),
        };
        let Site {
            pool,
            statements,
            tables,
            ..
        } = &*self.site;
        let count = || self.try_to_count(due);
        match db::follow_columns(pool, statements, tables, count).await {
            // The server may have rolled back the whole transaction.
            Err(CountError::Users(error)) => {
                tracing::warn!("users not counted: {}", telemetry::chain(&error));
                let without_users = Due {
                    counts_users: false,
                    ..due
                };
                let counted = self.try_to_count(without_users).await;
                counted.map_err(CountError::into_inner)
            }
            counted => counted.map_err(CountError::into_inner),
        }
    }

    fn counts_users_of(&self, runs: &[Uncounted]) -> bool {
        self.counts_users && runs.iter().any(|run| run.created)
    }

    async fn try_to_count(&self, due: Due<'_>) -> Result<(), CountError> {
        let count = || self.count(&due);
        count
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(5))
                    .with_max_delay(Duration::from_millis(200))
                    .with_max_times(8)
                    .with_jitter(),
            )
            .when(|error: &CountError| {
                let cause = error.database();
                cause.is_some_and(|error| error.is_deadlock() || error.leaves_commit_unknown())
            })
            .await
    }

    /// One transaction.
    async fn count(&self, due: &Due<'_>) -> Result<(), CountError> {
        let site = &self.site;
        let count = site
            .pool
            .work(async |connection| transaction::count(connection, site, due).await);
        let written = count.await?;
        for (webhook_id, value) in written.webhooks {
            self.counting.wrote(webhook_id, value);
        }
        if let Some(run_id) = written.run_id {
            site.note_run(run_id);
        }
        Ok(())
    }
}
