//! Serves the record of refused calls: `GET /refused` and `GET /refused/{id}`. Carries refused calls out whose fields were kept: `POST
//! /refused/{id}/retry`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::identity::Operator;
use super::record;
use super::reply::{self, Problem};
use crate::http::Front;
use crate::http::trial::answer;
use crate::operations::refused::{LoggedRefusal, RefusedCalls, RefusedPage};
use crate::operations::retry::{Retried, Retries, RetryError};
use crate::operations::trial::Trial;
use crate::provision::KeyId;
use crate::telemetry;

/// Path of the record.
pub(super) const PATH: &str = "/refused";
const UNKNOWN: &str = "no such refused call; they are kept for refused.retention_days";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    webhook: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

/// Refused calls with a valid key, newest first: why, and the names of the fields that came.
#[utoipa::path(get, path = PATH, tag = "refused",
    params(
        ("webhook" = Option<String>, Query, description = "A webhook's id or title"),
        ("before" = Option<u64>, Query, minimum = 0, description = "Only calls with smaller ids: next_before of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
            description = "At most so many, 50 if it is not said")),
    responses(
        (status = 200, body = RefusedPage),
        (status = 400, body = Problem, description = "A parameter cannot be read"),
        (status = 404, body = Problem, description = "There is no such webhook"),
        (status = 409, body = Problem, description = "Several webhooks have this title")))]
pub(super) async fn list(request: HttpRequest, front: web::Data<Front>) -> HttpResponse {
    let query = record::parameters(&request);
    let query = query.and_then(
        |Parameters {
             webhook,
             before,
             limit,
         }| record::part(webhook, before, limit),
    );
    match record::page::<RefusedCalls>(&front, query).await {
        Ok(mut page) => {
            let key = key(&front);
            page.refused.iter_mut().for_each(|one| one.judge(key));
            reply::ok(&page)
        }
        Err(response) => response,
    }
}

/// One of them.
#[utoipa::path(get, path = format!("{PATH}/{{id}}"), tag = "refused",
    params(("id" = u64, Path, description = "The refused call's id")),
    responses((status = 200, body = LoggedRefusal), (status = 404, body = Problem, description = "No refused call has this id")))]
pub(super) async fn show(id: web::Path<String>, front: web::Data<Front>) -> HttpResponse {
    match record::entry::<RefusedCalls>(&front, &id, UNKNOWN).await {
        Ok(mut refusal) => {
            refusal.judge(key(&front));
            reply::ok(&refusal)
        }
        Err(response) => response,
    }
}

/// The key with which fields can be read now.
fn key(front: &Front) -> Option<KeyId> {
    front.refused.keeping().map(|keeping| keeping.key.id())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryParameters {
    #[serde(default)]
    dry_run: bool,
}

/// What came of a retry, or what would come of it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RetryAnswer {
    /// The call was carried out.
    Retried(Retried),
    /// It would be, with `dry_run=true`.
    Trial(Box<Trial>),
}

/// Carries a refused call out whose fields were kept. However often it is retried, it is executed once.
#[utoipa::path(post, path = format!("{PATH}/{{id}}/retry"), tag = "refused",
    params(
        ("id" = u64, Path, description = "The refused call's id"),
        ("dry_run" = Option<bool>, Query, description = "Only tells what the call would do, as try does")),
    responses(
        (status = 200, body = RetryAnswer, description = "Also if the call is refused again: status, message and outcome say so"),
        (status = 400, body = Problem, description = "A parameter cannot be read"),
        (status = 404, body = Problem, description = "No refused call has this id"),
        (status = 409, body = Problem, description = "It cannot be retried; the message says why")))]
pub(super) async fn retry(
    request: HttpRequest,
    id: web::Path<String>,
    front: web::Data<Front>,
) -> HttpResponse {
    let RetryParameters { dry_run } = match record::parameters(&request) {
        Ok(parameters) => parameters,
        Err(error) => return error.response(),
    };
    let Ok(id) = id.parse() else {
        return reply::error(StatusCode::NOT_FOUND, "not_found", UNKNOWN);
    };
    if front.draining.is_cancelled() || !front.site.readiness.is_ready() {
        return reply::not_ready();
    }
    let rules = Arc::clone(&front.rules.borrow());
    let retries = Retries {
        calls: Arc::clone(&front.calls),
        keeping: front.refused.keeping(),
        remembered: rules.remembered,
        protections: Arc::clone(&rules.protections),
        sources: rules.heeded(),
    };
    let mail = Arc::clone(&front.mail_text.borrow());
    let work = async move {
        if dry_run {
            let trial = retries.rehearse(id, answer, &mail).await?;
            return Ok(RetryAnswer::Trial(Box::new(trial)));
        }
        Ok(RetryAnswer::Retried(retries.retry(id, answer).await?))
    };
    let done = front.on_main_runtime(front.tasks.track_future(work)).await;
    match done {
        None => reply::aborted(),
        Some(Ok(done)) => {
            if let RetryAnswer::Retried(retried) = &done {
                let operator = request.extensions().get().copied();
                log(retried, operator.unwrap_or(Operator::Token));
            }
            reply::ok(&done)
        }
        Some(Err(error)) => refusal(&error),
    }
}

fn log(retried: &Retried, operator: Operator) {
    let (id, outcome) = (retried.id, retried.outcome);
    tracing::info!(
        status = retried.status,
        outcome,
        "refused call {id} was retried by {operator}: {outcome}"
    );
}

fn refusal(error: &RetryError) -> HttpResponse {
    let message = error.to_string();
    match error {
        RetryError::NoSuchCall(_) => reply::error(StatusCode::NOT_FOUND, "not_found", &message),
        RetryError::Database(error) => reply::database(error),
        RetryError::Unavailable(..) => {
            let reason = telemetry::chain(error);
            tracing::warn!("a refused call could not be retried now: {reason}");
            reply::error(StatusCode::SERVICE_UNAVAILABLE, "not_now", &message)
        }
        _ => reply::error(StatusCode::CONFLICT, "not_retriable", &message),
    }
}
