//! Executes a call for a member who already is what the webhook makes of them: a retry, or an event that says the same again.
//! It changes nothing but its own record and the count. So nothing is locked for it, and it needs no transaction of its own:
//! the tally's next one records its run and counts it, together with those of others.
//!
//! What is read here is as it was at some moment while the call was in progress, and whoever changes it at the same time could
//! as well have come later. A call that finds something to change reads all of it again, behind the lock.

use tracing::Instrument;

use super::execution::Execution;
use super::facts::{Facts, FoundUser};
use super::member::Member;
use super::plan::Plan;
use super::tally::Recorded;
use super::{Executed, ProvisionError};
use crate::db::{Batch, DatabaseError};
use crate::fluentcommunity::memberships::{self, Space};
use crate::site::Site;
use crate::telemetry::phase;
use crate::wordpress::blog::SiteMembership;
use crate::wordpress::usermeta::MetaRows;

/// Records the call's run if it changes nothing else; `None` if it does, or may, or is better off by itself.
///
/// # Errors
/// A read failed, or nobody knows whether the run is recorded.
pub(super) async fn record(
    execution: &Execution<'_>,
    facts: &Facts,
    user: FoundUser,
) -> Result<Option<Executed>, ProvisionError> {
    if !user.has_profile || !is_worth_a_look(execution, facts) {
        return Ok(None);
    }
    let site = execution.site();
    let Some(spaces) = look(execution, facts, user.id).await? else {
        return Ok(None);
    };
    let member = Member {
        user_id: user.id,
        created: None,
        usermeta: MetaRows::default(),
        profile: None,
        spaces,
    };
    let now = site.clock.now();
    let plan = Plan::decide(&execution.conditions(facts, now), member);
    let changes = plan.changes_something();
    execution
        .calls
        .tally
        .counting()
        .note_changes(plan.webhook_id, changes);
    if changes {
        return Ok(None);
    }
    match execution.record_together(execution.run(&plan)).await {
        Recorded::Yes => Ok(Some(plan.executed())),
        Recorded::No => Ok(None),
        Recorded::Unknown => Err(ProvisionError::Unheard),
    }
}

fn is_worth_a_look(execution: &Execution<'_>, facts: &Facts) -> bool {
    let (calls, call, webhook) = (execution.calls, execution.call, &facts.webhook);
    let counting = calls.tally.counting();
    // Alone, a call is faster if it counts its own run.
    let has_company = calls.tasks.len() > 1;
    // Where others write, too, the webhook's row is where transactions of several servers conflict.
    let has_several_writers = calls.site.statements.has_several_writers();
    let writes_more = call.retry_of.is_some() || call.signed_for(webhook).is_some();
    has_company
        && !has_several_writers
        && !writes_more
        && execution.stage.is_none()
        && !execution.has_failed_to_count()
        && !counting.is_postponed(webhook.id)
        && !counting.is_apart(webhook.id)
        && !counting.has_changed(webhook.id)
}

/// Reads the webhook's spaces with the user's memberships in them, without a lock; `None` if the user is no member of the
/// network's site yet.
async fn look(
    execution: &Execution<'_>,
    facts: &Facts,
    user_id: u64,
) -> Result<Option<Vec<Space>>, DatabaseError> {
    let Site {
        pool,
        statements,
        tables,
        ..
    } = execution.site();
    // In a transaction, so that a proxy which sends other reads to replicas asks the server that is written to.
    let mut batch = Batch::begin(statements);
    let ids = facts.webhook.target_ids();
    let spaces = memberships::ask_in(&mut batch, statements, Some(user_id), &ids);
    let blog = facts.blog.as_ref();
    let membership = blog.map(|_| SiteMembership::ask_in(&mut batch, statements, user_id));
    if spaces.is_none() && membership.is_none() {
        return Ok(Some(Vec::new()));
    }
    batch.roll_back("end the look at the member");
    let look = pool.work(async |connection| batch.run(connection).await);
    let read = phase!("client", "read", "db.system.name" = "mysql");
    let answers = look.instrument(read).await?;
    let membership = membership.map(|index| SiteMembership::read(&answers[index]));
    let membership = membership.transpose()?;
    if membership.is_some_and(|membership| !membership.is_member(tables)) {
        return Ok(None);
    }
    memberships::spaces(spaces.map(|index| &answers[index])).map(Some)
}
