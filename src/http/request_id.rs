//! Gives each request an id, which appears in the response header, in every log line about the request and in the run
//! record. Also links the request to its trace, in the log and for the collector.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use tracing::Instrument;
use tracing::field::Empty;

use super::{Front, trace};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The width of the run record's column.
const LONGEST: usize = 64;

/// The id of a request, made only of characters that need no quoting anywhere.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) Arc<str>);

impl RequestId {
    /// Accepts a well-formed id only.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        let is_well_formed = (1..=LONGEST).contains(&text.len()) && text.iter().all(is_plain);
        let text = is_well_formed.then(|| std::str::from_utf8(text).ok())??;
        Some(Self(text.into()))
    }

    pub(super) fn generate() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }
}

/// Takes the request id from a trusted proxy, or generates one, and adds it to the request, the log and the response.
pub(super) async fn name_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let front = request.app_data::<web::Data<Front>>();
    let rules = front.map(|front| Arc::clone(&front.rules.borrow()));
    let is_trusted = rules.as_ref().is_some_and(|rules| {
        let peer = request.peer_addr().map(|peer| peer.ip());
        rules.trust(peer)
    });
    let header = |name: &str| {
        let mut values = request.headers().get_all(name).filter(|_| is_trusted);
        let value = values.next()?.as_bytes();
        // If sent twice, there is no telling which one the proxy wrote.
        values.next().is_none().then_some(value)
    };
    let id = header(X_REQUEST_ID.as_str()).and_then(RequestId::parse);
    let id = id.unwrap_or_else(RequestId::generate);
    // At level error, so that every line that passes the log filter carries the request id.
    let span = tracing::error_span!("request", request.id = %id.0, trace.id = Empty);
    let traced = trace::begin(&request, rules.as_deref(), is_trusted, &span);
    drop(rules);
    let value = HeaderValue::from_str(&id.0);
    request.extensions_mut().insert(id);
    let answered = next.call(request).instrument(traced.clone());
    let mut response = answered.instrument(span).await?;
    trace::end(&traced, &response);
    if let Ok(value) = value {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_something_else_is_not_taken() {
        let longest = "a".repeat(64);
        for name in ["7f3c-9_b.2:x", longest.as_str()] {
            assert_eq!(&*RequestId::parse(name.as_bytes()).unwrap().0, name);
        }
        let too_long = "a".repeat(65);
        for name in ["", "a b", "a\"b", "a\nb", "é", too_long.as_str()] {
            assert!(RequestId::parse(name.as_bytes()).is_none(), "{name}");
        }
        assert_eq!(RequestId::generate().0.len(), 32);
    }
}
