//! What operators see of a running daemon: its log, its metrics, and spans of what it does.

mod log;
mod metrics;
#[cfg_attr(not(feature = "otlp"), path = "no_otlp.rs")]
mod otlp;
mod phase;
mod trace_context;

use std::error::Error;

pub use log::{Filter, NewFilter, start};
pub use metrics::{Backlog, Hooks, Metrics};
pub use otlp::{Exporter, try_collector};
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

/// An error with all its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
