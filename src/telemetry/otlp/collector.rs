//! The collector: OTLP over HTTP, as protobuf.

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
/// More than any honest answer.
const LONGEST_ANSWER: usize = 1 << 16;
/// More patience than this, and what waits is lost anyway.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Where batches go.
pub(super) struct Collector {
    client: reqwest::Client,
    endpoint: Url,
}

/// Why nothing can be sent to the collector.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// A name in `otlp.headers` that is none.
    #[error(transparent)]
    HeaderName(#[from] InvalidHeaderName),
    /// A value in `otlp.headers` that cannot be sent.
    #[error(transparent)]
    HeaderValue(#[from] InvalidHeaderValue),
    /// The system has no certificates to trust.
    #[error("otlp.endpoint cannot be used")]
    Client(#[source] reqwest::Error),
    /// The collector did not take it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why the collector did not take a batch.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No answer.
    #[error("nobody answers at otlp.endpoint")]
    Unreachable(#[source] reqwest::Error),
    /// It may take the batch later.
    #[error("the collector answers {status}")]
    Busy {
        /// What it says.
        status: StatusCode,
        /// How long it wants to be left alone.
        pause: Option<Duration>,
    },
    /// It wants to know who we are.
    #[error("the collector answers {0}: see otlp.headers")]
    NotLetIn(StatusCode),
    /// Something else answers.
    #[error("{0} at otlp.endpoint: nobody takes spans there over HTTP; its port is usually 4318")]
    NoCollector(StatusCode),
    /// It will not take the batch.
    #[error("the collector answers {0}")]
    Refused(StatusCode),
}

impl Refusal {
    /// Whether the same batch may be taken later, as OTLP defines it.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. })
    }

    /// How long the collector wants to be left alone.
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
        // reqwest asks for a provider of cryptography of the process; the first one stays.
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

    /// Posts an `ExportTraceServiceRequest`. Returns how many of its spans the collector threw away.
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

/// An answer that cannot be read was a success all the same.
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

/// The address stays out: it is in the configuration.
fn unreachable(error: reqwest::Error) -> Refusal {
    Refusal::Unreachable(error.without_url())
}
