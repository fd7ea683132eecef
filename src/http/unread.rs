//! Answers requests that are refused before they are read, outside of the server.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;

use super::Front;
use super::admin;
use super::fields::query_first_scalar;
use super::framing::{Body, Head};
use super::front::OVERLOADED;
use super::reply::{Refused, Replies};
use super::request_id::{RequestId, X_REQUEST_ID};
use crate::outcome::{Lane, Outcome};
use crate::provision::{Asker, ProvisionError, RefusedCall, WebhookKey};

/// Why a request is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The caller ended the connection before the request.
    BrokenOff,
    /// Other requests have all places, or all memory, that there is for them.
    Overloaded,
    LongHead,
    TooLarge,
    TooSlow,
    UnknownKey,
    WrongMethod,
}

/// The key with which the request calls.
pub(super) fn key_of(head: &Head) -> Option<WebhookKey> {
    let key = query_first_scalar(&head.query, "webhook");
    key.as_deref().and_then(WebhookKey::parse)
}

/// The answer as bytes; on the public listener it is counted, and noted if the request may be a webhook's. If nothing
/// `follows` it, the caller is told so.
pub(super) fn answer(
    front: &Front,
    is_public: bool,
    peer: Option<IpAddr>,
    head: Option<&Head>,
    why: Unread,
    follows: bool,
) -> Vec<u8> {
    let replies = Replies {
        version: front.site.version.known(),
    };
    let Refused {
        outcome,
        response,
        message,
    } = refusal(replies, why);
    let is_trusted = front.rules.borrow().trust(peer);
    let named = head.filter(|_| is_trusted);
    let named = named.and_then(|head| head.request_id.clone());
    let id = named.unwrap_or_else(RequestId::generate);
    if front.refusals.is_due() {
        let (status, word) = (response.status().as_u16(), outcome.word());
        if is_public && why == Unread::Overloaded {
            tracing::warn!(
                status,
                outcome = word,
                request.id = %id.0,
                "call refused: {OVERLOADED}; more of these in this second are only counted"
            );
        } else {
            tracing::info!(
                status,
                outcome = word,
                request.id = %id.0,
                "request refused unread: {word}; more of these in this second are only counted"
            );
        }
    }
    if !is_public {
        let refused = admin::unread(response.status());
        return bytes(refused, &id, follows);
    }
    front
        .metrics
        .call_ended(outcome, Lane::None, std::time::Duration::ZERO);
    if outcome.may_be_a_webhooks()
        && let Some(head) = head
    {
        front.refused.note(|| {
            Some(RefusedCall {
                asker: Asker::unread(&key_of(head)?),
                at: front.site.clock.now(),
                outcome,
                status: response.status().as_u16(),
                message,
                request_id: Some(Arc::clone(&id.0)),
                client: None,
                content_type: head.content_type.as_deref().map(str::to_owned),
                content_length: match head.body {
                    Body::Length(length) => Some(length as u64),
                    Body::Chunked(_) | Body::Unclear => None,
                },
                form: None,
            })
        });
    }
    bytes(response, &id, follows)
}

fn refusal(replies: Replies, why: Unread) -> Refused {
    let invalid =
        |status, message: &'static str| replies.refuse(Outcome::InvalidRequest, status, message);
    match why {
        Unread::BrokenOff => invalid(StatusCode::BAD_REQUEST, "The body broke off"),
        Unread::Overloaded => replies.unavailable(Outcome::Overloaded, OVERLOADED),
        Unread::LongHead => invalid(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The request's headers are too long",
        ),
        Unread::TooLarge => replies.too_large(),
        Unread::TooSlow => replies.too_slow(),
        Unread::UnknownKey => replies.refusal(&ProvisionError::UnknownWebhook),
        Unread::WrongMethod => replies.method_not_allowed(),
    }
}

/// A response as the server would write it.
fn bytes(response: HttpResponse, id: &RequestId, follows: bool) -> Vec<u8> {
    let status = response.status();
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    let (name, id, length) = (X_REQUEST_ID, &id.0, body.len());
    let last = if follows { "" } else { "connection: close\r\n" };
    let rest = format!("{name}: {id}\r\ncontent-length: {length}\r\n{last}\r\n");
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}
