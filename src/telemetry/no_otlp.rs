//! Replaces `otlp` in a binary built without it: the configuration rejects a collector there.

use std::convert::Infallible;

use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_subscriber::layer::Identity;

use super::TraceContext;
use crate::config::Otlp;

/// An exporter that cannot exist.
pub struct Exporter(Infallible);

impl Exporter {
    /// Never runs.
    #[expect(
        clippy::unused_async,
        reason = "so that it is called as the real one is"
    )]
    pub async fn run(self, _: CancellationToken) {
        match self.0 {}
    }
}

pub(super) type SpanLayer = Identity;

/// This binary cannot send spans.
#[derive(Debug, thiserror::Error)]
#[error("this binary was built without OpenTelemetry")]
pub struct OtlpError;

impl OtlpError {
    /// Whether `serve` does not start with it.
    pub fn prevents_start(&self) -> bool {
        true
    }
}

pub(super) fn start(_: &Otlp) -> Result<(SpanLayer, Exporter), OtlpError> {
    Err(OtlpError)
}

/// No collector can be reached.
///
/// # Errors
/// Always.
pub async fn try_collector(_: &Otlp) -> Result<(), OtlpError> {
    Err(OtlpError)
}

pub(super) fn follow(_: &Span, _: &TraceContext) {}

pub(super) fn rename(_: &Span, _: String) {}

pub(super) fn trace_id(_: &Span) -> Option<u128> {
    None
}
