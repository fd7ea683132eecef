//! Webhook management. Mirrors the routes `/admin/webhooks` of FluentCommunity Pro 2.1.0: paths, parameters and
//! responses are the plugin's; key rotation is our addition.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Map, Value};

use super::super::Front;
use super::super::client::Client;
use super::super::query::query_first_scalar;
use super::draft::{Draft, Invalid, LARGEST, fields, whole};
use super::host::hosts;
use super::identity::Operator;
use super::pages::Paginator;
use super::reply::{self, Problem};
use super::shapes::{List, Rotate, Rotated, Said, Save, SaveForm, Saved, choices, created, listed};
use crate::config::LONGEST_OLD_KEY_HOURS;
use crate::fluentcommunity::webhooks::{ChangeError, Kind, WebhookSettings};
use crate::operations::webhooks::Webhooks;

/// Path of the plugin's list; the other routes are below it.
pub(super) const PATH: &str = "/wp-json/fluent-community/v2/admin/webhooks";
const PER_PAGE: u64 = 15;
const MOST_PER_PAGE: u64 = 1000;

/// Lists webhooks, with their keys.
#[utoipa::path(get, path = PATH, tag = "webhooks", params(
    ("search" = Option<String>, Query, description = "Stands in the key or the serialised record"),
    ("page" = Option<u64>, Query, minimum = 1, description = "From 1; page=1 itself brings spaces and courses"),
    ("per_page" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "15 if not given"),
), responses((status = 200, body = List), (status = 422, description = "A parameter is out of range")))]
pub(super) async fn list(request: HttpRequest, front: web::Data<Front>) -> HttpResponse {
    let query = request.query_string();
    let parameter = |name| query_first_scalar(query, name);
    let number = |field, most| match parameter(field) {
        None => Ok(None),
        Some(text) => {
            let text = std::str::from_utf8(&text).unwrap_or_default();
            let number = text.trim().parse().ok();
            let number = number.filter(|number| (1..=most).contains(number));
            number.map(Some).ok_or_else(|| Invalid {
                field,
                rule: "between",
                message: format!("The {field} must be a whole number from 1 to {most}."),
            })
        }
    };
    let (page, per_page) = match (number("page", LARGEST), number("per_page", MOST_PER_PAGE)) {
        (Ok(page), Ok(per_page)) => (page, per_page.unwrap_or(PER_PAGE)),
        (Err(error), _) | (_, Err(error)) => return invalid(&error),
    };
    let search = parameter("search").unwrap_or_default();
    let search = String::from_utf8_lossy(&search).into_owned();
    let wants_choices = page == Some(1);
    let path = format!("{}{PATH}", own_address(&request, &front));
    let inside = front.clone();
    let work = async move {
        let list = webhooks(&inside).list(search, wants_choices).await?;
        let spaces = list.spaces.as_ref();
        Ok(List {
            courses: spaces
                .filter(|_| list.course_module)
                .map(|all| choices(all, Kind::Course)),
            spaces: spaces.map(|all| choices(all, Kind::Space)),
            webhooks: Paginator::of(
                list.webhooks.into_iter().map(listed).collect(),
                page.unwrap_or(1),
                per_page,
                path,
            ),
        })
    };
    match Box::pin(carry_out(&front, work)).await {
        Ok(list) => reply::ok(&list),
        Err(response) => response,
    }
}

/// This listener's address, as the client has it: the host that was asked for, never one that a forwarding header names.
fn own_address(request: &HttpRequest, front: &Front) -> String {
    let rules = Arc::clone(&front.rules.borrow());
    let client = Client::of(request, &rules.trusted_proxies, rules.forwarding_header);
    let scheme = if client.https { "https" } else { "http" };
    format!(
        "{scheme}://{}",
        hosts(request).next().unwrap_or("localhost")
    )
}

/// Creates a webhook, or changes the one with this id.
#[utoipa::path(post, path = PATH, tag = "webhooks", request_body(content(
    (Save = "application/json"), (SaveForm = "application/x-www-form-urlencoded"),
)), responses(
    (status = 200, body = Saved),
    (status = 400, body = Problem, description = "The body is no JSON object"),
    (status = 404, body = Problem, description = "No webhook has this id"),
    (status = 413, body = Problem, description = "The body is too large"),
    (status = 415, body = Problem, description = "Neither JSON nor a form"),
    (status = 422, description = "A field cannot be used: field, rule, message"),
    (status = 423, body = Problem, description = "The webhook's record is corrupt and was left as it is"),
))]
pub(super) async fn save(
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    front: web::Data<Front>,
) -> HttpResponse {
    let Ok(body) = body else {
        return too_large();
    };
    let media_type = request.content_type().to_ascii_lowercase();
    let is_json = media_type == "application/json";
    if !is_json && media_type != "application/x-www-form-urlencoded" {
        let message = "Send application/json or application/x-www-form-urlencoded";
        return reply::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_type",
            message,
        );
    }
    let Some(fields) = fields(&body, is_json) else {
        return not_an_object();
    };
    let draft = match Draft::read(&fields) {
        Ok(draft) => draft,
        Err(error) => return invalid(&error),
    };
    let id = draft.id;
    let inside = front.clone();
    let work = async move {
        let webhooks = webhooks(&inside);
        let webhook = if let Some(id) = id {
            let edit = |before, course_module| Some(draft.settings(before, course_module));
            serde_json::to_value(listed(webhooks.update(id, edit).await?))
        } else {
            let new = |course_module| draft.settings(WebhookSettings::default(), course_module);
            serde_json::to_value(created(listed(webhooks.create(new).await?)))
        };
        Ok(Saved {
            message: "Webhook has been saved successfully",
            webhook: webhook.unwrap_or_default(),
        })
    };
    match Box::pin(carry_out(&front, work)).await {
        Ok(saved) => {
            let what = if id.is_some() { "changed" } else { "created" };
            log(&request, what, saved.webhook["id"].as_u64());
            reply::ok(&saved)
        }
        Err(response) => response,
    }
}

/// Deletes a webhook.
#[utoipa::path(delete, path = format!("{PATH}/{{id}}"), tag = "webhooks",
    params(("id" = u64, Path, description = "The webhook's id")),
    responses((status = 200, body = Said), (status = 404, description = "No webhook has this id")))]
pub(super) async fn delete(
    request: HttpRequest,
    id: web::Path<String>,
    front: web::Data<Front>,
) -> HttpResponse {
    let Ok(id) = id.parse() else {
        return reply::unknown_webhook();
    };
    let inside = front.clone();
    let work = async move { webhooks(&inside).delete(id).await };
    match Box::pin(carry_out(&front, work)).await {
        Ok(()) => {
            log(&request, "deleted", Some(id));
            reply::ok(&Said {
                message: "Webhook has been deleted successfully",
            })
        }
        Err(response) => response,
    }
}

/// Gives a webhook a new key. The old one stays valid for a while, so that callers can change over.
#[utoipa::path(post, path = format!("{PATH}/{{id}}/rotate"), tag = "webhooks",
    params(("id" = u64, Path, description = "The webhook's id")),
    request_body(content = Option<Rotate>, content_type = "application/json"),
    responses(
        (status = 200, body = Rotated),
        (status = 400, body = Problem, description = "The body is no JSON object"),
        (status = 404, description = "No webhook has this id"),
        (status = 413, body = Problem, description = "The body is too large"),
        (status = 422, description = "A field cannot be used: field, rule, message"),
    ))]
pub(super) async fn rotate(
    request: HttpRequest,
    id: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
    front: web::Data<Front>,
) -> HttpResponse {
    let Ok(body) = body else {
        return too_large();
    };
    let Ok(id) = id.parse() else {
        return reply::unknown_webhook();
    };
    let grace = match grace(&body) {
        Some(Ok(None)) => front.rules.borrow().old_keys,
        Some(Ok(Some(grace))) => grace,
        Some(Err(error)) => return invalid(&error),
        None => return not_an_object(),
    };
    let inside = front.clone();
    let work = async move {
        let (webhook, until) = webhooks(&inside).rotate(id, grace).await?;
        Ok(Rotated {
            message: "Webhook has a new key",
            webhook: listed(webhook),
            old_key_valid_until: until.to_rfc3339_opts(SecondsFormat::Secs, true),
        })
    };
    match Box::pin(carry_out(&front, work)).await {
        Ok(rotated) => {
            log(&request, "given a new key", Some(id));
            reply::ok(&rotated)
        }
        Err(response) => response,
    }
}

/// Reads how long the old key stays valid, if the body sets it; `None` if the body is not JSON.
fn grace(body: &[u8]) -> Option<Result<Option<TimeDelta>, Invalid>> {
    let body = if body.is_empty() { b"{}" } else { body };
    let asked: Option<Map<String, Value>> = serde_json::from_slice(body).ok()?;
    let hours = asked.as_ref().and_then(|asked| asked.get("grace_hours"));
    let Some(hours) = hours.filter(|hours| !hours.is_null()) else {
        return Some(Ok(None));
    };
    let hours = whole(hours).filter(|hours| *hours <= LONGEST_OLD_KEY_HOURS.into());
    let grace = hours.and_then(|hours| TimeDelta::try_hours(hours.cast_signed()));
    Some(grace.map(Some).ok_or_else(|| Invalid {
        field: "grace_hours",
        rule: "between",
        message: format!(
            "The grace_hours must be a whole number from 0 to {LONGEST_OLD_KEY_HOURS}."
        ),
    }))
}

/// Runs a change on the main runtime to completion, even if the client disconnects; the process does not exit before
/// it is done.
async fn carry_out<T: Send + 'static>(
    front: &Front,
    work: impl Future<Output = Result<T, ChangeError>> + Send + 'static,
) -> Result<T, HttpResponse> {
    if front.draining.is_cancelled() || !front.site.readiness.is_ready() {
        return Err(reply::not_ready());
    }
    let done = front.on_main_runtime(front.tasks.track_future(work)).await;
    done.ok_or_else(reply::aborted)?
        .map_err(|error| reply::not_changed(&error))
}

fn webhooks(front: &Front) -> Webhooks<'_> {
    Webhooks {
        site: &front.site,
        portal: &front.portal,
    }
}

fn log(request: &HttpRequest, what: &str, id: Option<u64>) {
    let (id, operator) = (id.unwrap_or_default(), request.extensions().get().copied());
    let operator = operator.unwrap_or(Operator::Token);
    tracing::info!(webhook.id = id, %operator, "webhook {id} was {what} by {operator}");
}

/// 422 in the shape of FluentCommunity's validator.
pub(super) fn invalid(error: &Invalid) -> HttpResponse {
    let rule = BTreeMap::from([(error.rule, &error.message)]);
    let body = BTreeMap::from([(error.field, rule)]);
    reply::json(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

pub(super) fn not_an_object() -> HttpResponse {
    let message = "The body is not the JSON object or form that is expected here";
    reply::error(StatusCode::BAD_REQUEST, "rest_invalid_json", message)
}

pub(super) fn too_large() -> HttpResponse {
    let message = "The body is too large, or broke off";
    reply::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}
