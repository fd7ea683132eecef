//! Liveness and readiness checks for operators and their load balancers.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::reply;
use crate::http::Front;
use crate::site::Reason;

/// How the daemon is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the operator has to do, unless the state passes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// What is wrong with this machine's clock (`/readyz` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<String>,
    /// Tells this daemon's site from others (`/readyz` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
}

/// The process is up.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Health)))]
pub(super) async fn healthz() -> HttpResponse {
    health(StatusCode::OK, "ok", None, About::default())
}

/// Calls can be carried out. Answered from memory: see the examination of the database in `ARCHITECTURE.md`.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn readyz(front: web::Data<Front>) -> HttpResponse {
    let site = About {
        clock: front.site.skew.complaint(),
        site: front.site.fingerprint.clone(),
    };
    match not_ready(&front) {
        None => health(StatusCode::OK, "ready", None, site),
        Some(reason) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            health(status, "not ready", Some(reason), site)
        }
    }
}

/// 404 for any unknown path.
pub(in crate::http) async fn not_found() -> HttpResponse {
    let message = "Nothing is here; /openapi.json says what there is";
    reply::error(StatusCode::NOT_FOUND, "rest_no_route", message)
}

/// 405, with the allowed methods.
pub(super) fn wrong_method(allowed: &str) -> HttpResponse {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = health(status, "method not allowed", None, About::default());
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

fn not_ready(front: &Front) -> Option<Reason> {
    if front.draining.is_cancelled() {
        return Some(Reason::passing("shutting down"));
    }
    front.site.readiness.reason()
}

/// What only `/readyz` tells.
#[derive(Default)]
struct About {
    clock: Option<String>,
    site: Option<String>,
}

fn health(
    status: StatusCode,
    text: &'static str,
    reason: Option<Reason>,
    About { clock, site }: About,
) -> HttpResponse {
    let (reason, remedy) = reason.map_or((None, None), |reason| (Some(reason.what), reason.remedy));
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Health {
            status: text,
            reason,
            remedy,
            clock,
            site,
        })
}
