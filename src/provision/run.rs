//! The record of a call: what it did, written in its own transaction.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::execution::Execution;
use super::plan::Plan;
use super::{Caller, Idempotency};
use crate::db::{Batch, Literal, Statements};
use crate::outcome::Outcome;
use crate::wordpress::time::format;

/// A run to record.
pub(super) struct Run<'a> {
    call_id: &'a [u8],
    webhook_id: u64,
    user_id: u64,
    outcome: Outcome,
    changes: Changes,
    duration_ms: u32,
    executed_at: DateTime<Utc>,
    idempotency: Option<&'a Idempotency>,
    caller: &'a Caller,
}

/// The changes of a run, as JSON in the `changes` column of its record.
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
            let changes = changes.filter(|change| change.kind.is_left() == left);
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

impl<'a> Run<'a> {
    /// The record of a plan that is being executed, up to now.
    pub(super) fn of(plan: &Plan<'_>, execution: &'a Execution<'_>) -> Self {
        let (call, duration) = (execution.call, execution.started.elapsed());
        Self {
            call_id: &call.id,
            webhook_id: plan.webhook_id,
            user_id: plan.user_id,
            outcome: plan.executed().outcome(),
            changes: Changes::of(plan),
            duration_ms: duration.as_millis().try_into().unwrap_or(u32::MAX),
            executed_at: plan.executed_at,
            idempotency: call.idempotency.as_ref(),
            caller: &call.caller,
        }
    }

    /// Adds the statement that inserts the record; its answer contains the record's id.
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
            self.outcome.word().into(),
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
