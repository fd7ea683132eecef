//! Answers requests that are refused before they are read, outside of the server.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::Front;
use super::admin;
use super::client::Client;
use super::framing::{self, Body, Head};
use super::front::OVERLOADED;
use super::query::query_first_scalar;
use super::reply::{Refused, Replies, TOO_MANY_CALLS, TOO_MANY_KEYS};
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
    NoKey,
    TooLarge,
    /// Calls or wrong keys of this client: the message, and the time to wait.
    TooMany(&'static str, Duration),
    TooSlow,
    UnknownKey,
    WrongMethod,
}

/// A request that is not read, as far as it is known.
pub(super) struct Asked<'a> {
    pub(super) peer: Option<IpAddr>,
    pub(super) head: Option<&'a Head>,
    /// If it had to be known.
    pub(super) client: Option<Client>,
}

/// The key with which the request calls.
pub(super) fn key_of(head: &Head) -> Option<WebhookKey> {
    let key = query_first_scalar(&head.query, "webhook");
    key.as_deref().and_then(WebhookKey::parse)
}

/// Who sends a request with this head.
pub(super) fn client(front: &Front, peer: Option<IpAddr>, head: &[u8]) -> Client {
    let rules = front.rules.borrow();
    let header = |name: &str| framing::header(head, name);
    Client::told(
        peer,
        header,
        &rules.trusted_proxies,
        rules.forwarding_header,
    )
}

/// Lets a long body come if its key may open a webhook. Otherwise the call counts as one with a short body does, and a client
/// over a limit is told the same.
///
/// # Errors
/// Why the body is not read.
pub(super) async fn ask(
    front: web::Data<Front>,
    key: Option<WebhookKey>,
    client: Client,
) -> Result<(), Unread> {
    let rules = Arc::clone(&front.rules.borrow());
    let (limiter, stranger) = (&rules.limiter, rules.stranger(client.address));
    let may_guess = limiter.check_keys(stranger);
    let opens = match &key {
        None => false,
        Some(key) if may_guess.is_ok() => front.known_keys.may_open(key).await,
        Some(key) => front.known_keys.contains(key).await,
    };
    if opens {
        return Ok(());
    }
    let calls = limiter.check_client(client.address);
    calls.map_err(|wait| Unread::TooMany(TOO_MANY_CALLS, wait))?;
    may_guess.map_err(|wait| Unread::TooMany(TOO_MANY_KEYS, wait))?;
    limiter.note_unknown_key(stranger);
    Err(key.map_or(Unread::NoKey, |_| Unread::UnknownKey))
}

/// The answer as bytes; on the public listener it is counted, and noted if the request may be a webhook's. If nothing
/// `follows` it, the caller is told so.
pub(super) fn answer(
    front: &Front,
    is_public: bool,
    asked: &Asked<'_>,
    why: Unread,
    follows: bool,
) -> Vec<u8> {
    let &Asked { peer, head, client } = asked;
    let replies = Replies {
        version: front.site.version.known(),
    };
    let Refused {
        outcome,
        response,
        message,
    } = refusal(replies, why);
    let (is_trusted, records_addresses) = {
        let rules = front.rules.borrow();
        (rules.trust(peer), rules.records_addresses)
    };
    let address = client.and_then(|client| client.address);
    let address = address.filter(|_| records_addresses);
    let named = head.filter(|_| is_trusted);
    let named = named.and_then(|head| head.request_id.clone());
    let id = named.unwrap_or_else(RequestId::generate);
    let (status, word) = (response.status().as_u16(), outcome.word());
    let key = head.filter(|_| why == Unread::UnknownKey).and_then(key_of);
    if let Some(key) = key {
        // A line for each, as for short calls.
        let whom = address.map_or_else(String::new, |address| format!(" to {address}"));
        tracing::info!(
            status,
            outcome = word,
            request.id = %id.0,
            webhook.key = %key.fingerprint(),
            "call refused{whom}: {}",
            ProvisionError::UnknownWebhook
        );
    } else if front.refusals.is_due() {
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
                status,
                message,
                request_id: Some(Arc::clone(&id.0)),
                client: address,
                content_type: head.content_type.as_deref().map(str::to_owned),
                content_length: match head.body {
                    Body::Length(length) => Some(length as u64),
                    Body::Chunked(_) | Body::Unclear => None,
                },
                form: None,
                kept: None,
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
        Unread::NoKey => replies.no_key(),
        Unread::TooLarge => replies.too_large(),
        Unread::TooMany(message, wait) => replies.too_many(message, wait),
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
