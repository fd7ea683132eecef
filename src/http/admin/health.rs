//! Liveness and readiness checks for operators and their load balancers.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::reply;
use crate::db::{self, DatabaseError};
use crate::http::Front;
use crate::site::Site;
use crate::telemetry;

/// How the daemon is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The process is up.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Health)))]
pub(super) async fn healthz() -> HttpResponse {
    health(StatusCode::OK, "ok", None)
}

/// The database answers and lets us write, our tables are there, and we are not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn readyz(front: web::Data<Front>) -> HttpResponse {
    match not_ready(&front).await {
        None => health(StatusCode::OK, "ready", None),
        Some(reason) => health(StatusCode::SERVICE_UNAVAILABLE, "not ready", Some(reason)),
    }
}

/// 404 for any unknown path.
pub(in crate::http) async fn not_found() -> HttpResponse {
    let message = "Nothing is here; /openapi.json says what there is";
    reply::error(StatusCode::NOT_FOUND, "rest_no_route", message)
}

/// 405, with the allowed methods.
pub(super) fn wrong_method(allowed: &str) -> HttpResponse {
    let mut response = health(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", None);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

async fn not_ready(front: &Front) -> Option<String> {
    if front.draining.is_cancelled() {
        return Some("shutting down".to_owned());
    }
    if let Some(reason) = front.site.pool.absence() {
        return Some(format!("the database does not answer: {reason}"));
    }
    let site = front.site.clone();
    let asked = front.on_main_runtime(async move { obstacle(&site).await });
    match asked.await {
        None => Some("asking the database broke off".to_owned()),
        Some(Ok(obstacle)) => obstacle,
        Some(Err(error)) => Some(telemetry::chain(&error)),
    }
}

/// The reason why a database that answers cannot be written to, if any.
async fn obstacle(site: &Site) -> Result<Option<String>, DatabaseError> {
    let asked = site.pool.work(async |connection| {
        let obstacle = db::obstacle(connection, &site.tables).await?;
        let missing = db::missing_migrations(connection, &site.tables).await?;
        Ok::<_, DatabaseError>((obstacle, missing))
    });
    Ok(match asked.await? {
        (Some(obstacle), _) => Some(obstacle.to_string()),
        (None, Some(0)) => {
            let is_ready = site.readiness.is_ready();
            (!is_ready).then(|| "about to take calls".to_owned())
        }
        (None, missing) => {
            let missing = missing.map_or_else(|| "all".to_owned(), |count| count.to_string());
            Some(format!(
                "{missing} migrations are missing: run \"fcom-sidecar migrate\""
            ))
        }
    })
}

fn health(status: StatusCode, text: &'static str, reason: Option<String>) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Health {
            status: text,
            reason,
        })
}
