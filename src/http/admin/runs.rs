//! `GET /runs` and `GET /runs/{id}`: the run log.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::http::server::Front;
use crate::provision::{self, RunLogError, RunQuery};
use crate::telemetry;

const USUAL_PAGE: u32 = 50;

/// The log's routes. They tell who joined and from where, so they are for operators with a credential: the scope is the
/// one place that guards them.
pub(in crate::http) fn routes(config: &mut web::ServiceConfig) {
    let scope = web::scope("/runs")
        .route("", web::get().to(list))
        .route("/{id}", web::get().to(show));
    config.service(scope);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    user: Option<String>,
    webhook: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Refusal<'a> {
    status: &'a str,
    message: &'a str,
}

async fn list(request: HttpRequest, front: web::Data<Front>) -> HttpResponse {
    let parameters = match web::Query::<Parameters>::from_query(request.query_string()) {
        Ok(parameters) => parameters.into_inner(),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let query = RunQuery {
        user: given(parameters.user),
        webhook: given(parameters.webhook),
        before: parameters.before,
        limit: parameters.limit.unwrap_or(USUAL_PAGE),
    };
    let site = Arc::clone(&front.site);
    let page = ask(&front, async move {
        let statements = &site.statements;
        // A question that nobody can answer is no failed work, so it is not an error of the work.
        site.pool
            .work(async |connection| {
                match provision::list_runs(connection, statements, &query).await {
                    Err(RunLogError::Database(error)) => Err(error),
                    answer => Ok(answer),
                }
            })
            .await
            .unwrap_or_else(|error| Err(error.into()))
    });
    match page.await {
        Ok(page) => answer(&page),
        Err(RunLogError::Database(error)) => unavailable(&telemetry::chain(&error)),
        Err(error @ RunLogError::SeveralWebhooks(_)) => {
            refuse(StatusCode::CONFLICT, &error.to_string())
        }
        Err(error) => refuse(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

async fn show(id: web::Path<String>, front: web::Data<Front>) -> HttpResponse {
    let Ok(id) = id.parse() else {
        return refuse(StatusCode::NOT_FOUND, "a run is named by its number");
    };
    let site = Arc::clone(&front.site);
    let run = ask(&front, async move {
        let statements = &site.statements;
        site.pool
            .work(async |connection| provision::show_run(connection, statements, id).await)
            .await
    });
    match run.await {
        Ok(Some(run)) => answer(&run),
        Ok(None) => refuse(
            StatusCode::NOT_FOUND,
            "no such run; runs are kept for runs.retention_days",
        ),
        Err(error) => unavailable(&telemetry::chain(&error)),
    }
}

/// Asks the database on the main runtime: a connection belongs to the runtime that opened it.
async fn ask<T: Send + 'static>(
    front: &Front,
    question: impl Future<Output = T> + Send + 'static,
) -> T {
    let asked = front.site.runtime.spawn(question.in_current_span());
    asked.await.expect("the question does not panic")
}

fn answer(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}

fn refuse(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Refusal {
            status: "error",
            message,
        })
}

fn unavailable(reason: &str) -> HttpResponse {
    tracing::warn!("run log not read: {reason}");
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "the database cannot be asked now; /readyz tells why",
    )
}
