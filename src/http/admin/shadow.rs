//! Serves the record of calls in shadow mode: `GET /shadow` and `GET /shadow/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::record;
use super::reply::Problem;
use crate::http::Front;
use crate::operations::shadow::{ShadowPage, ShadowedCall, ShadowedCalls};

/// Path of the record.
pub(super) const PATH: &str = "/shadow";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    before: Option<u64>,
    limit: Option<u32>,
}

/// Calls that PHP executed in shadow mode, newest first: what the sidecar would have done otherwise.
#[utoipa::path(get, path = PATH, tag = "shadow",
    params(
        ("before" = Option<u64>, Query, minimum = 0, description = "Only calls with smaller ids: next_before of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
            description = "At most so many, 50 if it is not said")),
    responses(
        (status = 200, body = ShadowPage),
        (status = 400, body = Problem, description = "A parameter cannot be read")))]
pub(super) async fn list(request: HttpRequest, front: web::Data<Front>) -> HttpResponse {
    let query = record::parameters(&request);
    let query = query.and_then(|Parameters { before, limit }| record::part(None, before, limit));
    record::list::<ShadowedCalls>(&front, query).await
}

/// One of them.
#[utoipa::path(get, path = format!("{PATH}/{{id}}"), tag = "shadow",
    params(("id" = u64, Path, description = "The call's id")),
    responses((status = 200, body = ShadowedCall), (status = 404, body = Problem, description = "No call in shadow mode has this id")))]
pub(super) async fn show(id: web::Path<String>, front: web::Data<Front>) -> HttpResponse {
    let unknown = "no such call in shadow mode; they are kept for shadow.retention_days";
    record::show::<ShadowedCalls>(&front, &id, unknown).await
}
