//! Sends spans to an OpenTelemetry collector. The layer turns our spans into OpenTelemetry's and puts the sampled ones
//! into a bounded queue; one task posts them in batches. Ending a span never blocks: a span that does not fit is
//! dropped and counted.
//!
//! We do not use OpenTelemetry's own exporter. It reads `OTEL_*` variables in addition to its settings, and needs a
//! thread that blocks; without those it is no more than a POST.

mod collector;
mod exporter;
mod queue;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prost::Message;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Span};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use self::collector::Collector;
pub use self::collector::OtlpError;
pub use self::exporter::Exporter;
use super::{PHASE_TARGET, TraceContext};
use crate::config::Otlp;

pub(super) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Our spans have a dozen at most. Set explicitly, because otherwise an environment variable sets it.
const MOST_ATTRIBUTES: u32 = 64;

/// The layer that records spans, and the task that sends them.
pub(super) fn start(otlp: &Otlp) -> Result<(SpanLayer, Exporter), OtlpError> {
    let resource = resource(otlp);
    let (queue, spans) = queue::queue();
    let exporter = Exporter::new(Collector::new(otlp)?, spans, &resource);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
            otlp.sample_ratio,
        ))))
        .with_max_attributes_per_span(MOST_ATTRIBUTES)
        .with_max_events_per_span(0)
        .with_max_links_per_span(0)
        .with_span_processor(queue)
        .build();
    // The tracer keeps the provider alive.
    let layer = OpenTelemetryLayer::new(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    let is_phase = |metadata: &Metadata<'_>| metadata.target() == PHASE_TARGET;
    let phases = filter_fn(is_phase).with_max_level_hint(LevelFilter::INFO);
    Ok((layer.with_filter(phases).boxed(), exporter))
}

/// Whether the collector accepts our requests; the request contains no span.
///
/// # Errors
/// The collector does not accept them; the error has the reason.
pub async fn try_collector(otlp: &Otlp) -> Result<(), OtlpError> {
    let collector = Collector::new(otlp)?;
    // Without a body there would be no Content-Length, which some servers want.
    let resource_spans = vec![ResourceSpans::default()];
    let request = ExportTraceServiceRequest { resource_spans };
    collector.post(request.encode_to_vec()).await?;
    Ok(())
}

/// Our resource attributes: several instances share one name.
fn resource(otlp: &Otlp) -> Resource {
    let instance = format!("{:032x}", rand::random::<u128>());
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", otlp.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
        ])
        .build()
}

/// Makes a span that has not been entered yet part of a trace that began elsewhere.
pub(super) fn follow(span: &Span, from: &TraceContext) {
    let flags = if from.is_sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::NOT_SAMPLED
    };
    let parent = SpanContext::new(
        TraceId::from(from.trace_id),
        SpanId::from(from.parent_id),
        flags,
        true,
        from.state.parse::<TraceState>().unwrap_or_default(),
    );
    // A disabled span cannot have a parent.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// Overrides a span's name.
pub(super) fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// The trace that a span belongs to, sampled or not.
pub(super) fn trace_id(span: &Span) -> Option<u128> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    let trace_id = u128::from_be_bytes(context.trace_id().to_bytes());
    context.is_valid().then_some(trace_id)
}
