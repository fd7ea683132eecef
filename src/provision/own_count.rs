//! Lets a call count its own run, in its own transaction, when no other run of this process is being counted and few calls
//! are in progress: then the tally would only add a transaction and its commit. Among many calls, those that count their
//! own runs would only make the tally's transactions smaller.
//!
//! Nothing is locked for it. The statement that raises `running_count` compares the webhook's record with the one that
//! the call knows, and marks the run as counted; if they differ it does neither, and the tally counts the run. The lock on
//! the webhook's row is held from that statement to the commit, which are sent together, so the order of locks is: the
//! user or the names, then the webhook. Whoever holds a webhook's lock waits for neither. (The tally may wait there for a run with the
//! same idempotency key as one that it inserts, whose call wants the webhook: the server ends one of the two, which is tried again.)

use super::ProvisionError;
use super::counting::{Active, Counting};
use super::transaction::Transaction;
use super::user_count::COUNT_USERS;
use crate::db::{Answer, Batch, DatabaseError, Literal};
use crate::fluentcommunity::webhook::count_runs;

/// Calls in progress, with the one that counts.
const FEW: usize = 4;

const COUNT: &str = "count the run";

/// A call's attempt to count its own run.
pub(super) struct OwnCount<'a> {
    counting: &'a Counting,
    _active: Active<'a>,
    webhook_id: u64,
    counted: Vec<u8>,
    answer: usize,
}

impl<'a> OwnCount<'a> {
    /// Adds the statement behind the one that inserts the run, if the call should try.
    pub(super) fn begin_in(batch: &mut Batch, transaction: &Transaction<'a>) -> Option<Self> {
        let Transaction {
            execution, facts, ..
        } = transaction;
        let (statements, counting) = (transaction.statements(), execution.calls.tally.counting());
        let webhook_id = facts.webhook.id;
        // Where others write, too, the webhook's row is where transactions of several servers conflict.
        if statements.has_several_writers()
            || execution.calls.tasks.len() > FEW
            || execution.has_failed_to_count()
            || counting.is_postponed(webhook_id)
        {
            return None;
        }
        let active = counting.begin_alone()?;
        let known = counting.newest(webhook_id, &facts.record);
        let counted = count_runs(webhook_id, &known, 1).ok()?;
        let now = transaction.local_now();
        // Bound as bytes, as they were read.
        let literals = [
            Literal::Bytes(&execution.call.id),
            Literal::Bytes(&counted),
            Literal::Text(&now),
            webhook_id.into(),
            Literal::Bytes(&known),
        ];
        let answer = batch.add(&statements.count_run, COUNT, &literals);
        Some(Self {
            counting,
            _active: active,
            webhook_id,
            counted,
            answer,
        })
    }

    /// After the commit: whether the run is counted.
    pub(super) fn end(self, answers: &[Answer]) -> bool {
        let is_counted = answers[self.answer].affected > 0;
        if is_counted {
            self.counting.wrote(self.webhook_id, self.counted);
        }
        is_counted
    }

    /// After an error: the call itself must not fail because of its count. Whatever is in the way (a lock that somebody
    /// holds for long, a trigger) would be in the way of the next calls, too.
    pub(super) fn fail(self, error: DatabaseError) -> ProvisionError {
        let is_about_counting = error.is_about(COUNT) || error.is_about(COUNT_USERS);
        if !is_about_counting || error.may_follow_commit() || error.is_deadlock() {
            return error.into();
        }
        self.counting.postpone(self.webhook_id);
        ProvisionError::Uncounted(error)
    }
}
