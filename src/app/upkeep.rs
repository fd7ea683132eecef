//! The daemon's background work: measuring the backlog and deleting old rows.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::fluentcommunity::webhooks::old_keys;
use crate::operations::{backlog, mails};
use crate::provision::{self, Chore};
use crate::site::Site;
use crate::telemetry::Metrics;
use crate::{config, db, events, telemetry};

/// Interval of housekeeping.
const HOUSEKEEPING: Duration = Duration::from_mins(10);
/// How long housekeeping waits for a clock that is wrong, or a database that is away.
const WAIT: Duration = Duration::from_secs(15);
/// Interval at which the backlog metrics are read from the database.
const BACKLOG: Duration = Duration::from_secs(5);

/// Ticks, without making up for those that an outage kept it from.
fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Keeps the backlog metrics up to date. During a database outage they keep their last values.
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
    let mut interval = every(BACKLOG);
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

/// How long records are kept, as configured at the moment.
pub(super) struct Retention {
    pub(super) runs: watch::Receiver<config::Runs>,
    pub(super) refused: watch::Receiver<config::Refused>,
    /// Days.
    pub(super) mails: watch::Receiver<u32>,
    /// Days, of calls in shadow mode.
    pub(super) shadow_days: u32,
}

/// Deletes runs, mails, refused calls, comparisons and events past their retention, and expired keys. Gives up events that waited for too long.
/// While this machine's clock is not the database's, nothing: one that is ahead takes everything for old.
pub(super) async fn keep_house(
    site: Arc<Site>,
    retention: Retention,
    relay: config::Relay,
    draining: CancellationToken,
) {
    let mut interval = every(HOUSEKEEPING);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = draining.cancelled() => return,
        }
        while !is_clock_right(&site).await {
            tokio::select! {
                () = tokio::time::sleep(WAIT) => {}
                () = draining.cancelled() => return,
            }
        }
        let now = site.clock.now();
        let runs = retention.runs.borrow().clone();
        let refused = retention.refused.borrow().clone();
        let prune_before = now - TimeDelta::days(runs.retention_days.into());
        let forget_before = now - TimeDelta::hours(runs.idempotency_hours.into());
        for (chore, before) in [
            (Chore::Prune, prune_before),
            (Chore::ForgetIdempotencyKeys, forget_before),
            (Chore::ForgetSignedCalls, forget_before),
        ] {
            tidy(&site, chore, before).await;
        }
        if let Err(error) = events::queue::give_up(&site, relay.give_up_days).await {
            tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
        }
        forget_events(&site, now - TimeDelta::days(relay.retention_days.into())).await;
        let days = TimeDelta::days((*retention.mails.borrow()).into());
        forget_mails(&site, now - days).await;
        forget_old_keys(&site, now).await;
        let days = TimeDelta::days(refused.retention_days.into());
        forget_refused(&site, now - days).await;
        // Where none are kept any more, everything goes, also what an instance with a fast clock has kept.
        let age = refused.fields.map_or(TimeDelta::hours(-1), |fields| {
            TimeDelta::hours(fields.hours.into())
        });
        forget_fields(&site, now - age).await;
        let days = TimeDelta::days(retention.shadow_days.into());
        forget_shadow(&site, now - days).await;
        refresh_columns(&site).await;
    }
}

/// Whether the clock agrees with the database's at this moment, at which it may just have been set.
async fn is_clock_right(site: &Site) -> bool {
    let time = site
        .pool
        .work(async |connection| db::time(connection).await);
    match time.await {
        Ok(time) => {
            site.skew.measured(site.clock.now(), time);
            site.skew.complaint().is_none()
        }
        Err(error) => {
            tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
            false
        }
    }
}

/// One batch per run is enough: there are few old keys, and expired ones are ignored anyway.
async fn forget_old_keys(site: &Site, now: DateTime<Utc>) {
    let forgotten = site
        .pool
        .work(async |connection| old_keys::prune(connection, &site.statements, now).await);
    if let Err(error) = forgotten.await {
        tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
    }
}

/// A column that others added may be gone or have a default by now.
async fn refresh_columns(site: &Site) {
    let refreshed = db::refresh_columns(&site.pool, &site.statements, &site.tables);
    if let Err(error) = refreshed.await {
        tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
    }
}

/// Works in batches until nothing is left.
async fn forget_refused(site: &Site, before: DateTime<Utc>) {
    loop {
        match provision::prune_refused(site, before).await {
            Ok(0) => return,
            Ok(calls) => tracing::debug!("forgot {calls} refused calls"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}

/// Works in batches until nothing is left.
async fn forget_fields(site: &Site, before: DateTime<Utc>) {
    loop {
        match provision::prune_kept(site, before).await {
            Ok(0) => return,
            Ok(calls) => tracing::debug!("forgot the fields of {calls} refused calls"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}

/// Works in batches until nothing is left.
async fn forget_shadow(site: &Site, before: DateTime<Utc>) {
    loop {
        match provision::shadow::prune_shadow(site, before).await {
            Ok(0) => return,
            Ok(calls) => tracing::debug!("forgot {calls} calls in shadow mode"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}

/// Works in batches until nothing is left.
async fn tidy(site: &Site, chore: Chore, before: DateTime<Utc>) {
    loop {
        match provision::tidy(site, chore, before).await {
            Ok(0) => return,
            Ok(calls) => tracing::debug!("{chore:?}: {calls} calls"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}

/// Deletes events that completed, including those of a relay that has since been turned off.
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

/// Works in batches until nothing is left.
async fn forget_mails(site: &Site, before: DateTime<Utc>) {
    let forget = async || {
        site.pool
            .work(async |connection| mails::prune(connection, &site.statements, before).await)
            .await
    };
    loop {
        match forget().await {
            Ok(0) => return,
            Ok(mails) => tracing::debug!("forgot {mails} mails"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}
