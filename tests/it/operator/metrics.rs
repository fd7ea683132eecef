//! The metrics that Prometheus scrapes, those that the alerts and the dashboard query, and the cost of a scrape.

use std::collections::BTreeSet;
use std::sync::Arc;

use fcom_sidecar::outcome::Outcome::{self, NoFreeName, UnreadableWebhook, Unstorable};
use fcom_sidecar::sample::server::PrivateServer;

use crate::harness::metrics::{scrape, value, wait_for};
use crate::harness::programs::program;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, SPACES_HOOK, Site, server_options};

const ALERTS: &str = include_str!("../../../deploy/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/dashboard.json");

#[tokio::test]
async fn calls_are_counted_by_what_became_of_them() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let client = &sidecar.client;
    let new = [
        ("email", "ann@example.com"),
        ("user_password", "correct horse"),
    ];
    client.execute(PLAIN_HOOK, &new).await;
    client.execute(PLAIN_HOOK, &new).await;
    assert_eq!(client.call("no-such-key", &new).await.status, 404);
    assert_eq!(client.call(PLAIN_HOOK, &[("email", "x")]).await.status, 423);
    let get = client.request("GET", "/portal/", &[], b"").await;
    assert_eq!(get.status, 405);

    let text = scrape(client).await;
    for (series, expected) in [
        (r#"fcom_sidecar_calls_total{outcome="created"}"#, 1.0),
        (r#"fcom_sidecar_calls_total{outcome="found"}"#, 1.0),
        (
            r#"fcom_sidecar_calls_total{outcome="unknown_webhook"}"#,
            1.0,
        ),
        (r#"fcom_sidecar_calls_total{outcome="invalid_email"}"#, 1.0),
        (r#"fcom_sidecar_calls_total{outcome="wrong_method"}"#, 1.0),
        (r#"fcom_sidecar_calls_total{outcome="repeated"}"#, 0.0),
        (
            r#"fcom_sidecar_call_duration_seconds_count{lane="new"}"#,
            1.0,
        ),
        (
            r#"fcom_sidecar_call_duration_seconds_count{lane="known"}"#,
            1.0,
        ),
        (
            r#"fcom_sidecar_call_duration_seconds_count{lane="none"}"#,
            3.0,
        ),
        ("fcom_sidecar_password_hash_duration_seconds_count", 1.0),
        ("fcom_sidecar_tally_wait_seconds_count", 2.0),
        ("fcom_sidecar_calls_in_flight", 0.0),
        ("fcom_sidecar_calls_in_flight_limit", 256.0),
        ("fcom_sidecar_database_connections_limit", 16.0),
        ("fcom_sidecar_database_up", 1.0),
    ] {
        let found = value(&text, series);
        assert!((found - expected).abs() < 0.001, "{series} is {found}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let build = format!(r#"fcom_sidecar_build_info{{version="{version}"}}"#);
    assert!(value(&text, &build) > 0.0);
    let now = site.now().await;
    #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
    let age = now as f64 - value(&text, "process_start_time_seconds");
    assert!((-1.0..300.0).contains(&age), "{age}");
    // No mail server is listening, so the mail waits.
    let waiting = r#"fcom_sidecar_mails{state="pending"}"#;
    wait_for(client, waiting, |mails| mails > 0.5).await;
    let tried = r#"fcom_sidecar_mail_attempts_total{state="later"}"#;
    wait_for(client, tried, |attempts| attempts > 0.5).await;
    wait_for(
        client,
        "fcom_sidecar_mail_pending_oldest_age_seconds",
        |age| age > 0.5,
    )
    .await;
}

#[tokio::test]
async fn a_scrape_answers_while_the_database_is_away() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let sidecar = Sidecar::start(&site).await;
    server.kill();
    let text = wait_for(&sidecar.client, "fcom_sidecar_database_up", |up| up < 0.5).await;
    assert!(text.contains("fcom_sidecar_uncounted_runs "), "{text}");
    server.restart().await.unwrap();
    wait_for(&sidecar.client, "fcom_sidecar_database_up", |up| up > 0.5).await;
}

/// Every word in these texts that looks like a metric of ours.
fn named_metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words
        .filter(|word| word.starts_with("fcom_sidecar_") || word.starts_with("process_start_time"));
    ours.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_metric_that_alerts_and_dashboard_name_exists() {
    let site = Site::new("71").await;
    let relay = [("FCOM_SIDECAR__RELAY__ENABLED", "true")];
    let sidecar = Sidecar::start_with(&site, &relay).await;
    // Some series exist only after the first query to the database.
    let asked = "fcom_sidecar_backlog_read_timestamp_seconds";
    let text = wait_for(&sidecar.client, asked, |time| time > 0.0).await;
    let there: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    for file in [ALERTS, DASHBOARD] {
        let named = named_metrics(file);
        assert!(named.len() >= 8, "{named:?}");
        for metric in named {
            assert!(
                there.contains(metric.as_str()),
                "{metric} is not in:\n{text}"
            );
        }
    }
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 8);
}

#[test]
fn prometheus_accepts_the_alerts() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml");
    promtool(&["check", "rules", file]);
}

/// What can pass is answered 503, but for what the webhook's record or the call's own values are the reason of.
#[test]
fn the_alert_about_unavailable_calls_counts_all_of_them() {
    let start = ALERTS.find("FcomSidecarCallsUnavailable").unwrap();
    let expression = ALERTS[start..].split("outcome=~\"").nth(1).unwrap();
    let counted: BTreeSet<&str> = expression.split('"').next().unwrap().split('|').collect();
    let unavailable = Outcome::ALL.iter().filter(|outcome| {
        outcome.may_pass() && ![NoFreeName, UnreadableWebhook, Unstorable].contains(*outcome)
    });
    let unavailable: BTreeSet<&str> = unavailable.map(|outcome| outcome.word()).collect();
    assert_eq!(counted, unavailable);
}

#[test]
fn alerts_fire_when_they_should() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/alerts.test.yml");
    promtool(&["test", "rules", file]);
    // Every alert has a case.
    let cases = include_str!("../../data/alerts.test.yml");
    for alert in ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: FcomSidecar"))
    {
        assert!(cases.contains(alert), "{alert} is not tried");
    }
}

fn promtool(arguments: &[&str]) {
    let output = program("promtool").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A scrape only reads memory: it works while a call holds the only connection and waits.
#[tokio::test]
async fn a_scrape_waits_for_no_database() {
    let site = Site::new("71").await;
    let one = [("FCOM_SIDECAR__DATABASE__MAX_CONNECTIONS", "1")];
    let sidecar = Sidecar::start_with(&site, &one).await;
    let blocker = site.lock(KNOWN_USER).await;
    let client = sidecar.client.clone();
    let fields = [("email", "existing@example.com")];
    let call = tokio::spawn(async move { client.call(SPACES_HOOK, &fields).await });
    site.a_call_waits().await;
    for _ in 0..20 {
        scrape(&sidecar.client).await;
    }
    assert!(!call.is_finished());
    blocker.rollback().await.unwrap();
    assert_eq!(call.await.unwrap().status, 200);
}
