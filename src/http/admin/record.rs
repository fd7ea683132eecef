//! What the pages about executed and about refused calls have in common.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::draft::LARGEST;
use super::reply;
use crate::http::Front;
use crate::operations::record::{LONGEST_PAGE, Part, Record, RecordError};

/// Entries on a page if it is not said.
const USUAL_PAGE: u32 = 50;

/// Why there is no such page.
pub(super) struct BadParameter(String);

impl BadParameter {
    /// 400.
    pub(super) fn response(&self) -> HttpResponse {
        reply::error(StatusCode::BAD_REQUEST, "bad_parameter", &self.0)
    }
}

/// The parameters of a page.
///
/// # Errors
/// They cannot be read.
pub(super) fn parameters<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, BadParameter> {
    let parameters = web::Query::<T>::from_query(request.query_string());
    let parameters = parameters.map_err(|error| BadParameter(error.to_string()));
    Ok(parameters?.into_inner())
}

/// Which entries are asked for; an empty webhook is none.
///
/// # Errors
/// There cannot be such a page.
pub(super) fn part(
    webhook: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
) -> Result<Part, BadParameter> {
    let is_bad = limit.is_some_and(|limit| !(1..=LONGEST_PAGE).contains(&limit))
        || before.is_some_and(|before| before > LARGEST);
    if is_bad {
        let message =
            format!("limit must be a whole number from 1 to {LONGEST_PAGE}, and before an id");
        return Err(BadParameter(message));
    }
    Ok(Part {
        webhook: given(webhook),
        before,
        limit: limit.unwrap_or(USUAL_PAGE),
    })
}

/// A parameter that is not empty.
pub(super) fn given(parameter: Option<String>) -> Option<String> {
    parameter.filter(|text| !text.is_empty())
}

/// The response with a page, or why there is none.
pub(super) async fn list<R: Record>(
    front: &Front,
    query: Result<R::Query, BadParameter>,
) -> HttpResponse
where
    R::Query: Send + Sync + 'static,
    R::Page: Serialize + Send + 'static,
{
    let page = page::<R>(front, query).await;
    page.map_or_else(|refused| refused, |page| reply::ok(&page))
}

/// A page, or the response that says why there is none.
pub(super) async fn page<R: Record>(
    front: &Front,
    query: Result<R::Query, BadParameter>,
) -> Result<R::Page, HttpResponse>
where
    R::Query: Send + Sync + 'static,
    R::Page: Send + 'static,
{
    let query = match query {
        Ok(query) => query,
        Err(error) => return Err(error.response()),
    };
    let site = Arc::clone(&front.site);
    let page = front.on_main_runtime(async move {
        let statements = &site.statements;
        // An invalid query is not a failure of the database work, so it is passed through as a result.
        site.pool
            .work(
                async |connection| match R::list(connection, statements, &query).await {
                    Err(RecordError::Database(error)) => Err(error),
                    answer => Ok(answer),
                },
            )
            .await
            .unwrap_or_else(|error| Err(error.into()))
    });
    let error = match page.await {
        None => return Err(reply::aborted()),
        Some(Ok(page)) => return Ok(page),
        Some(Err(error)) => error,
    };
    Err(match error {
        RecordError::Database(error) => reply::database(&error),
        error @ RecordError::SeveralWebhooks(_) => {
            reply::error(StatusCode::CONFLICT, "ambiguous", &error.to_string())
        }
        error => reply::error(StatusCode::NOT_FOUND, "not_found", &error.to_string()),
    })
}

/// The response with one entry; `unknown` is the message if there is none.
pub(super) async fn show<R: Record>(front: &Front, id: &str, unknown: &str) -> HttpResponse
where
    R::Entry: Serialize + Send + 'static,
{
    let entry = entry::<R>(front, id, unknown).await;
    entry.map_or_else(|refused| refused, |entry| reply::ok(&entry))
}

/// One entry, or the response that says why there is none.
pub(super) async fn entry<R: Record>(
    front: &Front,
    id: &str,
    unknown: &str,
) -> Result<R::Entry, HttpResponse>
where
    R::Entry: Send + 'static,
{
    let unknown = || reply::error(StatusCode::NOT_FOUND, "not_found", unknown);
    let Ok(id) = id.parse() else {
        return Err(unknown());
    };
    let site = Arc::clone(&front.site);
    let entry = front.on_main_runtime(async move {
        let statements = &site.statements;
        site.pool
            .work(async |connection| R::show(connection, statements, id).await)
            .await
    });
    match entry.await {
        None => Err(reply::aborted()),
        Some(Ok(Some(entry))) => Ok(entry),
        Some(Ok(None)) => Err(unknown()),
        Some(Err(error)) => Err(reply::database(&error)),
    }
}
