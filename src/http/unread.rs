//! Answers requests that are refused before they are read, outside of the server.

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;

use super::Front;
use super::admin;
use super::fields::query_first_scalar;
use super::framing::Head;
use super::reply::{Refused, Replies};
use crate::outcome::{Lane, Outcome};
use crate::provision::{Asker, ProvisionError, RefusedCall, WebhookKey};

/// Why a request is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The caller ended the connection before the request.
    BrokenOff,
    /// Other requests have all memory that there is for them.
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

/// The answer as bytes; on the public listener it is counted, and noted if the request may be a webhook's.
pub(super) fn answer(front: &Front, is_public: bool, head: Option<&Head>, why: Unread) -> Vec<u8> {
    let replies = Replies {
        version: front.site.version.known(),
    };
    let Refused { outcome, response } = refusal(replies, why);
    if front.refusals.is_due() {
        tracing::info!(
            status = response.status().as_u16(),
            outcome = outcome.word(),
            "request refused unread: {}; more of these in this second are only counted",
            outcome.word()
        );
    }
    if !is_public {
        let refused = admin::unread(response.status());
        return bytes(refused);
    }
    front
        .metrics
        .call_ended(outcome, Lane::None, std::time::Duration::ZERO);
    if let Some(key) = head.and_then(key_of)
        && outcome.may_be_a_webhooks()
    {
        front.refused.note(|| {
            Some(RefusedCall {
                asker: Asker::unread(key),
                at: front.site.clock.now(),
                outcome,
                status: response.status().as_u16(),
                request_id: None,
            })
        });
    }
    bytes(response)
}

fn refusal(replies: Replies, why: Unread) -> Refused {
    let invalid = |status, message| replies.refuse(Outcome::InvalidRequest, status, message);
    match why {
        Unread::BrokenOff => invalid(StatusCode::BAD_REQUEST, "The body broke off"),
        Unread::Overloaded => {
            let message = "Too many requests at once, nothing was changed";
            replies.unavailable(Outcome::Overloaded, message)
        }
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

/// A response as the server would write it before it closes the connection.
fn bytes(response: HttpResponse) -> Vec<u8> {
    let status = response.status();
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    let rest = format!(
        "content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}
