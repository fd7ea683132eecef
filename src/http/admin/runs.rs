//! Serves the run log: `GET /runs` and `GET /runs/{id}`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::draft::LARGEST;
use super::reply::{self, Problem};
use crate::http::Front;
use crate::operations::runs::{self, LONGEST_PAGE, LoggedRun, RunLogError, RunPage, RunQuery};

pub(super) const USUAL_PAGE: u32 = 50;

/// Path of the run log.
pub(super) const PATH: &str = "/runs";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    user: Option<String>,
    webhook: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

/// Executed calls, newest first.
#[utoipa::path(get, path = PATH, tag = "runs",
    params(
        ("user" = Option<String>, Query, description = "A user's id, login or e-mail address"),
        ("webhook" = Option<String>, Query, description = "A webhook's id or title"),
        ("before" = Option<u64>, Query, minimum = 0, description = "Only runs with smaller ids: next_before of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
            description = "At most so many, 50 if it is not said")),
    responses(
        (status = 200, body = RunPage),
        (status = 400, body = Problem, description = "A parameter cannot be read"),
        (status = 404, body = Problem, description = "There is no such user or webhook"),
        (status = 409, body = Problem, description = "Several webhooks have this title")))]
pub(super) async fn list(request: HttpRequest, front: web::Data<Front>) -> HttpResponse {
    let parameters = match web::Query::<Parameters>::from_query(request.query_string()) {
        Ok(parameters) => parameters.into_inner(),
        Err(error) => {
            return reply::error(StatusCode::BAD_REQUEST, "bad_parameter", &error.to_string());
        }
    };
    if let Some(response) = bad_page(parameters.limit, parameters.before) {
        return response;
    }
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let query = RunQuery {
        user: given(parameters.user),
        webhook: given(parameters.webhook),
        before: parameters.before,
        limit: parameters.limit.unwrap_or(USUAL_PAGE),
    };
    let site = Arc::clone(&front.site);
    let page = front.on_main_runtime(async move {
        let statements = &site.statements;
        // An invalid query is not a failure of the database work, so it is passed through as a result.
        site.pool
            .work(
                async |connection| match runs::list(connection, statements, &query).await {
                    Err(RunLogError::Database(error)) => Err(error),
                    answer => Ok(answer),
                },
            )
            .await
            .unwrap_or_else(|error| Err(error.into()))
    });
    match page.await {
        Some(page) => answer(page),
        None => reply::aborted(),
    }
}

/// The response to a page that there cannot be.
pub(super) fn bad_page(limit: Option<u32>, before: Option<u64>) -> Option<HttpResponse> {
    let is_bad = limit.is_some_and(|limit| !(1..=LONGEST_PAGE).contains(&limit))
        || before.is_some_and(|before| before > LARGEST);
    let message =
        || format!("limit must be a whole number from 1 to {LONGEST_PAGE}, and before an id");
    is_bad.then(|| reply::error(StatusCode::BAD_REQUEST, "bad_parameter", &message()))
}

/// The response with a page, or why there is none.
pub(super) fn answer(page: Result<impl Serialize, RunLogError>) -> HttpResponse {
    match page {
        Ok(page) => reply::ok(&page),
        Err(RunLogError::Database(error)) => reply::database(&error),
        Err(error @ RunLogError::SeveralWebhooks(_)) => {
            reply::error(StatusCode::CONFLICT, "ambiguous", &error.to_string())
        }
        Err(error) => reply::error(StatusCode::NOT_FOUND, "not_found", &error.to_string()),
    }
}

/// One of them.
#[utoipa::path(get, path = format!("{PATH}/{{id}}"), tag = "runs",
    params(("id" = u64, Path, description = "The run's id")),
    responses((status = 200, body = LoggedRun), (status = 404, body = Problem, description = "No run has this id")))]
pub(super) async fn show(id: web::Path<String>, front: web::Data<Front>) -> HttpResponse {
    let Ok(id) = id.parse() else {
        return unknown();
    };
    let site = Arc::clone(&front.site);
    let run = front.on_main_runtime(async move {
        let statements = &site.statements;
        site.pool
            .work(async |connection| runs::show(connection, statements, id).await)
            .await
    });
    match run.await {
        None => reply::aborted(),
        Some(Ok(Some(run))) => reply::ok(&run),
        Some(Ok(None)) => unknown(),
        Some(Err(error)) => reply::database(&error),
    }
}

fn unknown() -> HttpResponse {
    let message = "no such run; runs are kept for runs.retention_days";
    reply::error(StatusCode::NOT_FOUND, "not_found", message)
}
