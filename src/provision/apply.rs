//! Writes a plan (its rows, the outbox rows and events that follow from it, and the run record) and commits, in as few
//! round trips as possible without changing the resulting rows.

use tracing::Instrument;

use super::own_count::OwnCount;
use super::plan::{MailPlan, Plan};
use super::runs::Uncounted;
use super::transaction::Transaction;
use super::user_count::count_users_in;
use super::{Executed, ProvisionError, kept, signed_calls};
use crate::db::{Answer, Batch, DatabaseError};
use crate::events::Event;
use crate::fluentcommunity::action_scheduler::{Queue, local_zone};
use crate::fluentcommunity::space_ids;
use crate::mail::outbox::Promise;
use crate::telemetry::phase;

impl Transaction<'_> {
    /// Writes everything except a new user's row, which already exists, and commits. Then wakes the workers that have
    /// something to do.
    pub(super) async fn apply(
        mut self,
        plan: &Plan<'_>,
    ) -> Result<(Option<Uncounted>, Executed), ProvisionError> {
        let (statements, user_id) = (self.statements(), plan.user_id);
        let mut batch = Batch::of(statements);
        plan.usermeta.write_in(&mut batch, statements, user_id);
        if let Some(profile) = &plan.profile {
            profile.insert_in(&mut batch, statements, user_id);
        }
        let now = self.local_now();
        plan.memberships
            .write_in(&mut batch, statements, user_id, &now);
        if let Some(not_yet) = &plan.space_ids_without {
            // This statement reads rows written above.
            batch.run(self.connection).await?;
            batch = Batch::of(statements);
            let roles = self.facts.options.user_roles.as_deref();
            space_ids::rewrite(self.connection, statements, user_id, not_yet, roles).await?;
        }
        self.queue(plan).await?;
        if plan.welcome_mail == MailPlan::Outbox {
            let promise = Promise {
                user_id,
                webhook_id: plan.webhook_id,
                https: self.execution.call.https,
                password: self.execution.hashed_password().unwrap_or_default(),
            };
            promise.insert_in(&mut batch, statements, plan.executed_at);
        }
        let run = self.execution.run(plan);
        let run = run.insert_in(&mut batch, statements);
        if let Some(refused_id) = self.execution.call.retry_of {
            kept::mark_in(&mut batch, statements, refused_id);
        }
        if let Some(signed) = self.execution.call.signed_for(&self.facts.webhook) {
            let (executed, now) = (plan.executed(), plan.executed_at);
            signed_calls::insert_in(&mut batch, statements, signed, &executed, now);
        }
        Event::insert_in(&plan.events, &mut batch, statements, user_id);
        let own_count = if self.execution.stage.is_none() {
            OwnCount::begin_in(&mut batch, &self)
        } else {
            None
        };
        // Who counts a new user's run counts the users, too.
        let counts_users = plan.created.is_some() && self.execution.calls.counts_users();
        if own_count.is_some() && counts_users {
            count_users_in(&mut batch, self.site(), &self.facts.options);
        }
        self.claims.free_in(&mut batch, statements);

        let execution = self.execution;
        if let Some(stage) = execution.stage {
            self.rehearse(plan, batch, run, stage).await?;
            return Ok((None, plan.executed()));
        }
        let bells = &execution.calls.bells;
        let answers = match self.commit(batch).await {
            Ok(answers) => answers,
            Err(error) => {
                return Err(match own_count {
                    Some(own_count) => {
                        execution.note_failed_count();
                        own_count.fail(error)
                    }
                    None => error.into(),
                });
            }
        };
        let is_counted = own_count.is_some_and(|own_count| own_count.end(&answers));
        if is_counted {
            execution.calls.metrics.tally_wait_seconds.observe(0.0);
        }
        execution.site().note_run(answers[run].last_insert_id);
        if plan.sends_mail() {
            bells.mail.notify_one();
        }
        if let Some(bell) = bells.relay.as_ref().filter(|_| !plan.events.is_empty()) {
            bell.notify_one();
        }
        let executed = plan.executed();
        let run = Uncounted {
            run_id: answers[run].last_insert_id,
            webhook_id: plan.webhook_id,
            created: executed.created,
        };
        Ok(((!is_counted).then_some(run), executed))
    }

    async fn queue(&mut self, plan: &Plan<'_>) -> Result<(), DatabaseError> {
        let mut queue = Queue {
            statements: self.statements(),
            connection: &mut *self.connection,
            zone: local_zone(&self.facts.options),
            now: plan.executed_at,
        };
        for job in &plan.jobs {
            queue.write(job).await?;
        }
        Ok(())
    }

    /// Sends the last batch with the commit.
    async fn commit(self, mut batch: Batch) -> Result<Vec<Answer>, DatabaseError> {
        batch.commit("commit the call");
        let commit = phase!("client", "commit", "db.system.name" = "mysql");
        let committed = self.execution.commit(batch, self.connection);
        committed.instrument(commit).await
    }
}
