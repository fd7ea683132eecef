//! Creates the span of a request for the collector, with the attributes that OpenTelemetry's conventions define for HTTP
//! servers.
//!
//! Path and query, host, user agent and the client's address are left out on purpose: they are untrusted input, and the
//! query holds the key.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, Version};
use tracing::Span;
use tracing::field::{Empty, display};

use super::client::Client;
use super::rules::CallerRules;
use crate::telemetry::{self, TraceContext, phase};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// These are polled every few seconds.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The trace context that a proxy sends. If `traceparent` is sent twice, there is no telling which one the proxy wrote.
fn context(request: &ServiceRequest) -> Option<TraceContext> {
    let mut parents = request.headers().get_all(TRACEPARENT);
    let parent = parents.next().filter(|_| parents.next().is_none())?;
    let states = request.headers().get_all(TRACESTATE);
    let states: Vec<&[u8]> = states.map(HeaderValue::as_bytes).collect();
    TraceContext::parse(parent.as_bytes(), &states)
}

/// Opens the span of a request inside its log span and records the trace id there. The trace is the one that a trusted
/// proxy sent, or a new one if there is a collector.
pub(super) fn begin(
    request: &ServiceRequest,
    rules: Option<&CallerRules>,
    is_trusted: bool,
    log: &Span,
) -> Span {
    let context = is_trusted.then(|| context(request)).flatten();
    let span = log.in_scope(|| describe(request, rules));
    if let Some(context) = &context {
        telemetry::follow(&span, context);
    }
    let trace_id = telemetry::trace_id(&span).or(context.map(|context| context.trace_id));
    if let Some(trace_id) = trace_id {
        log.record("trace.id", display(format_args!("{trace_id:032x}")));
    }
    span
}

fn describe(request: &ServiceRequest, rules: Option<&CallerRules>) -> Span {
    if UNTRACED.contains(&request.path()) {
        return Span::none();
    }
    let span = phase!(
        "server",
        "HTTP",
        "otel.name" = Empty,
        "http.request.method" = Empty,
        "url.scheme" = Empty,
        "network.protocol.version" = Empty,
        "http.route" = Empty,
        "http.response.status_code" = Empty,
        "call.outcome" = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    let method = known_method(request.method());
    span.record("http.request.method", method.unwrap_or("_OTHER"));
    span.record("otel.name", method.unwrap_or("HTTP"));
    let is_https = rules.is_some_and(|rules| {
        Client::of(
            request.request(),
            &rules.trusted_proxies,
            rules.forwarding_header,
        )
        .https
    });
    span.record("url.scheme", if is_https { "https" } else { "http" });
    if let Some(version) = version(request.version()) {
        span.record("network.protocol.version", version);
    }
    span
}

/// Records what is known only from the response.
pub(super) fn end(span: &Span, response: &ServiceResponse<impl Sized>) {
    if span.is_disabled() {
        return;
    }
    let status = response.status();
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        telemetry::fail(span, status.as_str());
    }
    let request = response.request();
    if let Some(route) = request.match_pattern() {
        let method = known_method(request.method()).unwrap_or("HTTP");
        // As in the OpenAPI document, without the pattern of an id.
        let route = route.replace(":[0-9]+", "");
        span.record("http.route", &route);
        telemetry::rename(span, format!("{method} {route}"));
    }
}

/// Other methods are not recorded: their number is unbounded.
fn known_method(method: &Method) -> Option<&'static str> {
    let known = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
    ];
    known.into_iter().find(|known| method == known)
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        _ => None,
    }
}
