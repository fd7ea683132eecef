//! Reads the body of a call: checks its type and limits and parses its fields.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;

use super::body::Kind;
use super::fields::Fields;
use super::reply::{Refused, Replies};
use super::rules::CallerRules;
use crate::check::FORM_WANTED;
use crate::outcome::Outcome;

/// Header with a call's signatures, as in the Standard Webhooks specification.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// A body that has been read.
pub(super) struct Form {
    pub(super) fields: Fields,
    /// The exact bytes, kept if a signature may cover them.
    pub(super) raw: Option<Vec<u8>>,
}

/// Reads what PHP would have in `$_POST`.
///
/// # Errors
/// The response to a body that has an unsupported type, is too large, malformed or too slow.
pub(super) async fn read_form(
    request: &HttpRequest,
    payload: web::Payload,
    rules: &CallerRules,
    replies: Replies,
) -> Result<Form, Refused> {
    let declared = request.headers().get(CONTENT_TYPE);
    let kind = declared.and_then(|value| Kind::of(value.as_bytes()));
    let unsupported = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let kind = kind.ok_or_else(|| invalid(replies, unsupported, FORM_WANTED))?;
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
    let fields = kind
        .read(&body, rules.max_fields)
        .map_err(|error| invalid(replies, StatusCode::BAD_REQUEST, error.to_string()))?;
    let keep = rules.want_signatures() && request.headers().contains_key(SIGNATURE);
    let raw = keep.then_some(body);
    Ok(Form { fields, raw })
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
