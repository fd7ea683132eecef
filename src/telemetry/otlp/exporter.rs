//! Runs the task that sends spans in batches.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, Refusal};
use super::queue::Ended;
use crate::telemetry::chain;

/// Maximum spans per request.
const BATCH: usize = 512;
/// The longest time a span waits for its batch to fill.
const GATHERING: Duration = Duration::from_secs(1);
/// Attempts per batch.
const TRIES: u32 = 5;
/// Delay after a failed attempt; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Time limit for sending the rest at shutdown.
const LAST: Duration = Duration::from_secs(3);
/// After this long without a loss, the collector keeps up again.
const CALM: Duration = Duration::from_secs(30);

/// Sends spans to the collector; start it with [`run`](Self::run).
pub struct Exporter {
    collector: Collector,
    ended: Ended,
    resource: ResourceAttributesWithSchema,
    /// Taken from the queue but not yet delivered.
    batch: Vec<SpanData>,
    tries: u32,
    trouble: Trouble,
}

impl Exporter {
    pub(super) fn new(collector: Collector, ended: Ended, resource: &Resource) -> Self {
        Self {
            collector,
            ended,
            resource: resource.into(),
            batch: Vec::with_capacity(BATCH),
            tries: 0,
            trouble: Trouble::default(),
        }
    }

    /// Sends spans as they come until `stop` is cancelled, and then, within a time limit, the rest.
    pub async fn run(mut self, stop: CancellationToken) {
        // An interrupted batch is still in `self.batch`.
        let _ = stop.run_until_cancelled(self.send_as_they_come()).await;
        let sent = tokio::time::timeout(LAST, self.send_the_rest()).await;
        if !sent.unwrap_or(false) {
            self.trouble.lost += (self.batch.len() + self.ended.spans.len()) as u64;
        }
        self.trouble.end(self.ended.lost());
    }

    async fn send_as_they_come(&mut self) {
        loop {
            self.gather().await;
            while !self.batch.is_empty() {
                if let Some(pause) = self.try_batch().await {
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn gather(&mut self) {
        let Self { ended, batch, .. } = self;
        ended.spans.recv_many(batch, BATCH).await;
        let until = tokio::time::Instant::now() + GATHERING;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let more = ended.spans.recv_many(batch, room);
            if tokio::time::timeout_at(until, more).await.is_err() {
                break;
            }
        }
    }

    /// Clears the batch, unless it is worth a retry. Returns the delay after a failure.
    async fn try_batch(&mut self) -> Option<Duration> {
        let spans = self.batch.len() as u64;
        match self.post().await {
            Ok(thrown_away) => {
                self.batch.clear();
                self.tries = 0;
                self.trouble.is_over(self.ended.lost(), thrown_away);
                None
            }
            Err(refusal) => {
                self.trouble.note(&refusal);
                self.tries = self.tries.saturating_add(1);
                if !refusal.may_pass() || self.tries.is_multiple_of(TRIES) {
                    self.batch.clear();
                    self.trouble.lost += spans;
                }
                let doubled = FIRST_PAUSE.saturating_mul(1 << (self.tries - 1).min(10));
                Some(
                    refusal
                        .pause()
                        .unwrap_or_default()
                        .max(doubled.min(LONGEST_PAUSE)),
                )
            }
        }
    }

    /// Returns whether the collector accepted everything; does not retry.
    async fn send_the_rest(&mut self) -> bool {
        loop {
            while self.batch.len() < BATCH
                && let Ok(span) = self.ended.spans.try_recv()
            {
                self.batch.push(span);
            }
            if self.batch.is_empty() {
                return true;
            }
            match self.post().await {
                Ok(_) => self.batch.clear(),
                Err(refusal) => {
                    self.trouble.note(&refusal);
                    return false;
                }
            }
        }
    }

    async fn post(&self) -> Result<u64, Refusal> {
        let resource_spans = group_spans_by_resource_and_scope(self.batch.clone(), &self.resource);
        let request = ExportTraceServiceRequest { resource_spans };
        self.collector.post(request.encode_to_vec()).await
    }
}

/// Logs a problem once, and its end with the number of lost spans.
#[derive(Default)]
struct Trouble {
    said: Option<Kind>,
    lost: u64,
    last_loss: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The collector accepts nothing.
    Away,
    /// It cannot keep up with the spans.
    Slow,
}

impl Trouble {
    fn note(&mut self, refusal: &Refusal) {
        let why = chain(refusal);
        if self.said == Some(Kind::Away) {
            tracing::debug!("spans wait: {why}");
            return;
        }
        tracing::warn!(
            "spans cannot be sent: {why}. Calls go on; of the spans, the latest are lost"
        );
        self.said = Some(Kind::Away);
    }

    /// A batch was accepted; `unfitting` spans did not fit into the queue, and the collector rejected `thrown_away`.
    fn is_over(&mut self, unfitting: u64, thrown_away: u64) {
        self.lost += unfitting + thrown_away;
        if self.said == Some(Kind::Away) {
            self.say_over();
        } else if unfitting + thrown_away > 0 {
            self.last_loss = Some(Instant::now());
            if self.said.is_none() {
                tracing::warn!(
                    "spans are lost: the collector takes fewer than there are; lower otlp.sample_ratio"
                );
                self.said = Some(Kind::Slow);
            }
        } else if self.said.is_some() && self.last_loss.is_none_or(|loss| loss.elapsed() > CALM) {
            self.say_over();
        }
    }

    fn say_over(&mut self) {
        let lost = self.lost;
        tracing::info!("the collector takes all spans again; {lost} were lost");
        *self = Self::default();
    }

    /// Called at shutdown.
    fn end(self, unfitting: u64) {
        let lost = self.lost + unfitting;
        if lost > 0 {
            tracing::warn!("{lost} spans were not sent");
        }
    }
}
