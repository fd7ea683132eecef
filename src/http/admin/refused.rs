//! Serves the record of refused calls: `GET /refused` and `GET /refused/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::record;
use super::reply::Problem;
use crate::http::Front;
use crate::operations::refused::{LoggedRefusal, RefusedCalls, RefusedPage};

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
    let query = record::parameters(&request);
    let query = query.and_then(
        |Parameters {
             webhook,
             before,
             limit,
         }| record::part(webhook, before, limit),
    );
    record::list::<RefusedCalls>(&front, query).await
}

/// One of them.
#[utoipa::path(get, path = format!("{PATH}/{{id}}"), tag = "refused",
    params(("id" = u64, Path, description = "The refused call's id")),
    responses((status = 200, body = LoggedRefusal), (status = 404, body = Problem, description = "No refused call has this id")))]
pub(super) async fn show(id: web::Path<String>, front: web::Data<Front>) -> HttpResponse {
    let unknown = "no such refused call; they are kept for refused.retention_days";
    record::show::<RefusedCalls>(&front, &id, unknown).await
}
