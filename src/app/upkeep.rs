//! What the daemon does by itself: it prepares the database at start, looks what waits there, and deletes what is old.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fluentcommunity::webhooks::old_keys;
use crate::operations::backlog;
use crate::provision::{self, Chore};
use crate::site::Site;
use crate::telemetry::Metrics;
use crate::{config, db, events, telemetry};

/// Between two tries to reach a database that is away at start.
const DATABASE_RETRY: Duration = Duration::from_secs(1);
/// Between two looks for what has become old.
const HOUSEKEEPING: Duration = Duration::from_mins(10);
/// Between two looks at what waits in the database, for the metrics.
const BACKLOG: Duration = Duration::from_secs(5);

/// Creates our tables as soon as the database answers and is fit to be written to. Until then every call gets 503.
pub(super) async fn prepare_database(
    site: Arc<Site>,
    has_files: bool,
    draining: CancellationToken,
) {
    let mut said = String::new();
    while let Err(reason) = prepare(&site, has_files).await {
        site.readiness.set_obstructed();
        if reason != said {
            tracing::error!(
                "not ready: {reason}. Calls get 503 until this is mended; \"fcom-sidecar check\" tells more"
            );
            said = reason;
        }
        tokio::select! {
            () = tokio::time::sleep(DATABASE_RETRY) => {}
            () = draining.cancelled() => return,
        }
    }
    site.readiness.set_ready();
    tracing::info!("ready");
}

/// Everything that the database must be before it can be written to, or why it is not. `has_files`: WordPress's own have
/// told what kind of site it is.
async fn prepare(site: &Site, has_files: bool) -> Result<(), String> {
    let obstacle = site.pool.work(async |connection| {
        if !has_files
            && let Some(network) = db::undeclared_network(connection, &site.tables).await?
        {
            return Ok(Some(network));
        }
        db::obstacle(connection, &site.tables).await
    });
    match obstacle.await {
        Ok(None) => {}
        Ok(Some(obstacle)) => return Err(obstacle.to_string()),
        Err(error) => return Err(telemetry::chain(&error)),
    }
    let cluster = site
        .pool
        .work(async |connection| db::Cluster::read(connection).await);
    let cluster = cluster.await.map_err(|error| telemetry::chain(&error))?;
    site.statements
        .set_several_writers(cluster.has_several_writers());
    db::migrate(&site.pool, &site.tables)
        .await
        .map_err(|error| telemetry::chain(&error))
}

/// Keeps the metrics of what waits in the database up to date. While it is away they stay as they are.
pub(super) async fn watch_backlog(
    site: Arc<Site>,
    metrics: Arc<Metrics>,
    has_relay: bool,
    draining: CancellationToken,
) {
    tokio::select! {
        () = site.readiness.wait() => {}
        () = draining.cancelled() => return,
    }
    let mut interval = tokio::time::interval(BACKLOG);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = draining.cancelled() => return,
        }
        let looked = async {
            let statements = &site.statements;
            let backlog = site
                .pool
                .work(async |connection| backlog::runs_and_mails(connection, statements).await)
                .await?;
            if has_relay {
                let hooks = site
                    .pool
                    .work(async |connection| backlog::hooks(connection, statements).await)
                    .await?;
                metrics.set_hooks(&hooks, site.clock.now());
            }
            metrics.set_backlog(&backlog, site.clock.now());
            Ok::<_, db::DatabaseError>(())
        };
        if let Err(error) = looked.await {
            tracing::debug!("no backlog for now: {}", telemetry::chain(&error));
        }
    }
}

/// Deletes runs past their retention and forgets keys that are no longer of use.
pub(super) async fn keep_house(
    site: Arc<Site>,
    runs: watch::Receiver<config::Runs>,
    relay: config::Relay,
    draining: CancellationToken,
) {
    let mut interval = tokio::time::interval(HOUSEKEEPING);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = draining.cancelled() => return,
        }
        let now = site.clock.now();
        let runs = runs.borrow().clone();
        let prune_before = now - TimeDelta::days(runs.retention_days.into());
        let forget_before = now - TimeDelta::hours(runs.idempotency_hours.into());
        for (chore, before) in [
            (Chore::Prune, prune_before),
            (Chore::ForgetIdempotencyKeys, forget_before),
        ] {
            tidy(&site, chore, before).await;
        }
        forget_events(&site, now - TimeDelta::days(relay.retention_days.into())).await;
        forget_old_keys(&site, now).await;
    }
}

/// There are few, and those that are no longer valid are not found anyway: what is left over is for the next time.
async fn forget_old_keys(site: &Site, now: DateTime<Utc>) {
    let forgotten = site
        .pool
        .work(async |connection| old_keys::prune(connection, &site.statements, now).await);
    if let Err(error) = forgotten.await {
        tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
    }
}

/// Bit by bit, until there is nothing left to do.
async fn tidy(site: &Site, chore: Chore, before: DateTime<Utc>) {
    loop {
        match provision::tidy(site, chore, before).await {
            Ok(0) => return,
            Ok(runs) => tracing::debug!("{chore:?}: {runs} runs"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}

/// Events that ended well, also those of a relay that is off now.
async fn forget_events(site: &Site, before: DateTime<Utc>) {
    let forget = async || {
        let (statements, before) = (&site.statements, before.naive_utc());
        site.pool
            .work(async |connection| events::queue::prune(connection, statements, before).await)
            .await
    };
    loop {
        match forget().await {
            Ok(0) => return,
            Ok(events) => tracing::debug!("forgot {events} events"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}
