//! Carrying out a call: load, decide, write in one transaction, count. Tried again as a whole when another transaction
//! was in the way.

use std::sync::Arc;

use backon::Retryable;
use tokio::sync::OwnedSemaphorePermit;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::attempt::Attempt;
use super::facts::Facts;
use super::runs::{self, Uncounted};
use super::{Calls, Outcome, ProvisionError, WebhookCall, known_user, new_user, protection};
use crate::db;
use crate::telemetry::phase;

/// Carries a call out to the end, whether or not anyone is still there to hear about it. `place` is dropped then.
///
/// # Errors
/// The call was not executed; see [`ProvisionError`].
pub async fn provision(
    calls: Arc<Calls>,
    call: WebhookCall,
    place: OwnedSemaphorePermit,
) -> Result<Outcome, ProvisionError> {
    let (tasks, runtime) = (calls.tasks.clone(), calls.runtime.clone());
    let work = async move {
        let _place = place;
        let result = match carry_out(&calls, &call).await {
            Err(error) if error.is_unstorable() => carry_out(&calls, &call.in_basic_plane()).await,
            result => result,
        };
        tell(&result);
        result
    };
    let span = phase!(
        "internal",
        "provision",
        "webhook.id" = Empty,
        "user.id" = Empty,
        "call.outcome" = Empty,
    );
    // The log's span around the collector's: each looks for its own among those that the task has entered.
    let work = work.instrument(span).in_current_span();
    tasks.spawn_on(work, &runtime).await?
}

/// Tells the collector of the call's end.
fn tell(result: &Result<Outcome, ProvisionError>) {
    let span = Span::current();
    match result {
        Ok(outcome) => {
            span.record("webhook.id", outcome.webhook_id);
            span.record("user.id", outcome.user_id);
        }
        Err(error) => {
            span.record("call.outcome", error.word());
        }
    }
}

async fn carry_out(calls: &Calls, call: &WebhookCall) -> Result<Outcome, ProvisionError> {
    let attempt = Attempt::new(calls, call);
    let result = (|| run(&attempt))
        .retry(db::pauses())
        .when(|error| attempt.is_worth_another(error))
        .notify(|error, pause| {
            calls.metrics.retried(error.reason());
            tracing::debug!(error = %error, pause_ms = pause.as_millis(), "trying the call again");
        })
        .await;
    let (run, outcome) = result.map_err(|error| attempt.last_word(error))?;
    if let Some(run) = run {
        let counted = calls.tally.count(run);
        counted.instrument(phase!("internal", "tally")).await;
    }
    Ok(outcome)
}

/// What a call did, with its run unless that is an earlier call's.
type Done = (Option<Uncounted>, Outcome);

async fn run(attempt: &Attempt<'_>) -> Result<Done, ProvisionError> {
    let (site, call) = (attempt.site(), attempt.call);
    if attempt.is_commit_unknown()
        && let Some(done) = already_committed(attempt).await?
    {
        return Ok(done);
    }
    let email = call.email.as_ref();
    let names = email.map(|email| new_user::likely_names(attempt, email));
    let names = names.unwrap_or_default();
    // Given back at once: hashing a password must not hold a connection.
    let facts = site
        .pool
        .work(async |connection| Facts::load(connection, site, call, &names).await);
    let read = phase!("client", "read", "db.system.name" = "mysql");
    let mut facts = facts.instrument(read).await?;
    protection::admit(&facts.webhook, &call.caller)?;
    facts.admit(&site.tables)?;
    if let (Some(earlier), Some(now)) = (facts.earlier.take(), &call.idempotency) {
        return if earlier.fields == now.fields {
            Ok((None, earlier.outcome))
        } else {
            Err(ProvisionError::IdempotencyConflict)
        };
    }
    let Ok(email) = email else {
        return Err(email_error(call));
    };
    let result = match facts.user_id {
        Some(user_id) => known_user::serve(attempt, &facts, user_id).await,
        None => new_user::create(attempt, &mut facts, email).await,
    };
    match result.map(|(run, outcome)| (Some(run), outcome)) {
        // Our own run: a commit whose answer was lost took place after we had asked. Or a call with the same
        // idempotency key was faster, or PHP has made the profile.
        Err(ProvisionError::Database(error)) if error.is_duplicate() => {
            attempt.set_commit_unknown(true);
            Err(ProvisionError::Raced)
        }
        result => result,
    }
}

async fn already_committed(attempt: &Attempt<'_>) -> Result<Option<Done>, ProvisionError> {
    let (site, call) = (attempt.site(), attempt.call);
    let found = site
        .pool
        .work(async |connection| runs::of_call(connection, &site.statements, &call.id).await);
    let found = found.await?;
    attempt.set_commit_unknown(false);
    Ok(found.map(|(run, user_id)| {
        let outcome = Outcome {
            webhook_id: run.webhook_id,
            user_id,
            created: run.created,
            executed_at: site.clock.now(),
            replayed: false,
        };
        (Some(run), outcome)
    }))
}

fn email_error(call: &WebhookCall) -> ProvisionError {
    match call.email {
        Err(ProvisionError::EmailTooLong) => ProvisionError::EmailTooLong,
        _ => ProvisionError::EmailRequired,
    }
}
