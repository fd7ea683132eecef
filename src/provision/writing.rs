//! The writes that a new and a known user have in common: memberships with what follows from them, the mail's promise,
//! the run record, and the commit.

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, MySql, Transaction};

use super::carry_out::Attempt;
use super::claims::Claims;
use super::facts::Facts;
use super::outcome::Changes;
use super::runs::{Run, Uncounted};
use super::{Outcome, ProvisionError, WelcomeMail};
use crate::db::{Connection, DatabaseError, Doing};
use crate::fluentcommunity::action_scheduler::{self, Schedule};
use crate::fluentcommunity::{course_emails, memberships, space_ids};
use crate::mail::outbox::Promise;
use crate::wordpress::time::{SiteZone, format};

/// FluentCommunity 2.5.0 and later sends the welcome mail when this action fires.
const WELCOME_HOOK: &str = "fluent_community/send_new_user_notification";

/// An open transaction with what its writes need.
pub(super) struct Writing<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) facts: &'a Facts,
    pub(super) transaction: Transaction<'a, MySql>,
    pub(super) claims: Claims,
    pub(super) zone: SiteZone,
    pub(super) now: DateTime<Utc>,
}

/// The member whom a call is about.
pub(super) struct Member {
    pub(super) user_id: u64,
    pub(super) created: bool,
    pub(super) profile_created: bool,
    pub(super) welcome_mail: bool,
}

impl<'a> Writing<'a> {
    /// Begins the transaction.
    pub(super) async fn begin(
        attempt: &'a Attempt<'a>,
        facts: &'a Facts,
        connection: &'a mut Connection,
    ) -> Result<Self, ProvisionError> {
        Ok(Self {
            attempt,
            facts,
            transaction: connection.begin().await.doing("begin the transaction")?,
            claims: Claims::of_call(attempt.call.id),
            zone: facts.options.zone(),
            now: attempt.site.clock.now(),
        })
    }

    /// Now as FluentCommunity stores it: site-local time.
    pub(super) fn local_now(&self) -> String {
        format(self.zone.local(self.now))
    }

    /// Writes what is left and commits.
    pub(super) async fn finish(
        mut self,
        member: Member,
    ) -> Result<(Uncounted, Outcome), ProvisionError> {
        let memberships = self.memberships(member.user_id).await?;
        if member.welcome_mail {
            self.promise_welcome_mail(member.user_id).await?;
        }
        let Self {
            attempt,
            facts,
            mut transaction,
            claims,
            now,
            ..
        } = self;
        let statements = &attempt.site.statements;
        let webhook_id = facts.webhook.id;
        let changes = Changes::new(member.profile_created, member.welcome_mail, &memberships);
        let run = Run {
            call_id: &attempt.call.id,
            webhook_id,
            user_id: member.user_id,
            created: member.created,
            changes: &changes,
            duration_ms: attempt
                .started
                .elapsed()
                .as_millis()
                .try_into()
                .unwrap_or(u32::MAX),
            now,
        };
        let run_id = run.insert(&mut transaction, statements).await?;
        claims.free(&mut transaction, statements).await?;
        attempt.set_commit_unknown(true);
        let committed = transaction.commit().await.doing("commit the call");
        let lost = |error: &DatabaseError| error.is_lost_connection();
        attempt.set_commit_unknown(committed.as_ref().err().is_some_and(lost));
        committed?;
        let run = Uncounted {
            run_id,
            webhook_id,
            created: member.created,
        };
        let outcome = Outcome {
            webhook_id,
            user_id: member.user_id,
            created: member.created,
            executed_at: now,
        };
        Ok((run, outcome))
    }

    async fn memberships(
        &mut self,
        user_id: u64,
    ) -> Result<Vec<memberships::Change>, DatabaseError> {
        let statements = &self.attempt.site.statements;
        let local_now = self.local_now();
        let (webhook, connection) = (&self.facts.webhook, &mut *self.transaction);
        let targets =
            memberships::targets(connection, statements, user_id, &webhook.target_ids()).await?;
        let structured = course_emails::structured_courses(&targets);
        let plan = memberships::Plan::decide(webhook, self.facts.course_module, targets);
        plan.apply(connection, statements, user_id, &local_now)
            .await?;
        if let Some(not_yet) = plan.joined_after_last_leave() {
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

    async fn promise_welcome_mail(&mut self, user_id: u64) -> Result<(), DatabaseError> {
        let Self {
            attempt,
            facts,
            transaction,
            zone,
            now,
            ..
        } = self;
        let statements = &attempt.site.statements;
        match attempt.site.welcome_mail {
            WelcomeMail::Off => Ok(()),
            WelcomeMail::Outbox => {
                let (webhook_id, https) = (facts.webhook.id, attempt.call.https);
                let promise = Promise {
                    user_id,
                    webhook_id,
                    https,
                };
                promise.insert(transaction, statements, *now).await
            }
            WelcomeMail::WordPress => {
                let args = format!("[{user_id}]");
                let soon = Schedule::Soon;
                action_scheduler::schedule(
                    transaction,
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
