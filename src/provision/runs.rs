//! Run records: rows of `{prefix}fcom_sidecar_runs`, one per executed call.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::execution::Execution;
use super::plan::Plan;
use super::{Caller, Executed, Idempotency};
use crate::db::{Batch, Connection, DatabaseError, Doing, Literal, Statements};
use crate::fluentcommunity::memberships::ChangeKind;
use crate::outcome::Outcome;
use crate::site::Site;
use crate::wordpress::time::{format, parse_mysql};

/// A run to record.
pub(super) struct Run<'a> {
    call_id: &'a [u8],
    webhook_id: u64,
    user_id: u64,
    created: bool,
    changes: Changes,
    duration_ms: u32,
    executed_at: DateTime<Utc>,
    idempotency: Option<&'a Idempotency>,
    caller: &'a Caller,
}

/// What a run changed, as JSON in the `changes` column of its record.
#[derive(Clone, Debug, Serialize)]
struct Changes {
    profile: bool,
    /// A network's user became a member of its site.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    added_to_site: bool,
    welcome_mail: bool,
    joined: Vec<u64>,
    left: Vec<u64>,
}

impl Changes {
    fn of(plan: &Plan<'_>) -> Self {
        let ids = |left: bool| {
            let changes = plan.memberships.changes.iter();
            let changes = changes.filter(|change| (change.kind == ChangeKind::Left) == left);
            changes.map(|change| change.space_id).collect()
        };
        Self {
            profile: plan.profile.is_some(),
            added_to_site: plan.joins_site(),
            welcome_mail: plan.sends_mail(),
            joined: ids(false),
            left: ids(true),
        }
    }
}

const CREATED: &str = Outcome::Created.word();
const FOUND: &str = Outcome::Found.word();

impl<'a> Run<'a> {
    /// The record of a plan that is being carried out, up to now.
    pub(super) fn of(plan: &Plan<'_>, execution: &'a Execution<'_>) -> Self {
        let (call, duration) = (execution.call, execution.started.elapsed());
        Self {
            call_id: &call.id,
            webhook_id: plan.webhook_id,
            user_id: plan.user_id,
            created: plan.created.is_some(),
            changes: Changes::of(plan),
            duration_ms: duration.as_millis().try_into().unwrap_or(u32::MAX),
            executed_at: plan.executed_at,
            idempotency: call.idempotency.as_ref(),
            caller: &call.caller,
        }
    }

    /// Adds the statement that inserts the record, not counted yet; its answer has the record's id.
    pub(super) fn insert_in(&self, batch: &mut Batch, statements: &Statements) -> usize {
        let changes = serde_json::to_string(&self.changes).unwrap_or_default();
        let now = format(self.executed_at.naive_utc());
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
    pub(super) executed: Executed,
}

impl EarlierRun {
    /// From a row of `facts.sql`.
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
