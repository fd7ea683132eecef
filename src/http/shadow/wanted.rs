//! What the sidecar would make of a request that goes to PHP, as far as it needs no database for that. Rates do not count: nobody is
//! refused anything in shadow mode.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;

use super::super::action::is_webhook_action;
use super::super::body::Kind;
use super::super::client::Client;
use super::super::fields::{Field, Fields, FormError};
use super::super::query::query_first_scalar;
use super::super::question::Question;
use super::super::rules::CallerRules;
use super::super::trial::FIELDS;
use super::super::{Front, refusal, webhook};
use crate::check::FORM_WANTED;
use crate::outcome::Outcome;
use crate::provision::shadow::{
    BROKEN_MULTIPART, GET, HEAD, JSON, KEY_IN_BODY, Sent, TOO_MANY_FIELDS, Told, Wanted,
};
use crate::provision::{Caller, WebhookKey};

/// `None` for a request that is no webhook call in PHP either, and for one without a key.
pub(super) fn wanted(
    request: &HttpRequest,
    body: &[u8],
    front: &Front,
    rules: &CallerRules,
) -> Option<Wanted> {
    let query = request.query_string();
    let key_in = |key: Option<&[u8]>| key.and_then(WebhookKey::parse);
    let key = key_in(query_first_scalar(query, "webhook").as_deref());
    let agreed = |status, message: &str, outcome, line| {
        let message = message.to_owned();
        let told = Told {
            status,
            message,
            outcome,
        };
        Some(Wanted::Agreed(told, line, key.clone()?))
    };
    match Question::of(request) {
        Some(Question::Get) => return agreed(405, "", Outcome::WrongMethod, GET),
        Some(Question::Head) => return agreed(200, "", Outcome::Asked, HEAD),
        Some(Question::Options) => return agreed(204, "", Outcome::Asked, HEAD),
        None => {}
    }
    let has_action = || is_webhook_action(query, &Fields::new(0));
    if request.method() != Method::POST {
        let is_call = has_action();
        return is_call.then(|| agreed(405, "", Outcome::WrongMethod, GET))?;
    }
    let declared = request.headers().get(CONTENT_TYPE);
    let kind = declared.and_then(|value| Kind::of(value.as_bytes()));
    let Some(kind) = kind else {
        let is_call = has_action();
        return is_call.then(|| agreed(415, FORM_WANTED, Outcome::InvalidRequest, JSON))?;
    };
    let fields = match kind.read(body, rules.max_fields) {
        Ok(fields) => fields,
        Err(error) => {
            let line = match error {
                FormError::TooMany { .. } => TOO_MANY_FIELDS,
                _ => BROKEN_MULTIPART,
            };
            let message = error.to_string();
            return has_action().then(|| agreed(400, &message, Outcome::InvalidRequest, line))?;
        }
    };
    if !is_webhook_action(query, &fields) {
        return None;
    }
    let Some(key) = key.clone() else {
        let told = Told {
            status: 404,
            message: "Webhook not found".to_owned(),
            outcome: Outcome::NotACall,
        };
        let key = key_in(fields.text("webhook"));
        return Some(Wanted::Agreed(told, KEY_IN_BODY, key?));
    };
    let client = Client::of(request, &rules.trusted_proxies, rules.forwarding_header);
    let caller = Caller {
        address: client.address,
        arrived: front.site.clock.now(),
        signed: None,
        // PHP knows nothing of them.
        sourced: [].into(),
        protections: Arc::clone(&rules.protections),
        request_id: refusal::request_id(request),
        is_address_recorded: false,
        met: None,
    };
    let call = webhook::call(key, &fields, client.https, caller);
    let list = FIELDS
        .iter()
        .any(|field| matches!(fields.get(field), Some(Field::Array)));
    let sent = Sent::of(&call, body.is_empty(), list);
    Some(Wanted::Call(Box::new(call), sent, None))
}
