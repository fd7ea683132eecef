//! Builds the responses of the management routes: JSON in the shapes of WordPress's REST API.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::DatabaseError;
use crate::fluentcommunity::webhooks::ChangeError;
use crate::telemetry;

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    /// For programs.
    code: &'static str,
    /// For people.
    message: String,
    data: ProblemData,
}

/// The HTTP status once more, as WordPress has it.
#[derive(Serialize, ToSchema)]
struct ProblemData {
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
}

/// 200.
pub(super) fn ok(body: &impl Serialize) -> HttpResponse {
    json(StatusCode::OK, body)
}

/// Any JSON. Responses hold webhook keys, so they must not be cached.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}

/// An error in WordPress's shape.
pub(super) fn error(status: StatusCode, code: &'static str, message: &str) -> HttpResponse {
    let problem = Problem {
        code,
        message: message.to_owned(),
        data: ProblemData {
            status: status.as_u16(),
        },
    };
    json(status, &problem)
}

/// Refuses a request that was not read.
pub(in crate::http) fn unread(status: StatusCode) -> HttpResponse {
    let message = match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            "The body is too large; fcom-sidecar source try NAME FILE tries one of any length"
        }
        _ => "The request was not read",
    };
    let mut response = error(status, "not_read", message);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let later = "5".parse().expect("a header value");
        response.headers_mut().insert(RETRY_AFTER, later);
    }
    response
}

/// 503. The database's own error message goes to the log only.
pub(super) fn database(cause: &DatabaseError) -> HttpResponse {
    let reason = telemetry::chain(cause);
    if cause.is_unavailable() || cause.is_lock_conflict() {
        tracing::warn!("management not possible now: {reason}");
    } else {
        tracing::error!("management failed: {reason}");
    }
    let mut response = error(
        StatusCode::SERVICE_UNAVAILABLE,
        "database",
        "This cannot be done now; the sidecar's log says why",
    );
    response
        .headers_mut()
        .insert(RETRY_AFTER, "5".parse().expect("a header value"));
    response
}

/// 503: nothing can be changed now.
pub(super) fn not_ready() -> HttpResponse {
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        "The sidecar is starting or shutting down, or its database is away",
    )
}

/// Reports why a webhook was not changed.
pub(super) fn not_changed(cause: &ChangeError) -> HttpResponse {
    match cause {
        ChangeError::Unknown(_) => unknown_webhook(),
        ChangeError::Unreadable(_) => error(
            StatusCode::LOCKED,
            "not_readable",
            "The webhook's record is not readable and was left as it is; delete the webhook, or mend it by hand",
        ),
        ChangeError::Outdated => error(
            StatusCode::CONFLICT,
            "outdated",
            "Somebody else changed the webhook meanwhile",
        ),
        ChangeError::Unstorable(_) => error(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_storable",
            "The title is too long, or has characters that this site cannot store",
        ),
        ChangeError::OutcomeUnknown(_) => {
            tracing::warn!("management perhaps done: {}", telemetry::chain(cause));
            error(
                StatusCode::SERVICE_UNAVAILABLE,
                "outcome_unknown",
                "Nobody can say whether this was changed; look at the webhook before you repeat it",
            )
        }
        ChangeError::Database(cause) => database(cause),
    }
}

/// 500: the work panicked, or the process is exiting.
pub(super) fn aborted() -> HttpResponse {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "aborted",
        "The work broke off; the sidecar's log says why",
    )
}

/// 404 for an unknown webhook id.
pub(super) fn unknown_webhook() -> HttpResponse {
    error(StatusCode::NOT_FOUND, "not_found", "Webhook not found")
}
