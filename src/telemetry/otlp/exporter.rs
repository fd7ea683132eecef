//! The task that sends spans in batches.

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

/// Spans in one request.
const BATCH: usize = 512;
/// The longest that a span waits for others.
const GATHERING: Duration = Duration::from_secs(1);
/// A batch is tried so often.
const TRIES: u32 = 5;
/// After a try that failed; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// What is left at the end may take so long.
const LAST: Duration = Duration::from_secs(3);
/// Nothing was lost for so long: the collector keeps up again.
const CALM: Duration = Duration::from_secs(30);

/// Sends spans to the collector; [`run`](Self::run) it.
pub struct Exporter {
    collector: Collector,
    ended: Ended,
    resource: ResourceAttributesWithSchema,
    /// Taken from the queue, and not delivered yet.
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

    /// Sends what comes until `stop` is cancelled, and then, in limited time, what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        // Whatever is interrupted is still in the batch.
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

    /// Empties the batch, unless it is worth another try, after a pause.
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

    /// Whether the collector took it all; no second tries.
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

/// What goes wrong is said once, and when it is over, with how much it was.
#[derive(Default)]
struct Trouble {
    said: Option<Kind>,
    lost: u64,
    last_loss: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The collector does not take anything.
    Away,
    /// It takes less than there is.
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

    /// A batch was taken, after `unfitting` spans found no room, and without those that were thrown away.
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

    /// The daemon ends.
    fn end(self, unfitting: u64) {
        let lost = self.lost + unfitting;
        if lost > 0 {
            tracing::warn!("{lost} spans were not sent");
        }
    }
}
