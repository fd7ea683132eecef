//! Serves the record of refused calls: `GET /refused` and `GET /refused/{id}`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::reply::{self, Problem};
use super::runs::{USUAL_PAGE, answer, bad_page};
use crate::http::Front;
use crate::operations::refused::{self, LoggedRefusal, RefusedPage, RefusedQuery};
use crate::operations::runs::RunLogError;

/// Path of the record.
pub(super) const PATH: &str = "/refused";

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
    let parameters = match web::Query::<Parameters>::from_query(request.query_string()) {
        Ok(parameters) => parameters.into_inner(),
        Err(error) => {
            return reply::error(StatusCode::BAD_REQUEST, "bad_parameter", &error.to_string());
        }
    };
    if let Some(response) = bad_page(parameters.limit, parameters.before) {
        return response;
    }
    let query = RefusedQuery {
        webhook: parameters.webhook.filter(|text| !text.is_empty()),
        before: parameters.before,
        limit: parameters.limit.unwrap_or(USUAL_PAGE),
    };
    let site = Arc::clone(&front.site);
    let page = front.on_main_runtime(async move {
        let statements = &site.statements;
        // An invalid query is not a failure of the database work, so it is passed through as a result.
        site.pool
            .work(
                async |connection| match refused::list(connection, statements, &query).await {
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

/// One of them.
#[utoipa::path(get, path = format!("{PATH}/{{id}}"), tag = "refused",
    params(("id" = u64, Path, description = "The refused call's id")),
    responses((status = 200, body = LoggedRefusal), (status = 404, body = Problem, description = "No refused call has this id")))]
pub(super) async fn show(id: web::Path<String>, front: web::Data<Front>) -> HttpResponse {
    let Ok(id) = id.parse() else {
        return unknown();
    };
    let site = Arc::clone(&front.site);
    let refusal = front.on_main_runtime(async move {
        let statements = &site.statements;
        site.pool
            .work(async |connection| refused::show(connection, statements, id).await)
            .await
    });
    match refusal.await {
        None => reply::aborted(),
        Some(Ok(Some(refusal))) => reply::ok(&refusal),
        Some(Ok(None)) => unknown(),
        Some(Err(error)) => reply::database(&error),
    }
}

fn unknown() -> HttpResponse {
    let message = "no such refused call; they are kept for refused.retention_days";
    reply::error(StatusCode::NOT_FOUND, "not_found", message)
}
