//! The writes that a new and a known user have in common: memberships with what follows from them, the mail's promise,
//! the run record, and the commit.

use chrono::{DateTime, Utc};
use tracing::Instrument;

use super::attempt::Attempt;
use super::claims::Claims;
use super::facts::Facts;
use super::member::Member;
use super::outcome::Changes;
use super::runs::{Run, Uncounted};
use super::{Outcome, ProvisionError, WelcomeMail};
use crate::db::{Batch, Connection, DatabaseError};
use crate::events::Event;
use crate::fluentcommunity::action_scheduler::{self, Schedule};
use crate::fluentcommunity::memberships::{self, ChangeKind, Target};
use crate::fluentcommunity::{course_emails, space_ids};
use crate::mail::outbox::Promise;
use crate::telemetry::phase;
use crate::wordpress::time::{SiteZone, format};

/// FluentCommunity 2.5.0 and later sends the welcome mail when this action fires.
const WELCOME_HOOK: &str = "fluent_community/send_new_user_notification";

/// An open transaction with what its writes need.
pub(super) struct Writing<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) facts: &'a Facts,
    pub(super) connection: &'a mut Connection,
    pub(super) claims: Claims,
    pub(super) zone: SiteZone,
    pub(super) now: DateTime<Utc>,
}

impl<'a> Writing<'a> {
    /// On a connection on which the transaction begins with the first batch.
    pub(super) fn new(
        attempt: &'a Attempt<'a>,
        facts: &'a Facts,
        connection: &'a mut Connection,
        claims: Claims,
    ) -> Self {
        Self {
            attempt,
            facts,
            connection,
            claims,
            zone: facts.options.zone(),
            now: attempt.site().clock.now(),
        }
    }

    /// Now as FluentCommunity stores it: site-local time.
    pub(super) fn local_now(&self) -> String {
        format(self.zone.local(self.now))
    }

    /// Writes what is left, beginning with `batch`, and commits.
    pub(super) async fn finish(
        mut self,
        mut batch: Batch,
        mut member: Member,
    ) -> Result<(Uncounted, Outcome), ProvisionError> {
        let (user_id, created) = (member.user_id, member.created);
        let targets = std::mem::take(&mut member.targets);
        let memberships = self.memberships(&mut batch, user_id, targets).await?;
        if member.welcome_mail {
            self.promise_welcome_mail(&mut batch, user_id).await?;
        }
        let attempt = self.attempt;
        let (statements, webhook_id) = (&attempt.site().statements, self.facts.webhook.id);
        let changes = Changes::new(&member, &memberships);
        let duration = attempt.started.elapsed().as_millis();
        let run = Run {
            call_id: &attempt.call.id,
            webhook_id,
            user_id,
            created,
            changes: &changes,
            duration_ms: duration.try_into().unwrap_or(u32::MAX),
            now: self.now,
            idempotency: attempt.call.idempotency.as_ref(),
            caller: &attempt.call.caller,
        };
        let run = run.insert_in(&mut batch, statements);
        let relay_bell = attempt.calls.bells.relay.as_ref();
        let events = match relay_bell {
            Some(_) => self.events(&member, &memberships),
            None => Vec::new(),
        };
        Event::insert_in(&events, &mut batch, statements, user_id);
        self.claims.free_in(&mut batch, statements);
        batch.commit("commit the call");

        attempt.set_commit_unknown(true);
        let commit = phase!("client", "commit", "db.system.name" = "mysql");
        let committed = batch.run(self.connection).instrument(commit).await;
        let lost = committed
            .as_ref()
            .err()
            .map(DatabaseError::leaves_commit_unknown);
        attempt.set_commit_unknown(lost.unwrap_or(false));
        let answers = committed?;
        if member.welcome_mail {
            attempt.calls.bells.mail.notify_one();
        }
        if let Some(bell) = relay_bell.filter(|_| !events.is_empty()) {
            bell.notify_one();
        }
        let run = Uncounted {
            run_id: answers[run].last_insert_id,
            webhook_id,
            created,
        };
        let outcome = Outcome {
            webhook_id,
            user_id,
            created,
            executed_at: self.now,
            replayed: false,
        };
        Ok((run, outcome))
    }

    /// What follows from a change may have to read what the change has written: then the batch is sent.
    async fn memberships(
        &mut self,
        batch: &mut Batch,
        user_id: u64,
        targets: Vec<Target>,
    ) -> Result<Vec<memberships::Change>, DatabaseError> {
        let statements = &self.attempt.site().statements;
        let (local_now, webhook) = (self.local_now(), &self.facts.webhook);
        // Their own listener hears of them while the relay is on.
        let structured = match self.attempt.calls.bells.relay {
            Some(_) => Vec::new(),
            None => course_emails::structured_courses(&targets),
        };
        let plan = memberships::Plan::decide(webhook, self.facts.course_module, targets);
        plan.write_in(batch, statements, user_id, &local_now);
        let left = plan.joined_after_last_leave();
        if left.is_none() && structured.is_empty() {
            return Ok(plan.changes);
        }
        let connection = &mut *self.connection;
        std::mem::replace(batch, Batch::of(statements))
            .run(connection)
            .await?;
        if let Some(not_yet) = left {
            let roles = self.facts.options.user_roles.as_deref();
            space_ids::rewrite(connection, statements, user_id, &not_yet, roles).await?;
        }
        let (zone, now) = (&self.zone, self.now);
        let changes = &plan.changes;
        course_emails::follow(
            connection,
            statements,
            user_id,
            &structured,
            changes,
            zone,
            now,
        )
        .await?;
        Ok(plan.changes)
    }

    /// The hooks that PHP would have fired, in its order.
    fn events(&self, member: &Member, memberships: &[memberships::Change]) -> Vec<Event<'a>> {
        let by_wordpress = self.attempt.calls.new_users.welcome_mail == WelcomeMail::WordPress;
        let role = self.facts.options.role();
        let mut events = if member.created {
            Event::of_new_user(role, member.welcome_mail && by_wordpress)
        } else if member.added_to_site {
            Event::of_new_site_member(role)
        } else {
            Vec::new()
        };
        events.extend(memberships.iter().map(|change| {
            let (space_id, is_course) = (change.target_id, change.is_course);
            match change.kind {
                ChangeKind::Joined { reactivated, .. } => Event::Joined {
                    space_id,
                    is_course,
                    reactivated,
                },
                ChangeKind::Left => Event::Left {
                    space_id,
                    is_course,
                },
            }
        }));
        events
    }

    async fn promise_welcome_mail(
        &mut self,
        batch: &mut Batch,
        user_id: u64,
    ) -> Result<(), DatabaseError> {
        let Self {
            attempt,
            facts,
            connection,
            zone,
            now,
            ..
        } = self;
        let statements = &attempt.site().statements;
        match attempt.calls.new_users.welcome_mail {
            WelcomeMail::Off => Ok(()),
            WelcomeMail::WordPress if attempt.calls.bells.relay.is_some() => Ok(()),
            WelcomeMail::Outbox => {
                let (webhook_id, https) = (facts.webhook.id, attempt.call.https);
                let promise = Promise {
                    user_id,
                    webhook_id,
                    https,
                };
                promise.insert_in(batch, statements, *now);
                Ok(())
            }
            WelcomeMail::WordPress => {
                let args = format!("[{user_id}]");
                let soon = Schedule::Soon;
                action_scheduler::schedule(
                    connection,
                    statements,
                    WELCOME_HOOK,
                    &args,
                    soon,
                    zone,
                    *now,
                )
                .await
            }
        }
    }
}
