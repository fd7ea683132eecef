//! Calls that changed nothing, and how to mend the sender.

use std::sync::Arc;

use minijinja::{Value, context};

use super::super::trial::answer;
use super::answer::{Answer, Trouble};
use super::text::number;
use super::visit::Visit;
use crate::operations::record::{Part, Record};
use crate::operations::refused::{LoggedRefusal, RefusedCalls, RefusedPage};
use crate::operations::retry::{Retries, RetryError};
use crate::telemetry;

/// Calls on a page.
const PAGE: u32 = 50;

pub(super) async fn list(visit: &Visit) -> Result<Answer, Trouble> {
    visit.database()?;
    let webhook = visit.asked("webhook");
    let part = Part {
        webhook: webhook.map(str::to_owned),
        before: visit.before(),
        limit: PAGE,
    };
    let (page, unknown) = match visit.page::<RefusedCalls>(part).await? {
        Ok(page) => (page, None),
        Err(error) => {
            let nothing = RefusedPage {
                refused: Vec::new(),
                next_before: None,
            };
            (nothing, Some(error.to_string()))
        }
    };
    let older = page.next_before.map(|before| {
        let before = before.to_string();
        let webhook = webhook.map(|webhook| ("webhook", webhook));
        let all: Vec<(&str, &str)> = webhook
            .into_iter()
            .chain([("before", before.as_str())])
            .collect();
        serde_urlencoded::to_string(all).unwrap_or_default()
    });
    let days = visit.console.config.borrow().refused.retention_days;
    let values = context! {
        calls => page
            .refused
            .into_iter()
            .map(|call| row(call, visit))
            .collect::<Vec<_>>(),
        older,
        unknown,
        webhook,
        is_newest => visit.before().is_none(),
        days,
    };
    Ok(Answer::page("refused.html", "Refused", values))
}

pub(super) async fn show(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.database()?;
    let reading = visit.read(move |connection, site| {
        Box::pin(RefusedCalls::show(connection, &site.statements, id))
    });
    let Some(call) = reading.await? else {
        let why = "Refused calls are kept for some time, which refused.retention_days says.";
        return Err(Trouble::NotFound(
            format!("There is no refused call {id}"),
            why,
        ));
    };
    let times = visit.times();
    let values = context! { at => times.full(call.refused_at), call => row(call, visit) };
    Ok(Answer::page(
        "refusal.html",
        format!("Refused call {id}"),
        values,
    ))
}

/// Carries the call out from its fields, if these are kept. However often it is retried, it is executed once.
pub(super) async fn retry(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let rules = Arc::clone(&visit.front.rules.borrow());
    let again = Retries {
        calls: Arc::clone(&visit.front.calls),
        keeping: visit.front.refused.keeping(),
        remembered: rules.remembered,
        protections: Arc::clone(&rules.protections),
        sources: rules.heeded(),
    };
    let front = &visit.front;
    let work = async move { again.retry(id, answer).await };
    let done = front.on_main_runtime(front.tasks.track_future(work)).await;
    let page = format!("refused/{id}");
    let retried = match done.ok_or(Trouble::Aborted)? {
        Ok(retried) => retried,
        Err(RetryError::Database(error)) => return Err(error.into()),
        Err(error) => {
            if let RetryError::Unavailable(..) = &error {
                let reason = telemetry::chain(&error);
                tracing::warn!("a refused call could not be retried now: {reason}");
            }
            return Ok(Answer::not_done(
                page,
                format!("Nothing was done: {error}."),
            ));
        }
    };
    visit.log(&format!(
        "refused call {id} was retried ({})",
        retried.outcome
    ));
    Ok(match (&retried.run_id, retried.is_executed()) {
        _ if retried.was_executed_before() => {
            let text = "It had been executed before, so nothing was done.";
            Answer::not_done(page, text.to_owned())
        }
        (Some(run), true) => {
            let password = if retried.password_generated {
                " The new member has a generated password, because the call’s own was not kept."
            } else {
                ""
            };
            let text = format!("Call {id} is carried out: this is its run.{password}");
            Answer::done(format!("runs/{run}"), text)
        }
        (None, true) => Answer::done(page, format!("Call {id} is carried out.")),
        (_, false) => {
            let (status, message) = (retried.status, &retried.message);
            Answer::not_done(page, format!("It was refused again: {status}, {message}"))
        }
    })
}

fn row(mut call: LoggedRefusal, visit: &Visit) -> Value {
    call.judge(
        visit
            .front
            .refused
            .keeping()
            .map(|keeping| keeping.key.id()),
    );
    let times = visit.times();
    let title = call
        .webhook_title
        .clone()
        .filter(|title| !title.trim().is_empty());
    context! {
        id => call.id,
        at => times.of(call.refused_at),
        status => call.status,
        outcome => &call.outcome,
        reason => reason(&call.outcome),
        remedy => remedy(&call),
        can_be_retried => call.retriable && !call.retried,
        is_retried => call.retried,
        run_id => call.run_id,
        message => call.message.as_deref(),
        is_summary => call.is_summary(),
        calls => number(call.calls.into()),
        webhook_id => call.webhook_id,
        webhook => title.or_else(|| call.webhook_id.map(|id| format!("webhook {id}"))),
        fields => call.fields.clone(),
        more_fields => call.more_fields.filter(|more| *more > 0),
        content_type => call.content_type.as_deref(),
        content_length => call.content_length.map(number),
        from => call.client_address.as_deref(),
        request => call.request_id.as_deref(),
    }
}

/// The outcome in words.
fn reason(outcome: &str) -> String {
    let words = match outcome {
        "address_not_allowed" => "It came from an address that is not allowed",
        "busy" => "Other calls for the same member took too long",
        "commit_unknown" => "The connection was lost during the commit",
        "database_error" | "failed" => "It failed",
        "database_unavailable" => "The database was away",
        "idempotency_conflict" => "Its Idempotency-Key or webhook-id was used for another call",
        "invalid_email" => "It had no usable e-mail address",
        "invalid_request" => "It was not form data",
        "lock_conflict" | "raced" => "It lost against other transactions, too often",
        "needs_operator" => "The database refused it until somebody mends it",
        "no_free_name" => "Every name that was tried is taken",
        "ignored" => "Its webhook’s source says that there is nothing to do",
        "not_kept" => "Refused, too many to be recorded one by one",
        "not_ready" => "The sidecar was not ready",
        "not_signed" => "Its signature was missing, wrong or too old",
        "overloaded" => "There were more calls than there is room for",
        "rate_limited" => "There were too many calls in too short a time",
        "shutting_down" => "The sidecar was shutting down",
        "too_large" => "It was too large",
        "unreadable_webhook" => "The webhook’s record is not readable",
        "unstorable" => "A column cannot hold one of its values",
        other => return format!("Refused: {other}"),
    };
    words.to_owned()
}

/// What to do about the sender.
fn remedy(call: &LoggedRefusal) -> Option<String> {
    let named = call.fields.iter().flatten();
    let resembling: Vec<&str> = named
        .map(String::as_str)
        .filter(|name| *name != "email" && name.to_lowercase().contains("mail"))
        .collect();
    let text = match (call.outcome.as_str(), call.email.as_deref()) {
        ("invalid_email", Some("missing")) if !resembling.is_empty() => format!(
            "There was no field “email”; the sender seems to call it “{}”. Rename that field in the form.",
            resembling.join("” or “")
        ),
        ("invalid_email", Some("missing")) => {
            "There was no field “email”. Add one to the form.".to_owned()
        }
        ("invalid_email", Some("list")) => "“email” came as a list. Send one text.".to_owned(),
        ("invalid_email", Some("empty")) => "“email” came empty.".to_owned(),
        ("invalid_email", Some(_)) => {
            "“email” came, but it is no address that WordPress accepts.".to_owned()
        }
        ("invalid_request", _) => {
            "Send a form: application/x-www-form-urlencoded or multipart/form-data.".to_owned()
        }
        ("not_signed", _) => {
            "Sign it with the secret in the webhook’s [protection], and see that the sender’s clock is right.".to_owned()
        }
        ("address_not_allowed", _) => {
            "Add the sender’s address to allowed_networks in the webhook’s [protection].".to_owned()
        }
        ("unreadable_webhook", _) => "Delete the webhook and make a new one.".to_owned(),
        ("rate_limited" | "overloaded", _) => {
            "The sender was told to come again later. If it does not, raise the limits in [limits].".to_owned()
        }
        ("idempotency_conflict", _) => "Send another key for another call.".to_owned(),
        _ => return None,
    };
    Some(text)
}
