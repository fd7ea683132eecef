//! Counts runs. `running_count` sits inside a serialised value on one row per webhook, so counting in the call's own
//! transaction would let a busy webhook commit only one call at a time. Instead the run record marks the run as not yet
//! counted, and one task counts all waiting runs in one transaction: exactly once and on any number of instances. A call
//! counts its run itself if no other run is being counted (`own_count`). After
//! a crash, any instance that finds an uncounted run counts it. `user_count`, which WordPress updates with every
//! new user, is updated in the same transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use sqlx::{FromRow, Row};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::counting::Counting;
use super::runs::{self, Uncounted};
use super::user_count::count_users;
use crate::db::{self, Answer, Batch, Cause, Connection, DatabaseError, Doing, Literal};
use crate::fluentcommunity::webhook::count_runs;
use crate::site::Site;
use crate::telemetry::{self, Metrics};
use crate::wordpress::options::{OptionRow, SiteOptions};
use crate::wordpress::time::format;

/// Queue length; a call is only answered when its run is counted, so this bounds nothing else.
const QUEUE: usize = 4096;
/// Runs counted in one transaction.
const BATCH: usize = 500;
/// A call waits at most this long for its count. Its run is durable by then and will be counted in any case.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often to look for runs that were left uncounted.
const SWEEP: Duration = Duration::from_secs(5);
/// Runs older than this are left behind: no live instance is about to count them.
const LEFT_BEHIND: Duration = Duration::from_secs(15);

type Waiting = (Uncounted, oneshot::Sender<()>);

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

    /// Returns when the run is counted, or when that takes so long that it is left to the sweep.
    pub(super) async fn count(&self, run: Uncounted) {
        let metrics = &self.metrics;
        let _active = self.counting.begin();
        let committed = Instant::now();
        metrics.tally_waiting.inc();
        let (sender, counted) = oneshot::channel();
        let handed_in = async {
            if self.queue.send((run, sender)).await.is_ok() {
                // An error means that counting failed for now.
                let _ = counted.await;
            }
        };
        if tokio::time::timeout(LONGEST_WAIT, handed_in).await.is_err() {
            tracing::warn!(
                run.id = run.run_id,
                "answering before run {} is counted",
                run.run_id
            );
        }
        metrics.tally_waiting.dec();
        let waited = committed.elapsed().as_secs_f64();
        metrics.tally_wait_seconds.observe(waited);
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
        let counting = &self.counting;
        let runs = waiting.iter().map(|(run, _)| *run);
        let runs = runs.filter(|run| !counting.is_postponed(run.webhook_id));
        let runs: Vec<Uncounted> = runs.collect();
        if !runs.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
            let batch = runs.len() as f64;
            self.metrics.tally_batch_runs.observe(batch);
        }
        for webhook_id in self.count_apart(&runs).await {
            counting.postpone(webhook_id);
        }
        for (_, counted) in waiting.drain(..) {
            // The caller may have stopped waiting.
            let _ = counted.send(());
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
        if all_at_once && self.count_with_retries(&by_webhook).await.is_ok() {
            return Vec::new();
        }
        let mut failed = Vec::new();
        for (webhook_id, runs) in by_webhook {
            let of_webhook = BTreeMap::from([(webhook_id, runs)]);
            if let Err(error) = self.count_with_retries(&of_webhook).await {
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
    async fn count_with_retries(
        &self,
        runs: &BTreeMap<u64, Vec<Uncounted>>,
    ) -> Result<(), DatabaseError> {
        let counts_users = self.counts_users && runs.values().flatten().any(|run| run.created);
        let Site {
            pool,
            statements,
            tables,
            ..
        } = &*self.site;
        let count = || self.try_to_count(runs, counts_users);
        match db::follow_columns(pool, statements, tables, count).await {
            // The server may have rolled back the whole transaction.
            Err(CountError::Users(error)) => {
                tracing::warn!("users not counted: {}", telemetry::chain(&error));
                let without_users = self.try_to_count(runs, false).await;
                without_users.map_err(CountError::into_inner)
            }
            counted => counted.map_err(CountError::into_inner),
        }
    }

    async fn try_to_count(
        &self,
        runs: &BTreeMap<u64, Vec<Uncounted>>,
        counts_users: bool,
    ) -> Result<(), CountError> {
        let count = || {
            let pool = &self.site.pool;
            pool.work(async |connection| self.count(connection, runs, counts_users).await)
        };
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

    /// One transaction in two round trips, plus a third to count users. Webhooks are locked in ascending id order
    /// and the user count last, so that instances do not deadlock.
    async fn count(
        &self,
        connection: &mut Connection,
        runs: &BTreeMap<u64, Vec<Uncounted>>,
        counts_users: bool,
    ) -> Result<(), CountError> {
        let begin = Batch::begin(&self.site.statements);
        let (mut last, written) =
            count_after(begin, connection, &self.site, runs, counts_users).await?;
        last.commit("commit counted runs");
        last.run(connection).await?;
        for (webhook_id, value) in written {
            self.counting.wrote(webhook_id, value);
        }
        Ok(())
    }
}

/// Counts one run within the caller's transaction.
pub(super) async fn count_within(
    connection: &mut Connection,
    site: &Site,
    run: Uncounted,
    counts_users: bool,
) -> Result<(), DatabaseError> {
    let first = Batch::of(&site.statements);
    let runs = BTreeMap::from([(run.webhook_id, vec![run])]);
    let counted = count_after(first, connection, site, &runs, counts_users).await;
    let (last, _) = counted.map_err(CountError::into_inner)?;
    last.run(connection).await?;
    Ok(())
}

/// Ids of webhooks, and their records with the runs counted.
type Written = Vec<(u64, Vec<u8>)>;

/// Counts runs after the statements of `batch`. The batch that is returned still has to be sent; it writes these records.
async fn count_after(
    mut batch: Batch,
    connection: &mut Connection,
    site: &Site,
    runs: &BTreeMap<u64, Vec<Uncounted>>,
    counts_users: bool,
) -> Result<(Batch, Written), CountError> {
    let statements = &site.statements;
    let options = batch.add(&statements.tally_options, "read the time zone", &[]);
    for &webhook_id in runs.keys() {
        let id = [webhook_id.into()];
        batch.add(&statements.lock_webhook, "lock the webhook", &id);
    }
    for runs in runs.values() {
        let ids: Vec<Literal<'_>> = runs.iter().map(|run| run.run_id.into()).collect();
        batch.add(&statements.mark_tallied, "mark runs as counted", &ids);
    }
    let answers = batch.run(connection).await?;
    let (records, marked) = answers[options + 1..].split_at(runs.len());
    let options = read_options(site, &answers[options])?;
    if counts_users {
        let users = count_users(connection, site, &options);
        users.await.map_err(CountError::Users)?;
    }

    let now = format(options.zone().local(site.clock.now()));
    let mut batch = Batch::of(statements);
    let mut written = Vec::new();
    for ((&webhook_id, record), marked) in runs.keys().zip(records).zip(marked) {
        if let Some(value) = counted(webhook_id, record, marked.affected)? {
            // Bound as bytes, as it was read: text would be converted to the column's character set.
            let literals = [
                Literal::Bytes(&value),
                Literal::Text(&now),
                webhook_id.into(),
            ];
            let doing = "count runs of the webhook";
            batch.add(&statements.update_webhook, doing, &literals);
            written.push((webhook_id, value));
        }
    }
    Ok((batch, written))
}

/// Why runs are not counted.
enum CountError {
    Runs(DatabaseError),
    /// Only because counting the users, which happens in the same transaction, failed.
    Users(DatabaseError),
}

impl CountError {
    fn into_inner(self) -> DatabaseError {
        match self {
            Self::Runs(error) | Self::Users(error) => error,
        }
    }
}

impl From<DatabaseError> for CountError {
    fn from(error: DatabaseError) -> Self {
        Self::Runs(error)
    }
}

impl Cause for CountError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Runs(error) | Self::Users(error) => Some(error),
        }
    }
}

fn read_options(site: &Site, answer: &Answer) -> Result<SiteOptions, DatabaseError> {
    let rows = answer.rows.iter().map(OptionRow::from_row);
    let rows: Result<Vec<_>, _> = rows.collect();
    let rows = rows.doing("read the time zone")?;
    Ok(SiteOptions::read(site.tables.prefix(), rows, |_, _| {}))
}

/// The record with its count raised by this many runs. A webhook that has been deleted or corrupted since has no
/// counter; its runs are still marked as counted.
fn counted(webhook_id: u64, record: &Answer, runs: u64) -> Result<Option<Vec<u8>>, DatabaseError> {
    let Some(row) = record.rows.first().filter(|_| runs > 0) else {
        return Ok(None);
    };
    let value: Option<Vec<u8>> = row.try_get(0).doing("read the webhook")?;
    let counted = value.map(|value| count_runs(webhook_id, &value, runs));
    Ok(counted.transpose().unwrap_or_else(|error| {
        tracing::warn!(webhook.id = webhook_id, "runs not counted: {error}");
        None
    }))
}
