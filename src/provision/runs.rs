//! Run records: rows of `{prefix}fcom_sidecar_runs`, one per executed call.

use chrono::{DateTime, Utc};

use super::outcome::Changes;
use super::{Caller, Idempotency, Outcome};
use crate::db::{Batch, Connection, DatabaseError, Doing, Literal, Statements};
use crate::site::Site;
use crate::wordpress::time::{format, parse_mysql};

/// A run to record.
pub(super) struct Run<'a> {
    pub(super) call_id: &'a [u8],
    pub(super) webhook_id: u64,
    pub(super) user_id: u64,
    pub(super) created: bool,
    pub(super) changes: &'a Changes,
    pub(super) duration_ms: u32,
    pub(super) now: DateTime<Utc>,
    pub(super) idempotency: Option<&'a Idempotency>,
    pub(super) caller: &'a Caller,
}

const CREATED: &str = "created";
const FOUND: &str = "found";

impl Run<'_> {
    /// Adds the statement that inserts the record, not counted yet; its answer has the record's id.
    pub(super) fn insert_in(&self, batch: &mut Batch, statements: &Statements) -> usize {
        let changes = serde_json::to_string(self.changes).unwrap_or_default();
        let now = format(self.now.naive_utc());
        let caller = self.caller;
        let address = caller.address.filter(|_| caller.is_address_recorded);
        let address = address.map(|address| address.to_string());
        let literals = [
            Literal::Bytes(self.call_id),
            self.webhook_id.into(),
            self.user_id.into(),
            if self.created { CREATED } else { FOUND }.into(),
            Literal::Text(&changes),
            u64::from(self.duration_ms).into(),
            Literal::Text(&now),
            hash(self.idempotency.map(|idempotency| &idempotency.key)),
            hash(self.idempotency.map(|idempotency| &idempotency.fields)),
            text(address.as_deref()),
            text(caller.request_id.as_deref()),
        ];
        batch.add(&statements.insert_run, "record the run", &literals)
    }
}

fn hash(hash: Option<&[u8; 32]>) -> Literal<'_> {
    hash.map_or(Literal::Null, |hash| Literal::Bytes(hash))
}

fn text(text: Option<&str>) -> Literal<'_> {
    text.map_or(Literal::Null, Literal::Text)
}

/// The run of an earlier call with the same idempotency key.
pub(super) struct EarlierRun {
    pub(super) fields: Vec<u8>,
    pub(super) outcome: Outcome,
}

impl EarlierRun {
    /// From a row of `facts.sql`.
    pub(super) fn read(user_id: u64, fields: Vec<u8>, run: &[u8]) -> Option<Self> {
        let run = String::from_utf8_lossy(run);
        let (webhook_id, run) = run.split_once('|')?;
        let (outcome, created_at) = run.split_once('|')?;
        let outcome = Outcome {
            webhook_id: webhook_id.parse().ok()?,
            user_id,
            created: outcome == CREATED,
            executed_at: parse_mysql(created_at)?.and_utc(),
            replayed: true,
        };
        Some(Self { fields, outcome })
    }
}

/// A recorded run that still has to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uncounted {
    pub(super) run_id: u64,
    pub(super) webhook_id: u64,
    pub(super) created: bool,
}

/// The run of a call, with its user, if it was committed.
pub(super) async fn of_call(
    connection: &mut Connection,
    statements: &Statements,
    call_id: &[u8],
) -> Result<Option<(Uncounted, u64)>, DatabaseError> {
    let found: Option<(u64, u64, u64, String)> = sqlx::query_as(statements.run_by_call_id.sql())
        .bind(call_id)
        .fetch_optional(connection)
        .await
        .doing("look for the call's run")?;
    Ok(found.map(|(run_id, webhook_id, user_id, outcome)| {
        (
            Uncounted {
                run_id,
                webhook_id,
                created: outcome == CREATED,
            },
            user_id,
        )
    }))
}

/// Some runs that an instance left uncounted when it died: recorded before `until`, with higher ids than `after`, in
/// their order.
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

/// What becomes of old run records.
#[derive(Clone, Copy, Debug)]
pub enum Chore {
    /// Counted ones are deleted.
    Prune,
    /// Their idempotency keys may be used for other calls.
    ForgetIdempotencyKeys,
}

/// Does a chore for some runs recorded before `before`; returns how many.
///
/// # Errors
/// The statement failed.
pub async fn tidy(site: &Site, chore: Chore, before: DateTime<Utc>) -> Result<u64, DatabaseError> {
    let statement = match chore {
        Chore::Prune => &site.statements.prune_runs,
        Chore::ForgetIdempotencyKeys => &site.statements.forget_idempotency_keys,
    };
    let done = site.pool.work(async |connection| {
        let query = sqlx::query(statement.sql()).bind(before.naive_utc());
        query.execute(connection).await.doing("tidy up old runs")
    });
    Ok(done.await?.rows_affected())
}
