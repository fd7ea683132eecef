//! Counting runs. `running_count` sits inside a serialised value on one row per webhook, so counting in the call's own
//! transaction would let a busy webhook commit one call at a time. Instead the run record says that a run is not counted
//! yet, and one task counts all that wait in one transaction: exactly once, on any number of instances, and after a
//! crash whoever finds an uncounted run counts it. `user_count`, which WordPress updates with every new user, goes along.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Site;
use super::runs::{self, Uncounted};
use crate::db::{Connection, DatabaseError, Doing};
use crate::fluentcommunity::webhook::count_runs;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::time::format;

/// Runs that may wait; a call is only answered when its run is counted, so this bounds nothing else.
const QUEUE: usize = 4096;
/// Runs counted in one transaction.
const BATCH: usize = 500;
/// A call waits this long for its count. Its run is durable by then and will be counted in any case.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often, and how old, uncounted runs are looked for.
const SWEEP: Duration = Duration::from_secs(15);
/// WordPress maintains larger counts by cron.
const LARGEST_USER_COUNT: i64 = 10_000;

type Waiting = (Uncounted, oneshot::Sender<()>);

/// Where calls hand in their runs.
#[derive(Clone, Debug)]
pub struct Tally(mpsc::Sender<Waiting>);

/// The other end; [`TallyTask::run`] it.
#[derive(Debug)]
pub struct TallyTask(mpsc::Receiver<Waiting>);

impl Tally {
    /// A tally and its task.
    pub fn new() -> (Self, TallyTask) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), TallyTask(receiver))
    }

    /// Returns when the run is counted, or when that takes so long that it is left to the sweep.
    pub(super) async fn count(&self, run: Uncounted) {
        let (sender, counted) = oneshot::channel();
        let handed_in = async {
            if self.0.send((run, sender)).await.is_ok() {
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
    }
}

impl TallyTask {
    /// Counts until `stop` is cancelled, and then what is still waiting.
    pub async fn run(mut self, site: Arc<Site>, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut waiting = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                _ = self.0.recv_many(&mut waiting, BATCH) => {}
                _ = sweep.tick() => {
                    count_left_behind(&site).await;
                    continue;
                }
                () = stop.cancelled() => break,
            }
            count_waiting(&site, &mut waiting).await;
        }
        while let Ok(run) = self.0.try_recv() {
            waiting.push(run);
        }
        count_waiting(&site, &mut waiting).await;
    }
}

async fn count_waiting(site: &Site, waiting: &mut Vec<Waiting>) {
    let runs: Vec<Uncounted> = waiting.iter().map(|(run, _)| *run).collect();
    for batch in runs.chunks(BATCH) {
        if let Err(error) = count_with_retries(site, batch).await {
            tracing::warn!(
                error = %crate::telemetry::chain(&error),
                "could not count {} runs; they will be counted later", batch.len()
            );
        }
    }
    for (_, counted) in waiting.drain(..) {
        // The caller may have stopped waiting.
        let _ = counted.send(());
    }
}

async fn count_left_behind(site: &Site) {
    let until = site.clock.now() - SWEEP;
    loop {
        match count_some_left_behind(site, until).await {
            Ok(0) => return,
            Ok(counted) => tracing::info!("counted {counted} runs that were left behind"),
            Err(error) => {
                tracing::debug!(error = %crate::telemetry::chain(&error), "no sweep for now");
                return;
            }
        }
    }
}

/// As many as one look finds; returns how many.
async fn count_some_left_behind(site: &Site, until: DateTime<Utc>) -> Result<usize, DatabaseError> {
    let found = runs::uncounted(&site.pool, &site.statements, until).await?;
    if !found.is_empty() {
        count_with_retries(site, &found).await?;
    }
    Ok(found.len())
}

async fn count_with_retries(site: &Site, runs: &[Uncounted]) -> Result<(), DatabaseError> {
    (|| count(site, runs))
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(5))
                .with_max_delay(Duration::from_millis(200))
                .with_max_times(8)
                .with_jitter(),
        )
        .when(|error: &DatabaseError| error.is_lock_conflict() || error.is_lost_connection())
        .await
}

/// One transaction. Webhooks are locked in ascending id, the user count last, so that instances do not deadlock.
async fn count(site: &Site, runs: &[Uncounted]) -> Result<(), DatabaseError> {
    let mut by_webhook: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for run in runs {
        by_webhook
            .entry(run.webhook_id)
            .or_default()
            .push(run.run_id);
    }
    let mut transaction = site.pool.begin().await.doing("begin counting runs")?;
    let options = options(&mut transaction, site).await?;
    let now = format(options.zone().local(site.clock.now()));
    for (webhook_id, run_ids) in by_webhook {
        count_for_webhook(&mut transaction, site, webhook_id, &run_ids, &now).await?;
    }
    if runs.iter().any(|run| run.created) {
        update_user_count(&mut transaction, site, &options).await?;
    }
    transaction.commit().await.doing("commit counted runs")
}

async fn options(connection: &mut Connection, site: &Site) -> Result<SiteOptions, DatabaseError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(site.statements.tally_options.sql())
        .fetch_all(connection)
        .await
        .doing("read the time zone")?;
    let mut options = SiteOptions::default();
    for (name, value) in rows {
        options.take(site.tables.prefix(), &name, value);
    }
    Ok(options)
}

/// A webhook that was deleted or broken since has nothing to count in; its runs are marked all the same.
async fn count_for_webhook(
    connection: &mut Connection,
    site: &Site,
    webhook_id: u64,
    run_ids: &[u64],
    now: &str,
) -> Result<(), DatabaseError> {
    let value: Option<(Option<Vec<u8>>,)> = sqlx::query_as(site.statements.lock_webhook.sql())
        .bind(webhook_id)
        .fetch_optional(&mut *connection)
        .await
        .doing("lock the webhook")?;
    let sql = site.statements.mark_tallied.repeated(run_ids.len());
    let query = run_ids
        .iter()
        .fold(sqlx::query(sql), sqlx::query::Query::bind);
    let marked = query
        .execute(&mut *connection)
        .await
        .doing("mark runs as counted")?;
    let Some((Some(value),)) = value else {
        return Ok(());
    };
    if marked.rows_affected() == 0 {
        return Ok(());
    }
    match count_runs(webhook_id, &value, marked.rows_affected()) {
        Ok(value) => {
            sqlx::query(site.statements.update_webhook.sql())
                // As bytes, as it was read: text would be converted to the column's character set.
                .bind(value)
                .bind(now)
                .bind(webhook_id)
                .execute(connection)
                .await
                .doing("count runs of the webhook")?;
        }
        Err(error) => tracing::warn!(webhook.id = webhook_id, "runs not counted: {error}"),
    }
    Ok(())
}

/// Mirrors `wp_maybe_update_user_counts`, WordPress 6.0 and later, single site.
async fn update_user_count(
    connection: &mut Connection,
    site: &Site,
    options: &SiteOptions,
) -> Result<(), DatabaseError> {
    let Some(version) = site
        .version
        .version(options)
        .filter(|v| v.counts_users_on_creation())
    else {
        return Ok(());
    };
    let stored: Option<Vec<u8>> = sqlx::query_scalar(site.statements.lock_user_count.sql())
        .fetch_optional(&mut *connection)
        .await
        .doing("read the user count")?;
    let stored = stored.and_then(|text| String::from_utf8_lossy(&text).trim().parse().ok());
    if stored.unwrap_or(0_i64) > LARGEST_USER_COUNT {
        return Ok(());
    }
    sqlx::query(site.statements.update_user_count.sql())
        .bind(version.autoload_off())
        .execute(connection)
        .await
        .doing("update the user count")?;
    Ok(())
}
