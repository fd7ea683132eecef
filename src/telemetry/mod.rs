//! Makes a running daemon observable: its log, its metrics, and spans of its work.

mod chain;
mod log;
mod metrics;
#[cfg_attr(not(feature = "otlp"), path = "no_otlp.rs")]
mod otlp;
mod phase;
mod terminal;
mod trace_context;

pub use chain::chain;
pub use log::{Filter, FilterError, NewFilter, StartError, start};
pub use metrics::{Backlog, Calls, Glance, Hooks, Hour, Metrics, Minute, Took};
pub use otlp::{Exporter, OtlpError, try_collector};
pub(crate) use phase::{TARGET as PHASE_TARGET, fail, phase};
pub use terminal::{escaped, printable, steers};
pub use trace_context::TraceContext;
use tracing::Span;

/// Makes a new span part of a trace that began elsewhere.
pub fn follow(span: &Span, from: &TraceContext) {
    otlp::follow(span, from);
}

/// Overrides a span's name.
pub fn rename(span: &Span, name: String) {
    otlp::rename(span, name);
}

/// The trace that a span belongs to; only with a collector.
pub fn trace_id(span: &Span) -> Option<u128> {
    otlp::trace_id(span)
}
