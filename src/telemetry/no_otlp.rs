//! Stands in for `otlp` in a binary without it: the configuration refuses a collector there.

use std::convert::Infallible;

use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_subscriber::layer::Identity;

use super::TraceContext;
use crate::config::Otlp;

/// There is none.
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

/// There is no way to a collector.
#[derive(Debug, thiserror::Error)]
#[error("this binary was built without OpenTelemetry")]
pub struct OtlpError;

pub(super) fn start(_: &Otlp) -> Result<(SpanLayer, Exporter), OtlpError> {
    Err(OtlpError)
}

/// Nobody could be told anything.
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
