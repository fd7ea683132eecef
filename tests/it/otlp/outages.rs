//! A collector that is down, slow or failing does not affect calls.

use std::time::{Duration, Instant};

use super::ENDPOINT;
use super::collector::{Closed, Mood};
use crate::harness::eventually::until;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

const KNOWN: &[(&str, &str)] = &[("email", "existing@example.com")];
const TROUBLE: &str = "spans cannot be sent: ";
const OVER: &str = "the collector takes all spans again";

#[tokio::test]
async fn an_outage_is_said_once_and_what_waited_is_sent_afterwards() {
    let site = Site::new("71").await;
    let closed = Closed::new();
    let endpoint = closed.endpoint();
    let sidecar = Sidecar::start_with(&site, &[(ENDPOINT, &endpoint)]).await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    sidecar.says(TROUBLE).await;
    let collector = closed.open(Mood::Ill(503));
    until("it is not tried again", async || {
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
        collector.requests() >= 2
    })
    .await;
    collector.set_mood(Mood::Well);
    sidecar.says(OVER).await;
    // The first call's spans, which were queued all that time.
    collector.wait_for(&["POST", "commit"]).await;
    let log = sidecar.log();
    assert_eq!(log.matches(TROUBLE).count(), 1, "{log}");
    assert_eq!(log.matches(OVER).count(), 1, "{log}");
    assert!(log.contains("nobody answers at otlp.endpoint"), "{log}");
}

#[tokio::test]
async fn a_collector_that_refuses_is_told_of_with_the_option_to_look_at() {
    let site = Site::new("71").await;
    for (status, said) in [(401, "see otlp.headers"), (404, "usually 4318")] {
        let closed = Closed::new();
        let endpoint = closed.endpoint();
        let collector = closed.open(Mood::Ill(status));
        let sidecar = Sidecar::start_with(&site, &[(ENDPOINT, &endpoint)]).await;
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
        sidecar.says(said).await;
        assert!(collector.requests() >= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_whether_the_collector_takes_spans() {
    let site = Site::new("71").await;
    for (mood, said) in [
        (Mood::Well, "takes spans"),
        (Mood::Ill(403), "see otlp.headers"),
    ] {
        let closed = Closed::new();
        let endpoint = closed.endpoint();
        let _collector = closed.open(mood);
        let sidecar = Sidecar::unstarted(&site, &[(ENDPOINT, &endpoint)]).await;
        let (_, report, _) = sidecar.output(&["check"]);
        let line = report.lines().find(|line| line.contains(" collector "));
        assert!(line.unwrap_or(&report).contains(said), "{report}");
    }
}

#[tokio::test]
async fn a_silent_collector_slows_no_call_and_hardly_the_end() {
    let site = Site::new("71").await;
    let closed = Closed::new();
    let endpoint = closed.endpoint();
    let collector = closed.open(Mood::Silent);
    let settings = [
        (ENDPOINT, &*endpoint),
        ("FCOM_SIDECAR__OTLP__TIMEOUT_SECONDS", "60"),
    ];
    let mut sidecar = Sidecar::start_with(&site, &settings).await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    until("it is never asked", async || collector.requests() > 0).await;
    // More spans than fit into the queue, while the collector holds the first ones and does not answer.
    for _ in 0..900 {
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    }
    // No call has waited for the minute after which the export is retried.
    assert_eq!(collector.requests(), 1);
    let ending = Instant::now();
    sidecar.tell_to_stop();
    assert!(sidecar.ends().await.success());
    assert!(
        ending.elapsed() < Duration::from_secs(20),
        "{:?}",
        ending.elapsed()
    );
    let log = sidecar.log();
    let told = log
        .lines()
        .find(|line| line.contains("spans were not sent"));
    let told = told.unwrap_or_else(|| panic!("{log}"));
    let mut words = told.split_whitespace().rev();
    let lost: u64 = words.find_map(|word| word.parse().ok()).unwrap();
    assert!((4500..6000).contains(&lost), "{told}");
}

#[tokio::test]
async fn what_is_left_at_the_end_is_sent() {
    let site = Site::new("71").await;
    let closed = Closed::new();
    let endpoint = closed.endpoint();
    let collector = closed.open(Mood::Well);
    let mut sidecar = Sidecar::start_with(&site, &[(ENDPOINT, &endpoint)]).await;
    for _ in 0..20 {
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    }
    sidecar.tell_to_stop();
    assert!(sidecar.ends().await.success());
    let spans = collector.spans();
    let commits = spans.iter().filter(|span| span.name == "commit");
    assert_eq!(commits.count(), 20);
    assert!(!sidecar.log().contains("spans were not sent"));
}
