//! Reads the body of a call: checks its type and limits and parses its fields.

use actix_multipart::Multipart;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, web};
use futures_util::{Stream, StreamExt, stream};

use super::fields::Fields;
use super::multipart::{MultipartError, MultipartLimits, read_multipart};
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
    let declared = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = declared
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let is_urlencoded = media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let is_multipart = media_type.eq_ignore_ascii_case("multipart/form-data");
    if !is_urlencoded && !is_multipart {
        return Err(invalid(
            replies,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            FORM_WANTED,
        ));
    }
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
    let keep = rules.want_signatures() && request.headers().contains_key(SIGNATURE);
    if is_multipart && !keep {
        let fields = read_multipart_form(request, payload, rules, replies).await?;
        return Ok(Form { fields, raw: None });
    }
    let body = Bytes::from(read_body(payload, rules.max_body_bytes, replies).await?);
    let fields = if is_multipart {
        let whole = stream::iter([Ok(body.clone())]);
        read_multipart_form(request, whole, rules, replies).await?
    } else {
        Fields::parse_urlencoded(&body, rules.max_fields)
            .map_err(|_| too_many_fields(replies, rules.max_fields))?
    };
    Ok(Form {
        fields,
        raw: keep.then(|| body.into()),
    })
}

/// Discards the body, so that the next request can follow.
pub(super) async fn skip_body(mut payload: web::Payload) {
    while let Some(Ok(_)) = payload.next().await {}
}

async fn read_multipart_form(
    request: &HttpRequest,
    payload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
    rules: &CallerRules,
    replies: Replies,
) -> Result<Fields, Refused> {
    let limits = MultipartLimits {
        max_bytes: rules.max_body_bytes,
        max_fields: rules.max_fields,
    };
    read_multipart(Multipart::new(request.headers(), payload), limits)
        .await
        .map_err(|error| match error {
            MultipartError::TooLarge => replies.too_large(),
            MultipartError::TooMany { .. } => too_many_fields(replies, rules.max_fields),
            MultipartError::Malformed(_) => invalid(
                replies,
                StatusCode::BAD_REQUEST,
                "The multipart body is malformed",
            ),
        })
}

async fn read_body(
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

fn too_many_fields(replies: Replies, limit: usize) -> Refused {
    let message = format!("The form has more than {limit} fields");
    invalid(replies, StatusCode::BAD_REQUEST, &message)
}

fn invalid(replies: Replies, status: StatusCode, message: &str) -> Refused {
    replies.refuse(Outcome::InvalidRequest, status, message)
}
