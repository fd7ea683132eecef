//! The webhook endpoint. Mirrors how PHP, WordPress and FluentCommunity's portal route a request to `WebhookModule`, but
//! says in words what PHP passes over in silence.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_multipart::Multipart;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{Stream, StreamExt, stream};
use secrecy::SecretSlice;
use tracing::Instrument;

use super::client::Client;
use super::fields::{Field, Fields, query_first_scalar, query_parameter};
use super::multipart::{MultipartError, MultipartLimits, read_multipart};
use super::reply::Replies;
use super::server::Front;
use crate::provision::{
    self, Caller, Email, Idempotency, InvalidKey, ProvisionError, Signed, WebhookCall, WebhookKey,
};
use crate::telemetry;
use crate::wordpress::php::loose;
use crate::wordpress::sanitize::strip_tags::strip_all_tags;

/// The value of `fcom_action` that makes a request a webhook call.
const ACTION: &[u8] = b"incoming_webhook";
/// Names a call that may be repeated.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Signatures of a call, after the Standard Webhooks specification.
const SIGNATURE: &str = "webhook-signature";
/// A body that has not arrived by then is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers any request to the public listener.
pub(super) async fn handle(
    request: HttpRequest,
    payload: web::Payload,
    front: web::Data<Front>,
) -> HttpResponse {
    let replies = Replies {
        version: front.site.version.known(),
    };
    let _under_way = front.requests.token();
    let mut response = match receive(&request, payload, &front, replies).await {
        Ok(call) => execute(&front, call, replies).await,
        Err(response) => response,
    };
    if front.draining.is_cancelled() {
        response
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    response
}

/// Everything that can be refused without asking the database.
async fn receive(
    request: &HttpRequest,
    payload: web::Payload,
    front: &Front,
    replies: Replies,
) -> Result<WebhookCall, HttpResponse> {
    if front.draining.is_cancelled() && !front.hands_over {
        return Err(replies.unavailable("The server is shutting down"));
    }
    if request.method() != Method::POST {
        return Err(replies.method_not_allowed());
    }
    let client = Client::of(request, &front.trusted_proxies, front.forwarding_header);
    front
        .limiter
        .check_client(client.address)
        .map_err(|wait| too_many(replies, "Too many calls from this client", wait))?;
    front
        .limiter
        .check_keys(front.stranger(client.address))
        .map_err(|wait| too_many(replies, "Too many wrong keys from this client", wait))?;
    let Form { fields: body, raw } = read_form(request, payload, front, replies).await?;
    let query = request.query_string();
    if !is_webhook_action(query, &body) {
        return Err(replies.error(
            StatusCode::NOT_FOUND,
            "Not a webhook call: fcom_action=incoming_webhook is missing",
        ));
    }
    let key = query_first_scalar(query, "webhook")
        .as_deref()
        .and_then(WebhookKey::parse);
    let key = key.ok_or_else(|| {
        front
            .limiter
            .note_unknown_key(front.stranger(client.address));
        replies.refusal(&ProvisionError::UnknownWebhook)
    })?;
    front
        .limiter
        .check_webhook(&key)
        .map_err(|wait| too_many(replies, "Too many calls of this webhook", wait))?;
    let caller = Caller {
        address: client.address,
        arrived: front.site.clock.now(),
        signed: raw.and_then(|raw| signed(request, raw)),
    };
    let mut call = call(key, &body, client.https, caller);
    if let Some(header) = request.headers().get(IDEMPOTENCY_KEY) {
        let idempotency = Idempotency::of(header.as_bytes(), &call);
        let refused =
            |error: InvalidKey| replies.error(StatusCode::BAD_REQUEST, &error.to_string());
        call.idempotency = Some(idempotency.map_err(refused)?);
    }
    Ok(call)
}

fn too_many(replies: Replies, message: &str, wait: Duration) -> HttpResponse {
    replies.retry(StatusCode::TOO_MANY_REQUESTS, message, wait)
}

/// `$_REQUEST['fcom_action']`: the body wins over the query; trimmed and without tags, as `sanitize_text_field` leaves it.
fn is_webhook_action(query: &str, body: &Fields) -> bool {
    let from_query = || query_parameter(query, "fcom_action");
    match body.get("fcom_action").cloned().or_else(from_query) {
        Some(Field::Text(action)) => loose::trim(&strip_all_tags(&action)) == ACTION,
        _ => false,
    }
}

/// An optional field that PHP would drop (missing, empty, `0`, an array) is none.
fn call(key: WebhookKey, body: &Fields, https: bool, caller: Caller) -> WebhookCall {
    let text = |name| body.text(name).filter(|value| !loose::is_empty(value));
    WebhookCall {
        id: rand::random(),
        key,
        email: text("email").map_or(Err(ProvisionError::EmailRequired), Email::parse),
        first_name: text("first_name").unwrap_or_default().to_vec(),
        last_name: text("last_name").unwrap_or_default().to_vec(),
        user_login: text("user_login").map(<[u8]>::to_vec),
        user_password: text("user_password").map(|password| SecretSlice::from(password.to_vec())),
        https,
        idempotency: None,
        caller,
    }
}

/// A body that has been read.
struct Form {
    fields: Fields,
    /// Byte for byte, if a signature may be of it.
    raw: Option<Vec<u8>>,
}

/// The signature's headers, once each, with the body that they are of.
fn signed(request: &HttpRequest, body: Vec<u8>) -> Option<Signed> {
    let once = |name: &str| {
        let mut values = request.headers().get_all(name);
        let value = values.next()?.as_bytes().to_vec();
        (values.next().is_none() && !value.is_empty()).then_some(value)
    };
    Some(Signed {
        id: once("webhook-id")?,
        timestamp: once("webhook-timestamp")?,
        signatures: once(SIGNATURE)?,
        body: SecretSlice::from(body),
    })
}

async fn read_form(
    request: &HttpRequest,
    payload: web::Payload,
    front: &Front,
    replies: Replies,
) -> Result<Form, HttpResponse> {
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
        return Err(replies.error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send form data: application/x-www-form-urlencoded or multipart/form-data",
        ));
    }
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if length
        .and_then(|text| text.parse().ok())
        .is_some_and(|length: usize| length > front.max_body_bytes)
    {
        return Err(too_large(replies));
    }
    let keep = front.wants_signatures && request.headers().contains_key(SIGNATURE);
    let reading = async {
        if is_multipart && !keep {
            let fields = read_multipart_form(request, payload, front, replies).await?;
            return Ok(Form { fields, raw: None });
        }
        let body = read_body(payload, front.max_body_bytes, replies).await?;
        let fields = if is_multipart {
            let whole = stream::iter([Ok(Bytes::copy_from_slice(&body))]);
            read_multipart_form(request, whole, front, replies).await?
        } else {
            Fields::parse_urlencoded(&body, front.max_fields)
                .map_err(|_| too_many_fields(replies, front.max_fields))?
        };
        Ok(Form {
            fields,
            raw: keep.then_some(body),
        })
    };
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(form) => form,
        Err(_) => Err(replies.error(
            StatusCode::REQUEST_TIMEOUT,
            "The body did not arrive in time",
        )),
    }
}

async fn read_multipart_form(
    request: &HttpRequest,
    payload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
    front: &Front,
    replies: Replies,
) -> Result<Fields, HttpResponse> {
    let limits = MultipartLimits {
        max_bytes: front.max_body_bytes,
        max_fields: front.max_fields,
    };
    read_multipart(Multipart::new(request.headers(), payload), limits)
        .await
        .map_err(|error| match error {
            MultipartError::TooLarge => too_large(replies),
            MultipartError::TooMany { .. } => too_many_fields(replies, front.max_fields),
            MultipartError::Malformed(_) => {
                replies.error(StatusCode::BAD_REQUEST, "The multipart body is malformed")
            }
        })
}

async fn read_body(
    mut payload: web::Payload,
    limit: usize,
    replies: Replies,
) -> Result<Vec<u8>, HttpResponse> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| replies.error(StatusCode::BAD_REQUEST, "The body broke off"))?;
        if body.len() + chunk.len() > limit {
            return Err(too_large(replies));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large(replies: Replies) -> HttpResponse {
    replies.error(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large")
}

fn too_many_fields(replies: Replies, limit: usize) -> HttpResponse {
    replies.error(
        StatusCode::BAD_REQUEST,
        &format!("The form has more than {limit} fields"),
    )
}

/// Carries the call out, if there is room for one more, and writes the one line about it.
async fn execute(front: &Front, call: WebhookCall, replies: Replies) -> HttpResponse {
    if !front.site.prepared.load(Ordering::Relaxed) {
        return replies.unavailable("The server is not ready, nothing was changed");
    }
    if front.site.pool.absence().is_some() {
        return replies.unavailable("The database is away, nothing was changed");
    }
    let Ok(place) = Arc::clone(&front.calls).try_acquire_owned() else {
        return replies.unavailable("Too many calls at once, nothing was changed");
    };
    let started = Instant::now();
    let address = call.caller.address;
    let span = tracing::info_span!("call", webhook.key = %call.key.fingerprint());
    let result = provision::provision(Arc::clone(&front.site), call, place)
        .instrument(span.clone())
        .await;
    let duration_ms = started.elapsed().as_millis();
    let _entered = span.enter();
    match result {
        Ok(outcome) => {
            let (user, webhook) = (outcome.user_id, outcome.webhook_id);
            let done = match &outcome {
                outcome if outcome.replayed => "repeated the answer for",
                outcome if outcome.created => "created",
                _ => "found",
            };
            tracing::info!(
                status = 200,
                user.id = user,
                webhook.id = webhook,
                outcome = done,
                duration_ms,
                "{done} user {user} through webhook {webhook} in {duration_ms} ms"
            );
            replies.success(&outcome)
        }
        Err(error) => {
            if matches!(error, ProvisionError::UnknownWebhook) {
                front.limiter.note_unknown_key(front.stranger(address));
            }
            let response = replies.refusal(&error);
            let status = response.status().as_u16();
            let reason = telemetry::chain(&error);
            if response.status().is_server_error() && !error.is_unavailable() {
                tracing::error!(status, duration_ms, "call not executed: {reason}");
            } else if response.status().is_server_error() {
                tracing::warn!(status, duration_ms, "call not executed: {reason}");
            } else {
                tracing::info!(status, duration_ms, "call refused: {reason}");
            }
            response
        }
    }
}
