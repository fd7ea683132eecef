//! Serves the webhook endpoint. Mirrors how PHP, WordPress and FluentCommunity's portal route a request to
//! `WebhookModule`, but reports explicitly what PHP ignores silently.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretSlice;
use tracing::Instrument;

use super::action::is_webhook_action;
use super::client::Client;
use super::fields::Fields;
use super::form::{Form, read_form};
use super::front::Front;
use super::query::query_first_scalar;
use super::question::Question;
use super::refusal::{Asked, form_seen, request_id};
use super::reply::{Refused, Replies, TOO_MANY_CALLS, TOO_MANY_KEYS};
use super::rules::CallerRules;
use super::signed::signed;
use super::sourced::{self, Sought, source_of};
use crate::outcome::{Lane, Outcome};
use crate::provision::{
    self, Asker, Caller, Email, FormSeen, Idempotency, InvalidKey, ProvisionError, WebhookCall,
    WebhookKey,
};
use crate::site::Cause;
use crate::telemetry;
use crate::wordpress::password::MAX_LENGTH;
use crate::wordpress::php::loose;

/// The longest name or login that is read, in bytes; the rest is ignored. What WordPress does with a name takes time
/// that may grow faster than its length, and a caller may send a megabyte of it.
const LONGEST_NAME: usize = 4096;
/// Identifies a call that may be retried.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

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
    let started = Instant::now();
    let rules = Arc::clone(&front.rules.borrow());
    let (mut form, mut unsaid) = (None, None);
    let notes = (&mut form, &mut unsaid);
    let wanted = receive(&request, payload, &front, &rules, replies, notes).await;
    // Then a body that cannot be read says nothing about the call.
    let wanted = wanted.map_err(|refused| unsaid.unwrap_or(refused));
    let asker = wanted.as_ref().ok().map(Asker::of);
    let kept = wanted
        .as_ref()
        .ok()
        .and_then(|call| front.refused.copy(call));
    let answered = match wanted {
        Ok(call) => execute(&front, &rules, call, replies, started).await,
        Err(refused) => {
            let (status, outcome) = (refused.response.status().as_u16(), refused.outcome.word());
            let ended = match refused.outcome {
                Outcome::Asked => "answered",
                _ => "refused",
            };
            tracing::info!(
                status,
                outcome,
                duration_ms = started.elapsed().as_millis(),
                "request {ended} with {status}: {outcome}"
            );
            Err(refused)
        }
    };
    let (mut response, outcome, lane) = match answered {
        Ok(executed) => executed,
        Err(refused) => {
            let received = Asked {
                request: &request,
                asker,
                form,
                kept,
            };
            if refused.outcome.may_be_a_webhooks() {
                let refused = || received.refused(&front, &rules, &refused);
                front.refused.note(refused);
            }
            (refused.response, refused.outcome, Lane::None)
        }
    };
    front.metrics.call_ended(outcome, lane, started.elapsed());
    tracing::Span::current().record("call.outcome", outcome.word());
    if front.draining.is_cancelled() {
        response
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    response
}

/// The response to an executed call, and its outcome for the metrics.
type Answer = (HttpResponse, Outcome, Lane);

/// Reads the call and makes every check that does not need the database; answers who only asks about the address. `form`
/// becomes what is remembered of the form if the call is refused, and `unsaid` why nobody can say how it is to be read, if so.
async fn receive(
    request: &HttpRequest,
    payload: web::Payload,
    front: &Front,
    rules: &CallerRules,
    replies: Replies,
    (form, unsaid): (&mut Option<FormSeen>, &mut Option<Refused>),
) -> Result<WebhookCall, Refused> {
    if front.draining.is_cancelled() && !front.hands_over {
        return Err(replies.unavailable(Outcome::ShuttingDown, "The server is shutting down"));
    }
    let question = Question::of(request);
    match question {
        Some(Question::Options) => return Err(replies.options()),
        None if request.method() != Method::POST => return Err(replies.method_not_allowed()),
        _ => {}
    }
    let client = Client::of(request, &rules.trusted_proxies, rules.forwarding_header);
    rules
        .limiter
        .check_client(client.address)
        .map_err(|wait| replies.too_many(TOO_MANY_CALLS, wait))?;
    let query = request.query_string();
    let key = query_first_scalar(query, "webhook")
        .as_deref()
        .and_then(WebhookKey::parse);
    if let Err(wait) = rules.limiter.check_keys(rules.stranger(client.address)) {
        let is_good = match &key {
            Some(key) => front.known_keys.contains(key).await,
            None => false,
        };
        if !is_good {
            return Err(replies.too_many(TOO_MANY_KEYS, wait));
        }
    }
    let no_key = || {
        rules
            .limiter
            .note_unknown_key(rules.stranger(client.address));
        replies.no_key()
    };
    if let Some(question) = question {
        let key = key.ok_or_else(no_key)?;
        return Err(question.answer(key, front, rules, client, replies).await);
    }
    let mut caller = Caller {
        address: client.address,
        arrived: front.site.clock.now(),
        signed: None,
        sourced: Arc::clone(&rules.sourced),
        protections: Arc::clone(&rules.protections),
        request_id: request_id(request),
        is_address_recorded: rules.records_addresses,
        met: None,
    };
    let source = match source_of(key.as_ref(), front, rules, replies).await? {
        Sought::Source(source) => source,
        Sought::Unsaid(source, refused) => {
            *unsaid = Some(refused);
            source
        }
        // Whatever it has as its body, it gets the answer of a call with this key.
        Sought::NoWebhook(key) => return Ok(call(key, &Fields::new(0), client.https, caller)),
    };
    let read = read_form(request, payload, rules, source.as_deref(), replies).await?;
    let Form {
        fields: mut body,
        is_json,
        raw,
    } = read;
    if source.is_none() {
        *form = Some(form_seen(&mut body));
    }
    if !is_webhook_action(query, &body) {
        return Err(replies.refuse(
            Outcome::NotACall,
            StatusCode::NOT_FOUND,
            "Not a webhook call: fcom_action=incoming_webhook is missing",
        ));
    }
    let key = key.ok_or_else(no_key)?;
    rules
        .limiter
        .check_webhook(&key)
        .map_err(|wait| replies.too_many("Too many calls of this webhook", wait))?;
    caller.arrived = front.site.clock.now();
    let mut event = None;
    let mut source_read = None;
    if let Some((source, raw)) = source.as_deref().zip(raw.as_deref()) {
        let read = sourced::read(source, request, &mut body, is_json, raw, caller.arrived);
        let sourced = read.map_err(|malformed| sourced::malformed(malformed, replies))?;
        *form = Some(sourced.seen);
        event = sourced.name;
        source_read = Some(sourced.read);
    }
    caller.signed = raw.and_then(|raw| signed(request, raw));
    let mut call = call(key, &body, client.https, caller);
    call.source = source_read;
    name_call(&mut call, request, event.as_deref()).map_err(|error| {
        let (outcome, status) = (Outcome::InvalidRequest, StatusCode::BAD_REQUEST);
        replies.refuse(outcome, status, error.to_string())
    })?;
    Ok(call)
}

/// Gives the call the names by which it is known when it comes again.
fn name_call(
    call: &mut WebhookCall,
    request: &HttpRequest,
    event: Option<&str>,
) -> Result<(), InvalidKey> {
    if let Some(signed) = &call.caller.signed {
        call.signed = Idempotency::of_signed(&signed.id, call.repeated_fields());
    }
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY);
    if let Some(header) = keys.next() {
        let key = Idempotency::of(header.as_bytes(), call.repeated_fields());
        let idempotency = keys.next().map_or(key, |_| Err(InvalidKey));
        call.idempotency = Some(idempotency?);
    }
    if let Some(event) = event {
        let name = Idempotency::of_event(event.as_bytes(), call.repeated_fields());
        call.idempotency = Some(name);
    }
    Ok(())
}

/// Builds the call. An optional field that PHP would drop (missing, empty, `0`, an array) becomes `None`.
pub(super) fn call(key: WebhookKey, body: &Fields, https: bool, caller: Caller) -> WebhookCall {
    let text = |name| {
        let value = body.text(name);
        value.filter(|value| !loose::is_empty(value))
    };
    let name = |field| text(field).map(|value| cut(value, LONGEST_NAME).to_vec());
    WebhookCall {
        id: rand::random(),
        key,
        email: text("email").map_or(Err(ProvisionError::EmailRequired), Email::parse),
        first_name: name("first_name").unwrap_or_default(),
        last_name: name("last_name").unwrap_or_default(),
        user_login: name("user_login"),
        user_password: text("user_password").map(|password| {
            // One byte more than WordPress can verify is enough to see that it is too long.
            let password = &password[..password.len().min(MAX_LENGTH + 1)];
            SecretSlice::from(password.to_vec())
        }),
        https,
        idempotency: None,
        signed: None,
        retry_of: None,
        source: None,
        caller,
        basic_plane: false,
    }
}

/// At most the first `longest` bytes, without a part of a character at the end.
fn cut(text: &[u8], longest: usize) -> &[u8] {
    if text.len() <= longest {
        return text;
    }
    let is_inside_character = |&at: &usize| text[at] & 0b1100_0000 == 0b1000_0000;
    let end = (longest.saturating_sub(3)..=longest)
        .rev()
        .find(|at| !is_inside_character(at));
    &text[..end.unwrap_or(longest)]
}

/// Executes the call if a slot is free, and writes its one log line.
async fn execute(
    front: &Front,
    rules: &CallerRules,
    call: WebhookCall,
    replies: Replies,
    started: Instant,
) -> Result<Answer, Refused> {
    let place = match front.place(&call.key).await {
        Ok(place) => place,
        Err((outcome, message)) => return Err(turn_away(front, replies, outcome, message)),
    };
    let address = call.caller.address;
    let is_address_recorded = call.caller.is_address_recorded;
    let span = tracing::info_span!("call", webhook.key = %call.key.fingerprint());
    let result = provision::provision(Arc::clone(&front.calls), call, place)
        .instrument(span.clone())
        .await;
    let duration_ms = started.elapsed().as_millis();
    let _entered = span.enter();
    match result {
        // The tables that it was written to may have been replaced meanwhile.
        Ok(executed) if front.site.readiness.has(Cause::Restored) => {
            tracing::warn!(
                duration_ms,
                "a call for user {} ended while a dump was being restored: nobody can say whether it stands",
                executed.user_id
            );
            Err(replies.unknown())
        }
        Ok(executed) => {
            let (user, webhook) = (executed.user_id, executed.webhook_id);
            let outcome = executed.outcome();
            let done = match outcome {
                Outcome::Repeated => "repeated the answer for",
                done => done.word(),
            };
            tracing::info!(
                status = 200,
                user.id = user,
                webhook.id = webhook,
                outcome = outcome.word(),
                duration_ms,
                "{done} user {user} through webhook {webhook} in {duration_ms} ms"
            );
            Ok((replies.success(&executed), outcome, executed.lane()))
        }
        Err(error) => {
            if matches!(error, ProvisionError::UnknownWebhook) {
                rules.limiter.note_unknown_key(rules.stranger(address));
            }
            let refused = replies.refusal(&error);
            let status = refused.response.status();
            let (is_ours, status) = (status.is_server_error(), status.as_u16());
            let (outcome, reason) = (refused.outcome.word(), telemetry::chain(&error));
            if refused.outcome == Outcome::Ignored {
                tracing::info!(status, outcome, duration_ms, "call ignored: {reason}");
            } else if error.leaves_outcome_unknown() {
                tracing::warn!(
                    status,
                    outcome,
                    duration_ms,
                    "call perhaps executed: {reason}"
                );
            } else if let Some(remedy) = error.remedy() {
                // If it concerns all calls, the state of readiness has its own line: these are too many to be read.
                tracing::warn!(
                    status,
                    outcome,
                    duration_ms,
                    "call not executed: {reason}. Remedy: {remedy}"
                );
            } else if is_ours && !error.is_unavailable() {
                tracing::error!(status, outcome, duration_ms, "call not executed: {reason}");
            } else if is_ours {
                tracing::warn!(status, outcome, duration_ms, "call not executed: {reason}");
            } else {
                // For those who ban clients by the log.
                let whom = address.filter(|_| is_address_recorded && error.is_intrusion());
                let whom = whom.map_or_else(String::new, |address| format!(" to {address}"));
                tracing::info!(status, outcome, duration_ms, "call refused{whom}: {reason}");
            }
            Err(refused)
        }
    }
}

/// Refuses a call that has no slot.
fn turn_away(front: &Front, replies: Replies, outcome: Outcome, message: &'static str) -> Refused {
    let status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
    let is_overload = outcome == Outcome::Overloaded;
    if !is_overload {
        // The state has its own lines, with their number.
        front.site.readiness.call_refused();
    }
    // These come in bursts: a log line for each would take CPU time from the calls that have a slot.
    if front.refusals.is_due() {
        let word = outcome.word();
        if is_overload {
            tracing::warn!(
                status,
                outcome = word,
                "call refused: {message}; more of these in this second are only counted"
            );
        } else {
            tracing::info!(
                status,
                outcome = word,
                "call refused: {message}; more of these in this second are only counted"
            );
        }
    }
    replies.unavailable(outcome, message)
}
