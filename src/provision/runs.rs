//! Reads and updates run records: rows of `{prefix}fcom_sidecar_runs`, one per executed call.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{Executed, WebhookCall};
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::outcome::Outcome;
use crate::site::Site;
use crate::wordpress::time::parse_mysql;

const CREATED: &str = Outcome::Created.word();

/// An earlier call with the same name.
pub(super) struct EarlierRun {
    pub(super) fields: Vec<u8>,
    pub(super) executed: Executed,
}

impl EarlierRun {
    /// Reads a row of `facts.sql` or `signed_call.sql`.
    pub(super) fn read(user_id: u64, fields: Vec<u8>, run: &[u8]) -> Option<Self> {
        let run = String::from_utf8_lossy(run);
        let (webhook_id, run) = run.split_once('|')?;
        let (outcome, created_at) = run.split_once('|')?;
        let executed = Executed {
            webhook_id: webhook_id.parse().ok()?,
            user_id,
            created: outcome == CREATED,
            executed_at: parse_mysql(created_at)?.and_utc(),
            replayed: true,
        };
        Some(Self { fields, executed })
    }
}

/// A recorded run that still has to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uncounted {
    pub(super) run_id: u64,
    pub(super) webhook_id: u64,
    pub(super) created: bool,
}

/// The run of a call, with what it did, if the call was committed.
pub(super) async fn of_call(
    connection: &mut Connection,
    statements: &Statements,
    call_id: &[u8],
) -> Result<Option<(Uncounted, Executed)>, DatabaseError> {
    let found: Option<(u64, u64, u64, String, NaiveDateTime)> =
        sqlx::query_as(statements.run_by_call_id.sql())
            .bind(call_id)
            .fetch_optional(connection)
            .await
            .doing("look for the call's run")?;
    Ok(
        found.map(|(run_id, webhook_id, user_id, outcome, created_at)| {
            let created = outcome == CREATED;
            let executed = Executed {
                webhook_id,
                user_id,
                created,
                executed_at: created_at.and_utc(),
                replayed: false,
            };
            let run = Uncounted {
                run_id,
                webhook_id,
                created,
            };
            (run, executed)
        }),
    )
}

/// Some of the runs that an instance left uncounted when it died: recorded before `until`, with ids above `after`, in
/// order of id.
pub(super) async fn uncounted(
    connection: &mut Connection,
    statements: &Statements,
    until: DateTime<Utc>,
    after: u64,
) -> Result<Vec<Uncounted>, DatabaseError> {
    let rows: Vec<(u64, u64, String)> = sqlx::query_as(statements.untallied_runs.sql())
        .bind(after)
        .bind(until.naive_utc())
        .fetch_all(connection)
        .await
        .doing("look for uncounted runs")?;
    let rows = rows
        .into_iter()
        .map(|(run_id, webhook_id, outcome)| Uncounted {
            run_id,
            webhook_id,
            created: outcome == CREATED,
        });
    Ok(rows.collect())
}

/// Notes which of these calls have keys that nobody has used, so that they need not look one by one. What fails is noted
/// of none.
pub async fn note_unused(site: &Site, mut calls: Vec<&mut WebhookCall>) {
    let keys = |call: &&mut WebhookCall| Some(call.idempotency.as_ref()?.key);
    let keys: Vec<[u8; 32]> = calls.iter().filter_map(keys).collect();
    if keys.is_empty() {
        return;
    }
    let used = site.pool.work(async |connection| {
        let statement = site.statements.keys_used.repeated(keys.len());
        let query = sqlx::query_scalar::<_, Vec<u8>>(statement);
        let query = keys.iter().fold(query, |query, key| query.bind(&key[..]));
        let used = query.fetch_all(connection).await;
        used.doing("look for idempotency keys")
    });
    let Ok(used) = used.await else {
        return;
    };
    let used: HashSet<Vec<u8>> = used.into_iter().collect();
    for idempotency in calls
        .iter_mut()
        .filter_map(|call| call.idempotency.as_mut())
    {
        idempotency.is_unused = !used.contains(&idempotency.key[..]);
    }
}

/// Retention tasks for records of calls.
#[derive(Clone, Copy, Debug)]
pub enum Chore {
    /// Deletes counted records.
    Prune,
    /// Releases their idempotency keys for other calls.
    ForgetIdempotencyKeys,
    /// Deletes the ids of signed calls.
    ForgetSignedCalls,
}

/// Runs a task for some calls recorded before `before`; returns how many it changed.
///
/// # Errors
/// The statement failed.
pub async fn tidy(site: &Site, chore: Chore, before: DateTime<Utc>) -> Result<u64, DatabaseError> {
    let statement = match chore {
        Chore::Prune => &site.statements.prune_runs,
        Chore::ForgetIdempotencyKeys => &site.statements.forget_idempotency_keys,
        Chore::ForgetSignedCalls => &site.statements.forget_signed_calls,
    };
    let done = site.pool.work(async |connection| {
        let query = sqlx::query(statement.sql()).bind(before.naive_utc());
        query.execute(connection).await.doing("tidy up old runs")
    });
    Ok(done.await?.rows_affected())
}
