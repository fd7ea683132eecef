//! Reads the body of a call: checks its type and limits and parses its fields.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;

use super::fields::Fields;
use super::posted::{self, Posted};
use super::reply::{Refused, Replies};
use super::rules::CallerRules;
use crate::check::FORM_WANTED;
use crate::outcome::Outcome;
use crate::source::Source;

/// Header with a call's signatures, as in the Standard Webhooks specification.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// A body that has been read.
pub(super) struct Form {
    pub(super) fields: Fields,
    /// Whether the body is JSON, of which nothing is read yet.
    pub(super) is_json: bool,
    /// The exact bytes, kept for a source and if a signature may cover them.
    pub(super) raw: Option<Vec<u8>>,
}

/// Reads what PHP would have in `$_POST`; for a source with the pairs that were sent.
///
/// # Errors
/// The response to a body that has an unsupported type, is too large, malformed or too slow.
pub(super) async fn read_form(
    request: &HttpRequest,
    payload: web::Payload,
    rules: &CallerRules,
    source: Option<&Source>,
    replies: Replies,
) -> Result<Form, Refused> {
    let declared = posted::content_type(request);
    let kind = Posted::of(declared, source);
    let unsupported = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let wanted = || source.map_or(FORM_WANTED, |source| posted::wanted(source.bodies));
    let kind = kind.ok_or_else(|| invalid(replies, unsupported, wanted()))?;
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if length
        .and_then(|text| text.parse().ok())
        .is_some_and(|length: usize| length > rules.max_body_bytes)
    {
        return Err(replies.too_large());
    }
    let body = read_body(payload, rules.max_body_bytes, replies).await?;
    let fields = Fields::new(rules.max_fields);
    let fields = match (&kind, source) {
        (Posted::Json, _) => Ok(fields),
        (Posted::Form(kind), None) => kind.read_into(&body, fields),
        (Posted::Form(kind), Some(_)) => kind.read_into(&body, fields.keeping_pairs()),
    };
    let fields =
        fields.map_err(|error| invalid(replies, StatusCode::BAD_REQUEST, error.to_string()))?;
    let may_be_signed = rules.want_signatures() && request.headers().contains_key(SIGNATURE);
    Ok(Form {
        fields,
        is_json: matches!(kind, Posted::Json),
        raw: (may_be_signed || source.is_some()).then_some(body),
    })
}

/// Reads a whole body.
///
/// # Errors
/// The response to one that is too large or breaks off.
pub(super) async fn read_body(
    mut payload: web::Payload,
    limit: usize,
    replies: Replies,
) -> Result<Vec<u8>, Refused> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| invalid(replies, StatusCode::BAD_REQUEST, "The body broke off"))?;
        if body.len() + chunk.len() > limit {
            return Err(replies.too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn invalid(replies: Replies, status: StatusCode, message: impl Into<Cow<'static, str>>) -> Refused {
    replies.refuse(Outcome::InvalidRequest, status, message)
}
