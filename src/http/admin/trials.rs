//! Tells what a call of a webhook would do.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::Front;
use super::super::fields::Fields;
use super::super::trial::{FIELDS, answer, call};
use super::draft::{Invalid, fields};
use super::reply::{self, Problem};
use super::webhooks::{PATH, invalid, not_an_object, too_large};
use crate::operations::record::RecordError;
use crate::operations::trial::{Trial, TrialError, webhook_key};
use crate::telemetry;

/// The fields of a call, as a caller sends them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub(super) struct TryCall {
    /// The member's address.
    email: Option<String>,
    /// The first name.
    first_name: Option<String>,
    /// The last name.
    last_name: Option<String>,
    /// The login that is asked for.
    user_login: Option<String>,
    /// The password that is asked for.
    user_password: Option<String>,
}

/// Carries a call out, tells what it has done, and rolls it back: nothing stays.
#[utoipa::path(post, path = format!("{PATH}/{{id}}/try"), tag = "webhooks",
    params(("id" = u64, Path, description = "The webhook's id")),
    request_body(content(
        (TryCall = "application/json"), (TryCall = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, body = Trial, description = "Also if the call would be refused: status, message and outcome say so"),
        (status = 400, body = Problem, description = "The body is no JSON object"),
        (status = 404, body = Problem, description = "No webhook has this id"),
        (status = 413, body = Problem, description = "The body is too large"),
        (status = 422, description = "A field cannot be used: field, rule, message"),
    ))]
pub(super) async fn try_call(
    request: HttpRequest,
    id: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
    front: web::Data<Front>,
) -> HttpResponse {
    let Ok(body) = body else {
        return too_large();
    };
    let media_type = actix_web::HttpMessage::content_type(&request).to_ascii_lowercase();
    let Some(sent) = fields(&body, media_type == "application/json") else {
        return not_an_object();
    };
    let form = match form(&sent) {
        Ok(form) => form,
        Err(error) => return invalid(&error),
    };
    let inside = front.clone();
    let work = async move { try_on_site(&inside, &id, form).await };
    let done = front.on_main_runtime(front.tasks.track_future(work)).await;
    match done {
        None => reply::aborted(),
        Some(Ok(trial)) => reply::ok(&trial),
        Some(Err(response)) => response(),
    }
}

/// The response, to be built where it is sent.
type Refusal = Box<dyn FnOnce() -> HttpResponse + Send>;

async fn try_on_site(front: &Front, id: &str, form: Fields) -> Result<Trial, Refusal> {
    let site = &front.site;
    let key = site
        .pool
        .work(async |connection| webhook_key(connection, &site.statements, id).await);
    let (id, key) = match key.await {
        Ok(Some(found)) => found,
        Err(RecordError::Database(error)) => return Err(Box::new(move || reply::database(&error))),
        Ok(None) | Err(_) => return Err(Box::new(reply::unknown_webhook)),
    };
    let mail = Arc::clone(&front.mail_text.borrow());
    let rules = Arc::clone(&front.rules.borrow());
    let call = call(key, rules.source_of(id), form, site.clock.now());
    let trial = Trial::of(&front.calls, call, answer, &mail).await;
    trial.map_err(|error| -> Refusal {
        match error {
            TrialError::Database(error) => Box::new(move || reply::database(&error)),
            TrialError::Unavailable(_) => not_now(&error),
        }
    })
}

fn not_now(error: &TrialError) -> Refusal {
    let reason = telemetry::chain(error);
    tracing::warn!("a call could not be tried now: {reason}");
    Box::new(|| {
        let message = "The call cannot be tried now; the sidecar's log says why";
        reply::error(StatusCode::SERVICE_UNAVAILABLE, "not_now", message)
    })
}

/// The fields as a form has them.
fn form(sent: &Map<String, Value>) -> Result<Fields, Invalid> {
    let mut form = Fields::new(FIELDS.len());
    for field in FIELDS {
        let value = match sent.get(field) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone().into_bytes(),
            Some(_) => {
                return Err(Invalid {
                    field,
                    rule: "string",
                    message: format!("The {field} field must be a string."),
                });
            }
        };
        // There are no more fields than the form has room for.
        let _ = form.push(field.as_bytes(), value);
    }
    Ok(form)
}
