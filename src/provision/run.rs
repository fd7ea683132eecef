//! The record of a call: what it did, written in the transaction that does it.

use std::sync::Arc;

use super::Idempotency;
use crate::db::{Batch, Literal, Statements};
use crate::outcome::Outcome;

/// A run to record.
pub(super) struct Run {
    pub(super) call_id: [u8; 16],
    pub(super) webhook_id: u64,
    pub(super) user_id: u64,
    pub(super) outcome: Outcome,
    /// JSON.
    pub(super) changes: String,
    pub(super) duration_ms: u32,
    /// In UTC.
    pub(super) executed_at: String,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) address: Option<String>,
    pub(super) request_id: Option<Arc<str>>,
}

impl Run {
    /// Adds the statement that inserts the record, not yet counted; its answer contains the record's id.
    pub(super) fn insert_in(&self, batch: &mut Batch, statements: &Statements) -> usize {
        let literals = self.literals(0);
        batch.add(&statements.insert_run, "record the run", &literals)
    }

    /// Adds the statement that inserts these records, of runs that the same transaction counts; its answer contains the
    /// first one's id.
    pub(super) fn insert_counted_in(
        runs: &[Self],
        batch: &mut Batch,
        statements: &Statements,
    ) -> usize {
        let literals: Vec<Literal<'_>> = runs.iter().flat_map(|run| run.literals(1)).collect();
        batch.add(&statements.insert_run, "record the runs", &literals)
    }

    fn literals(&self, tallied: u64) -> [Literal<'_>; 12] {
        let idempotency = self.idempotency.as_ref();
        [
            Literal::Bytes(&self.call_id),
            self.webhook_id.into(),
            self.user_id.into(),
            self.outcome.word().into(),
            Literal::Text(&self.changes),
            u64::from(self.duration_ms).into(),
            Literal::Text(&self.executed_at),
            hash(idempotency.map(|idempotency| &idempotency.key)),
            hash(idempotency.map(|idempotency| &idempotency.fields)),
            text(self.address.as_deref()),
            text(self.request_id.as_deref()),
            tallied.into(),
        ]
    }
}

fn hash(hash: Option<&[u8; 32]>) -> Literal<'_> {
    hash.map_or(Literal::Null, |hash| Literal::Bytes(hash))
}

fn text(text: Option<&str>) -> Literal<'_> {
    text.map_or(Literal::Null, Literal::Text)
}
