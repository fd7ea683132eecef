//! Executes a call: load, decide, write in one transaction, count. [`attempt`] is the complete sequence; the modules
//! that it names implement the steps.

use std::sync::Arc;
use std::time::Instant;

use backon::Retryable;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::admission::{Admission, admit};
use super::execution::Execution;
use super::facts::Facts;
use super::member::Member;
use super::plan::Plan;
use super::rehearsal::Stage;
use super::runs::{self, Uncounted};
use super::transaction::Transaction;
use super::{
    Calls, Executed, ProvisionError, WebhookCall, known_user, new_user, signed_calls, unchanged,
};
use crate::db;
use crate::site::Site;
use crate::telemetry::phase;

/// Runs a call to completion, even if the client has disconnected. Then drops `place`.
///
/// # Errors
/// The call was not executed; see [`ProvisionError`].
pub async fn provision(
    calls: Arc<Calls>,
    call: WebhookCall,
    place: impl Send + 'static,
) -> Result<Executed, ProvisionError> {
    let (tasks, runtime) = (calls.tasks.clone(), calls.runtime.clone());
    let work = async move {
        let _place = place;
        let result = complete(&calls, call, None).await;
        tell(&calls, &result);
        result
    };
    let span = phase!(
        "internal",
        "provision",
        "webhook.id" = Empty,
        "user.id" = Empty,
        "call.outcome" = Empty,
    );
    // The log's span encloses the collector's: each looks for its own among the spans that the task has entered.
    let work = work.instrument(span).in_current_span();
    tasks.spawn_on(work, &runtime).await?
}

/// Reports the call's end to the collector, and to the site's readiness, which follows what calls meet.
fn tell(calls: &Calls, result: &Result<Executed, ProvisionError>) {
    let span = Span::current();
    let readiness = &calls.site.readiness;
    match result {
        Ok(executed) => {
            readiness.call_executed();
            span.record("webhook.id", executed.webhook_id);
            span.record("user.id", executed.user_id);
        }
        Err(error) => {
            if let Some(reason) = error.obstruction() {
                readiness.call_failed(reason);
            }
            span.record("call.outcome", error.outcome().word());
        }
    }
}

/// Carries the call out, or rehearses it on a stage; if the tables lack characters of it, without these.
pub(super) async fn complete(
    calls: &Calls,
    call: WebhookCall,
    stage: Option<&Stage>,
) -> Result<Executed, ProvisionError> {
    match follow_columns(calls, &call, stage).await {
        Err(error) if error.is_unstorable() => {
            follow_columns(calls, &call.in_basic_plane(), stage).await
        }
        result => result,
    }
}

/// Carries the call out, also into tables to which others have added columns.
async fn follow_columns(
    calls: &Calls,
    call: &WebhookCall,
    stage: Option<&Stage>,
) -> Result<Executed, ProvisionError> {
    let Site {
        pool,
        statements,
        tables,
        ..
    } = &*calls.site;
    db::follow_columns(pool, statements, tables, || carry_out(calls, call, stage)).await
}

/// Retries until the call is done or another attempt is pointless, and counts the run.
async fn carry_out(
    calls: &Calls,
    call: &WebhookCall,
    stage: Option<&Stage>,
) -> Result<Executed, ProvisionError> {
    let execution = Execution::new(calls, call, stage);
    let result = (|| attempt(&execution))
        .retry(db::pauses())
        .when(|error| execution.is_worth_another(error))
        .notify(|error, pause| {
            if stage.is_none() {
                calls.metrics.retried(error.reason());
            }
            tracing::debug!(error = %error, pause_ms = pause.as_millis(), "trying the call again");
        })
        .await;
    let (run, executed) = result.map_err(|error| execution.last_word(error))?;
    if let Some(run) = run {
        let counted = calls.tally.count(run, execution.waited());
        counted.instrument(phase!("internal", "tally")).await;
    }
    Ok(executed)
}

/// What a call did, with its run record unless that is counted or belongs to an earlier call.
type Done = (Option<Uncounted>, Executed);

/// One complete attempt at a call.
async fn attempt(execution: &Execution<'_>) -> Result<Done, ProvisionError> {
    if execution.is_commit_pending()
        && let Some(done) = already_committed(execution).await?
    {
        return Ok(done);
    }
    let began = Instant::now();
    let (limits, tables) = (&execution.calls.new_user_limits, &execution.site().tables);
    let facts = load(execution).await?;
    let done = match admit(execution.call, &facts, tables)? {
        Admission::Answered(executed) => {
            let signed = execution.call.signed_for(&facts.webhook);
            if let Some(signed) = signed.filter(|_| facts.earlier_signed.is_none()) {
                signed_calls::remember(execution.site(), signed, &executed).await?;
            }
            return Ok((None, executed));
        }
        Admission::KnownUser(user) => {
            if let Some(executed) = unchanged::record(execution, &facts, user).await? {
                return Ok((None, executed));
            }
            let _turn = execution.turn_with_user(user.id).await?;
            match write_known(execution, &facts, user.id).await {
                Err(ProvisionError::Unrendered) => {
                    let places = &execution.calls.rendering;
                    execution.biography.render(places).await?;
                    write_known(execution, &facts, user.id).await
                }
                written => written,
            }
        }
        Admission::NewUser(email) => {
            let _place = limits.place()?;
            let user = new_user::prepare(execution, &facts, email).await?;
            // The turn first: calls that wait for one name must not hold connections that other names need.
            let _turn = execution.turn(&user.wanted_login()).await?;
            let _connection = execution.new_user_connection().await?;
            let transaction = execution.transaction(async |connection| {
                let mut transaction = Transaction::begin(execution, &facts, connection);
                let member = new_user::insert(&mut transaction, user).await?;
                write(transaction, member).await
            });
            transaction.await
        }
    };
    match done {
        // Either our own run: a commit that was pending has taken place after we had looked. Or a call with the same
        // name was faster, or PHP has created the profile.
        Err(ProvisionError::Database(error)) if error.is_duplicate() => Err(ProvisionError::Raced),
        Err(ProvisionError::LeftoverRows(id)) => {
            let leftovers = &execution.calls.leftovers;
            leftovers.skip(execution.site(), id, began).await?;
            Err(ProvisionError::LeftoverRows(id))
        }
        done => done,
    }
}

/// Reads everything that is needed before anything is locked. Returns the connection to the pool at once: hashing a
/// password must not hold one.
async fn load(execution: &Execution<'_>) -> Result<Facts, ProvisionError> {
    let (site, call) = (execution.site(), execution.call);
    let looks_for_run = execution.looks_for_run();
    let facts = site
        .pool
        .work(async |connection| Facts::load(connection, site, call, looks_for_run).await);
    let read = phase!("client", "read", "db.system.name" = "mysql");
    facts.instrument(read).await
}

/// The transaction for an existing user.
async fn write_known(
    execution: &Execution<'_>,
    facts: &Facts,
    user_id: u64,
) -> Result<Done, ProvisionError> {
    let transaction = execution.transaction(async |connection| {
        let mut transaction = Transaction::begin(execution, facts, connection);
        let member = known_user::lock(&mut transaction, user_id).await?;
        write(transaction, member).await
    });
    transaction.await
}

/// The part behind the locks: the decision, the rows, the commit.
async fn write<'a>(
    mut transaction: Transaction<'a>,
    member: Member<'a>,
) -> Result<Done, ProvisionError> {
    let (execution, facts) = (transaction.execution, transaction.facts);
    let conditions = execution.conditions(facts, transaction.now);
    let mut plan = Plan::decide(&conditions, member);
    if plan.created.is_none() {
        let (webhook_id, changes) = (plan.webhook_id, plan.changes_something());
        let counting = execution.calls.tally.counting();
        counting.note_changes(webhook_id, changes);
    }
    let sections = transaction.sections(&plan).await?;
    plan.schedule_course_emails(&sections, &transaction.zone);
    transaction.apply(&plan).await
}

/// The run of a commit whose answer was lost, if the commit has taken place. If it has not, it may still do so: only its
/// call id keeps the next attempt from being a second run.
async fn already_committed(execution: &Execution<'_>) -> Result<Option<Done>, ProvisionError> {
    let (site, call) = (execution.site(), execution.call);
    let found = site
        .pool
        .work(async |connection| runs::of_call(connection, &site.statements, &call.id).await);
    Ok(found.await?.map(|(run, executed)| {
        // What it has left to others may have been announced to nobody.
        execution.calls.bells.ring();
        (Some(run), executed)
    }))
}
