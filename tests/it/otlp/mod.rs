//! Traces: which trace a request belongs to, and which spans an OpenTelemetry collector receives.

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod outages;
#[cfg(feature = "otlp")]
mod spans;

use crate::harness::client::FORM;
use crate::harness::http::Response;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, target};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const ENDPOINT: &str = "FCOM_SIDECAR__OTLP__ENDPOINT";
const TRUSTED_PROXIES: &str = "FCOM_SIDECAR__SERVER__TRUSTED_PROXIES";

/// A call for an existing user, in a trace.
async fn call_in_trace(sidecar: &Sidecar, parents: &[&str]) -> Response {
    let mut headers = vec![("Content-Type", FORM), ("tracestate", "shop=7")];
    headers.extend(parents.iter().map(|parent| ("traceparent", *parent)));
    let body = b"email=existing%40example.com";
    let client = &sidecar.client;
    let response = client
        .request("POST", &target(PLAIN_HOOK), &headers, body)
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    response
}

/// The log line about the request of this answer.
fn line_about(sidecar: &Sidecar, response: &Response) -> String {
    let id = response.header("x-request-id").unwrap();
    let log = sidecar.log();
    let line = log
        .lines()
        .find(|line| line.contains(id) && line.contains("status"));
    line.unwrap_or_else(|| panic!("no {id} in:\n{log}"))
        .to_owned()
}

#[tokio::test]
async fn log_lines_name_the_trace_that_a_trusted_proxy_names() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let response = call_in_trace(&sidecar, &[&parent]).await;
    assert!(line_about(&sidecar, &response).contains(TRACE));
    for parents in [&[&*parent, &*parent][..], &["00-0-0-01"], &[]] {
        let response = call_in_trace(&sidecar, parents).await;
        assert!(!line_about(&sidecar, &response).contains(TRACE));
    }

    let sidecar = Sidecar::start_with(&site, &[(TRUSTED_PROXIES, "192.0.2.1")]).await;
    let response = call_in_trace(&sidecar, &[&parent]).await;
    assert!(!line_about(&sidecar, &response).contains(TRACE));
}

#[cfg(not(feature = "otlp"))]
#[tokio::test]
async fn a_collector_is_refused_by_a_binary_that_cannot_tell_it_anything() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::unstarted(&site, &[(ENDPOINT, "http://127.0.0.1:4318")]).await;
    for command in ["serve", "check"] {
        let (succeeded, said, errors) = sidecar.output(&[command]);
        assert!(!succeeded);
        let text = said + &errors;
        assert!(text.contains("otlp.endpoint"), "{text}");
        assert!(text.contains("--features otlp"), "{text}");
    }
}
