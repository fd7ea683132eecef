//! The queue of ended spans to be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// A few megabytes at most, and one second of a busy daemon.
const LONGEST: usize = 4096;

/// The queue's input; it never blocks.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Sender<SpanData>,
    lost: Arc<AtomicU64>,
}

/// The queue's output.
pub(super) struct Ended {
    pub(super) spans: Receiver<SpanData>,
    lost: Arc<AtomicU64>,
}

pub(super) fn queue() -> (Queue, Ended) {
    let (sender, spans) = mpsc::channel(LONGEST);
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue {
        spans: sender,
        lost: Arc::clone(&lost),
    };
    (queue, Ended { spans, lost })
}

impl Ended {
    /// How many spans did not fit since the last call.
    pub(super) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// On shutdown, the exporter sends the rest.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
