//! Carries a call out in its transaction, looks at what it has changed, and rolls it back.
//!
//! It is the call's own code up to the commit, so it shows what the call would do on this site at this moment. Nothing stays but
//! gaps in the numbers that tables give their rows.

mod look;
mod rows;
mod sight;
mod stage;
mod story;

use std::sync::Arc;

pub(super) use self::look::{look, unread};
pub use self::rows::Rows;
pub(super) use self::sight::{Seen, Subject, args_of};
pub(super) use self::stage::Stage;
use self::story::Looked;
pub(super) use self::story::Oddities;
pub use self::story::{Chosen, NamesOfNew, Rehearsal};
use super::carry_out::complete;
use super::plan::Plan;
use super::runs::Uncounted;
use super::tally::count_within;
use super::transaction::Transaction;
use super::{Calls, ProvisionError, WebhookCall};
use crate::db::Batch;

/// What the call would do. It must have no `Idempotency-Key` and no signature: an answer that is repeated shows nothing.
///
/// # Errors
/// The call would not be executed; see [`ProvisionError`].
pub async fn rehearse(calls: Arc<Calls>, call: WebhookCall) -> Result<Rehearsal, ProvisionError> {
    let (tasks, runtime) = (calls.tasks.clone(), calls.runtime.clone());
    let work = async move {
        let stage = Stage::default();
        complete(&calls, call, Some(&stage)).await?;
        // A call that is neither refused nor answered by an earlier one was on stage.
        stage.take().ok_or(ProvisionError::Raced)
    };
    tasks.spawn_on(work, &runtime).await?
}

impl Transaction<'_> {
    /// Does everything but the commit, counts the run, and rolls back.
    pub(super) async fn rehearse(
        self,
        plan: &Plan<'_>,
        batch: Batch,
        run: usize,
        stage: &Stage,
    ) -> Result<(), ProvisionError> {
        let site = self.site();
        let answers = batch.run(self.connection).await?;
        let run_id = answers[run].last_insert_id;
        let run = Uncounted {
            run_id,
            webhook_id: plan.webhook_id,
            created: plan.created.is_some(),
        };
        // With the relay on, WordPress counts its users.
        let counts_users = run.created && self.execution.calls.bells.relay.is_none();
        count_within(self.connection, site, run, counts_users).await?;
        let subject = Subject::of(plan);
        let excerpts =
            rows::Excerpts::of(self.connection, &site.tables, &subject, Some(run_id)).await?;
        let after = Batch::of(self.statements());
        let after = excerpts.read(after, self.connection).await?;
        let mut before = Batch::of(self.statements());
        before.roll_back("roll the rehearsal back");
        let before = excerpts.read(before, self.connection).await?;
        let rows = excerpts.compared(&before, &after, self.execution.call);
        let looked = Looked {
            subject,
            before,
            after,
        };
        let rehearsal = Rehearsal::of(plan, self.facts, self.execution.call, rows, looked);
        stage.put(rehearsal);
        Ok(())
    }
}
