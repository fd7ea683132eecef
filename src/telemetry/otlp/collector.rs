//! A client for the collector: OTLP over HTTP, as protobuf.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::header::{
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue,
    RETRY_AFTER,
};
use reqwest::{Response, StatusCode, redirect};
use secrecy::ExposeSecret;
use url::Url;

use crate::config::Otlp;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// Larger than any legitimate response.
const LONGEST_ANSWER: usize = 1 << 16;
/// With a longer pause the queued spans would be lost anyway.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The endpoint for batches.
pub(super) struct Collector {
    client: reqwest::Client,
    endpoint: Url,
}

/// Why sending to the collector fails.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// An invalid name in `otlp.headers`.
    #[error(transparent)]
    HeaderName(#[from] InvalidHeaderName),
    /// An invalid value in `otlp.headers`.
    #[error(transparent)]
    HeaderValue(#[from] InvalidHeaderValue),
    /// The system has no trusted certificates.
    #[error("otlp.endpoint cannot be used")]
    Client(#[source] reqwest::Error),
    /// The collector did not accept the batch.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl OtlpError {
    /// Whether `serve` does not start with it.
    pub fn prevents_start(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// Why the collector did not accept a batch.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No answer.
    #[error("nobody answers at otlp.endpoint")]
    Unreachable(#[source] reqwest::Error),
    /// It may accept the batch later.
    #[error("the collector answers {status}")]
    Busy {
        /// Its response status.
        status: StatusCode,
        /// How long it asks us to wait.
        pause: Option<Duration>,
    },
    /// It requires authentication.
    #[error("the collector answers {0}: see otlp.headers")]
    NotLetIn(StatusCode),
    /// The endpoint is not a collector.
    #[error("{0} at otlp.endpoint: nobody takes spans there over HTTP; its port is usually 4318")]
    NoCollector(StatusCode),
    /// It rejects the batch permanently.
    #[error("the collector answers {0}")]
    Refused(StatusCode),
}

impl Refusal {
    /// Whether the same batch may be retried, as OTLP defines it.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. })
    }

    /// How long the collector asks us to wait.
    pub(super) fn pause(&self) -> Option<Duration> {
        match self {
            Self::Busy { pause, .. } => *pause,
            _ => None,
        }
    }
}

impl Collector {
    /// Does not connect yet.
    pub(super) fn new(otlp: &Otlp) -> Result<Self, OtlpError> {
        // reqwest uses the process-wide crypto provider; the first one installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        for (name, value) in &otlp.headers {
            let mut value = HeaderValue::from_str(value.expose_secret())?;
            value.set_sensitive(true);
            headers.append(HeaderName::try_from(name)?, value);
        }
        headers.insert(CONTENT_TYPE, PROTOBUF);
        let client = reqwest::Client::builder()
            .user_agent(concat!("fcom-sidecar/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .default_headers(headers)
            .timeout(otlp.timeout)
            .build()
            .map_err(OtlpError::Client)?;
        let endpoint = otlp.endpoint.clone();
        Ok(Self { client, endpoint })
    }

    /// Posts an `ExportTraceServiceRequest`. Returns how many of its spans the collector rejected.
    pub(super) async fn post(&self, request: Vec<u8>) -> Result<u64, Refusal> {
        let post = self.client.post(self.endpoint.clone()).body(request);
        let response = post.send().await.map_err(unreachable)?;
        let status = response.status();
        match status.as_u16() {
            200..=299 => Ok(thrown_away(response).await),
            429 | 502 | 503 | 504 => Err(Refusal::Busy {
                status,
                pause: pause(&response),
            }),
            401 | 403 => Err(Refusal::NotLetIn(status)),
            300..=399 | 404 | 405 | 415 => Err(Refusal::NoCollector(status)),
            _ => Err(Refusal::Refused(status)),
        }
    }
}

fn pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let pause = Duration::from_secs(seconds.parse().ok()?);
    Some(pause.min(LONGEST_PAUSE))
}

/// A response that cannot be parsed still counts as success.
async fn thrown_away(mut response: Response) -> u64 {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return 0;
        }
    }
    let answer = ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
    let rejected = answer.partial_success.map(|partial| partial.rejected_spans);
    rejected.unwrap_or(0).try_into().unwrap_or(0)
}

/// Drops the URL from the error: it is in the configuration.
fn unreachable(error: reqwest::Error) -> Refusal {
    Refusal::Unreachable(error.without_url())
}
