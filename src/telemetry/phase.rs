//! Spans for a collector: how a request, a mail or a wake-up spends its time. They have their own target, which the log
//! does not show. Without a collector no subscriber is interested in it, and each span costs only a comparison.
//!
//! The log's spans and these do not see each other. A task that continues in both must enter both.

use tracing::Span;

/// The target of all of them.
pub(crate) const TARGET: &str = "phase";

/// A span of this kind (`server`, `client` or `internal`, as OpenTelemetry defines it) and name. Its attributes hold no
/// key, name, address or SQL.
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

/// Marks a span as failed, with a reason from a fixed set.
pub(crate) fn fail(span: &Span, why: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", why);
}
