//! What is remembered of a refused request: who asked and what came, but no value of a field.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};

use super::client::Client;
use super::fields::{Field, Fields};
use super::front::Front;
use super::query::query_first_scalar;
use super::reply::Refused;
use super::request_id::RequestId;
use super::rules::CallerRules;
use crate::outcome::EmailSent;
use crate::provision::{Asker, Email, FormSeen, KeptCall, RefusedCall, WebhookKey};
use crate::wordpress::php::loose;

/// Characters of a body's type that are kept.
const LONGEST_TYPE: usize = 100;

/// A request, as far as it was read.
pub(super) struct Asked<'a> {
    pub(super) request: &'a HttpRequest,
    /// Who called, if the form was read.
    pub(super) asker: Option<Asker>,
    pub(super) form: Option<FormSeen>,
    /// A copy of the call, if fields are kept.
    pub(super) kept: Option<KeptCall>,
}

impl Asked<'_> {
    /// What is recorded of it, if it has a key.
    pub(super) fn refused(
        self,
        front: &Front,
        rules: &CallerRules,
        refused: &Refused,
    ) -> Option<RefusedCall> {
        let request = self.request;
        let client = || Client::of(request, &rules.trusted_proxies, rules.forwarding_header);
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let length = header(CONTENT_LENGTH).and_then(|value| std::str::from_utf8(value).ok());
        Some(RefusedCall {
            asker: self.asker.or_else(|| unread(request))?,
            at: front.site.clock.now(),
            outcome: refused.outcome,
            status: refused.response.status().as_u16(),
            message: refused.message.clone(),
            request_id: request_id(request),
            client: rules.records_addresses.then(|| client().address).flatten(),
            content_type: header(CONTENT_TYPE).map(content_type),
            content_length: length.and_then(|length| length.parse().ok()),
            form: self.form,
            kept: self.kept.filter(|kept| kept.is_of_use(refused.outcome)),
        })
    }
}

fn unread(request: &HttpRequest) -> Option<Asker> {
    let key = query_first_scalar(request.query_string(), "webhook");
    let key = key.as_deref().and_then(WebhookKey::parse)?;
    Some(Asker::unread(&key))
}

/// The beginning of a declared type, in what ASCII can be printed.
pub(super) fn content_type(declared: &[u8]) -> String {
    let printed = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    declared.iter().take(LONGEST_TYPE).map(printed).collect()
}

/// What is remembered of a form.
pub(super) fn form_seen(fields: &mut Fields) -> FormSeen {
    let email = match fields.get("email") {
        None => EmailSent::Missing,
        Some(Field::Array) => EmailSent::List,
        Some(Field::Text(text)) if loose::is_empty(text) => EmailSent::Empty,
        Some(Field::Text(text)) => Email::sent(text),
    };
    FormSeen {
        email,
        names: fields.take_names(),
    }
}

pub(super) fn request_id(request: &HttpRequest) -> Option<Arc<str>> {
    let extensions = request.extensions();
    extensions.get().map(|RequestId(id)| Arc::clone(id))
}
