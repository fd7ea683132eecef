//! Spans for a collector: what a request, a mail or a wake-up spends its time on. They have a target of their own, which
//! the log does not show and which nobody is interested in unless there is a collector; then each costs a comparison.
//!
//! A span of the log and one of these do not see each other. A task that goes on in both has to enter both.

use tracing::Span;

/// The target of all of them.
pub(crate) const TARGET: &str = "phase";

/// A span of this kind (`server`, `client` or `internal`, as OpenTelemetry has it) and name. Its attributes hold no key,
/// name, address or SQL.
macro_rules! phase {
    ($kind:literal, $name:literal $(, $field:literal = $value:expr)* $(,)?) => {
        ::tracing::info_span!(
            target: $crate::telemetry::PHASE_TARGET,
            $name,
            "otel.kind" = $kind,
            "otel.status_code" = ::tracing::field::Empty,
            "error.type" = ::tracing::field::Empty,
            $($field = $value),*
        )
    };
}

pub(crate) use phase;

/// Marks a span as failed, for a reason of a fixed set.
pub(crate) fn fail(span: &Span, why: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", why);
}
