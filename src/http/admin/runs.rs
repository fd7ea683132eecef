//! Serves the run log: `GET /runs` and `GET /runs/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::record;
use super::reply::Problem;
use crate::http::Front;
use crate::operations::runs::{ExecutedCalls, LoggedRun, RunPage, RunQuery};

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
    let query = record::parameters(&request);
    let query = query.and_then(|parameters: Parameters| {
        let Parameters {
            user,
            webhook,
            before,
            limit,
        } = parameters;
        let (user, part) = (record::given(user), record::part(webhook, before, limit)?);
        Ok(RunQuery { user, part })
    });
    record::list::<ExecutedCalls>(&front, query).await
}

/// One of them.
#[utoipa::path(get, path = format!("{PATH}/{{id}}"), tag = "runs",
    params(("id" = u64, Path, description = "The run's id")),
    responses((status = 200, body = LoggedRun), (status = 404, body = Problem, description = "No run has this id")))]
pub(super) async fn show(id: web::Path<String>, front: web::Data<Front>) -> HttpResponse {
    let unknown = "no such run; runs are kept for runs.retention_days";
    record::show::<ExecutedCalls>(&front, &id, unknown).await
}
