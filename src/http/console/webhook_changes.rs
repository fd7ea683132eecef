//! Creates, edits, rotates and deletes webhooks.

use actix_web::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::super::Front;
use super::super::admin::{Draft, fields};
use super::answer::{Answer, Trouble};
use super::once::{Once, Thing};
use super::text::count;
use super::visit::Visit;
use super::webhook::{self, Conflict, Entries, Results};
use super::webhooks::mark;
use crate::fluentcommunity::webhooks::{ChangeError, WebhookSettings};
use crate::operations::webhooks::Webhooks;

/// What a form says about a webhook, or the page that says what is wrong with it.
fn draft(visit: &Visit) -> Result<Draft, Entries> {
    let body = serde_urlencoded::to_string(&visit.form).unwrap_or_default();
    let mut fields: Map<String, Value> = fields(body.as_bytes(), false).unwrap_or_default();
    fields.remove("id");
    Draft::read(&fields).map_err(|invalid| {
        let is_about_title = invalid.field == "title";
        let error = if is_about_title {
            "Give the webhook a title.".to_owned()
        } else {
            invalid.message
        };
        Entries::sent(&visit.form).refused(error, is_about_title)
    })
}

/// When a form made a webhook.
enum Made {
    Now,
    Before,
    /// Before, of other entries.
    OfOthers,
}

/// The webhook's page, with entries that were not saved.
async fn with_entries(
    visit: &Visit,
    id: u64,
    entries: Entries,
    status: StatusCode,
) -> Result<Answer, Trouble> {
    webhook::page(visit, id, Some(entries), Results::default(), status).await
}

pub(super) async fn create(visit: &Visit) -> Result<Answer, Trouble> {
    visit.change()?;
    let draft = match draft(visit) {
        Ok(draft) => draft,
        Err(entries) => {
            return webhook::blank_with(visit, &entries, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    };
    let inside = visit.front.clone();
    let mark = Entries::sent(&visit.form).mark();
    let making = visit
        .console
        .made
        .by(visit.given("once").and_then(Once::parse));
    let work = async move {
        // Held to the end even if the browser goes away: that of a double click does, and sends the form again.
        let mut made = making.lock_owned().await;
        if let Some(made) = &*made {
            let how = if made.mark == mark {
                Made::Before
            } else {
                Made::OfOthers
            };
            return Ok((made.id, how));
        }
        let new = |course_module| draft.settings(WebhookSettings::default(), course_module);
        let id = webhooks(&inside).create(new).await?.row.id;
        *made = Some(Thing { id, mark });
        Ok((id, Made::Now))
    };
    let (id, how) = match Box::pin(carry_out(visit, work)).await {
        Err(Trouble::Change(ChangeError::Unstorable(_))) => {
            let entries = Entries::sent(&visit.form).unstorable();
            return webhook::blank_with(visit, &entries, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        created => created?,
    };
    match how {
        Made::Now => visit.log(&format!("webhook {id} was created")),
        Made::Before => {}
        Made::OfOthers => {
            let entries = Entries::sent(&visit.form).late(Conflict::Made);
            return with_entries(visit, id, entries, StatusCode::CONFLICT).await;
        }
    }
    let text = "The webhook is there. Show its address and copy it into your shop, form or CRM.";
    Ok(Answer::done(format!("webhooks/{id}"), text.to_owned()))
}

pub(super) async fn save(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let again = |entries, status| with_entries(visit, id, entries, status);
    let draft = match draft(visit) {
        Ok(draft) => draft,
        Err(entries) => return again(entries, StatusCode::UNPROCESSABLE_ENTITY).await,
    };
    let seen = visit.given("seen").unwrap_or_default().to_owned();
    let inside = visit.front.clone();
    let work = async move {
        let edit = |before: WebhookSettings, course_module| {
            let is_seen = of_settings(&before) == seen;
            is_seen.then(|| draft.settings(before, course_module))
        };
        webhooks(&inside).update(id, edit).await
    };
    match Box::pin(carry_out(visit, work)).await {
        Err(Trouble::Change(ChangeError::Outdated)) => {
            let entries = Entries::sent(&visit.form).late(Conflict::Changed);
            again(entries, StatusCode::CONFLICT).await
        }
        Err(Trouble::Change(ChangeError::Unstorable(_))) => {
            let entries = Entries::sent(&visit.form).unstorable();
            again(entries, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        saved => {
            saved?;
            visit.log(&format!("webhook {id} was changed"));
            Ok(Answer::done(
                format!("webhooks/{id}"),
                "Saved. The next call does this.".to_owned(),
            ))
        }
    }
}

fn of_settings(settings: &WebhookSettings) -> String {
    let lists = [
        &settings.space_ids,
        &settings.course_ids,
        &settings.remove_space_ids,
        &settings.remove_course_ids,
    ];
    mark(&settings.title, &lists, settings.welcome_email)
}

pub(super) async fn delete(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let inside = visit.front.clone();
    let work = async move { webhooks(&inside).delete(id).await };
    Box::pin(carry_out(visit, work)).await?;
    visit.log(&format!("webhook {id} was deleted"));
    Ok(Answer::done(
        "webhooks",
        format!("Webhook {id} is deleted. Calls to its address get 404."),
    ))
}

pub(super) async fn rotate(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let grace = match visit.given("at_once") {
        Some(_) => TimeDelta::zero(),
        None => visit.front.rules.borrow().old_keys,
    };
    let inside = visit.front.clone();
    let work = async move { webhooks(&inside).rotate(id, grace).await };
    Box::pin(carry_out(visit, work)).await?;
    visit.log(&format!("webhook {id} was given a new key"));
    let hours = u64::try_from(grace.num_hours()).unwrap_or_default();
    let old = if hours == 0 {
        "No earlier one works any more.".to_owned()
    } else {
        let hours = count(hours, "hour", "hours");
        format!("The old one works for {hours} more, through Sidecar only.")
    };
    let text = format!("The webhook has a new address. {old} Give the sender the new one.");
    Ok(Answer::done(format!("webhooks/{id}"), text))
}

/// Carries a change out to the end, even if the browser goes away; the process does not exit before it is done.
async fn carry_out<T: Send + 'static>(
    visit: &Visit,
    work: impl Future<Output = Result<T, ChangeError>> + Send + 'static,
) -> Result<T, Trouble> {
    let front = &visit.front;
    let done = front.on_main_runtime(front.tasks.track_future(work)).await;
    Ok(done.ok_or(Trouble::Aborted)??)
}

fn webhooks(front: &Front) -> Webhooks<'_> {
    Webhooks {
        site: &front.site,
        portal: &front.portal,
    }
}
