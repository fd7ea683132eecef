//! What operators see of a running daemon: its log, its metrics, and spans of what it does.

mod chain;
mod log;
mod metrics;
#[cfg_attr(not(feature = "otlp"), path = "no_otlp.rs")]
mod otlp;
mod phase;
mod trace_context;

pub use chain::chain;
pub use log::{Filter, FilterError, NewFilter, StartError, start};
pub use metrics::{Backlog, Hooks, Metrics};
pub use otlp::{Exporter, OtlpError, try_collector};
pub(crate) use phase::{TARGET as PHASE_TARGET, fail, phase};
pub use trace_context::TraceContext;
use tracing::Span;

/// Makes a new span part of a trace that was begun elsewhere.
pub fn follow(span: &Span, from: &TraceContext) {
    otlp::follow(span, from);
}

/// Gives a span another name than the one in the code.
pub fn rename(span: &Span, name: String) {
    otlp::rename(span, name);
}

/// The trace that a span belongs to, while there is a collector.
pub fn trace_id(span: &Span) -> Option<u128> {
    otlp::trace_id(span)
}
