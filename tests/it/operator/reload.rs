//! SIGHUP: settings that apply at once, settings that need a restart, and configurations that are refused as a whole.

use crate::harness::eventually::until;
use crate::harness::metrics;
use crate::harness::outbox::becomes;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};
use crate::harness::smtp_peer::{Closed, Play};

const KNOWN: &[(&str, &str)] = &[("email", "existing@example.com")];

#[tokio::test]
async fn limits_and_protections_change_without_a_restart() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    sidecar.append_configuration(
        "[limits]\nmax_fields = 1\nmax_calls_in_flight = 7\n\
         [protection.all]\nwebhook_id = 3\nallowed_networks = [\"192.0.2.0/24\"]\n\
         php_may_execute = true\n",
    );
    sidecar.hang_up();
    sidecar.says("only change with a restart").await;
    let log = sidecar.log();
    let said = log
        .lines()
        .find(|line| line.contains("only change with a restart"));
    assert!(
        said.unwrap().contains("limits.max_calls_in_flight"),
        "{log}"
    );
    assert!(!said.unwrap().contains("max_fields"), "{log}");
    assert!(log.contains("protection.all.webhook_id"), "{log}");

    let many = [("email", "existing@example.com"), ("first_name", "x")];
    assert_eq!(sidecar.client.call(PLAIN_HOOK, &many).await.status, 400);
    assert_eq!(sidecar.client.call(PLAIN_HOOK, KNOWN).await.status, 403);
}

#[tokio::test]
async fn the_filter_of_the_log_changes_without_a_restart() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    let mut requests = Vec::new();
    for (reloads, filter) in [(1.0, "error"), (2.0, "info")] {
        sidecar.set_log_filter(filter);
        sidecar.hang_up();
        let applied = r#"fcom_sidecar_config_reloads_total{state="applied"}"#;
        metrics::wait_for(&sidecar.client, applied, |count| count >= reloads).await;
        let answer = sidecar.client.call(PLAIN_HOOK, KNOWN).await;
        requests.push(answer.header("x-request-id").unwrap().to_owned());
    }
    sidecar.says(&requests[1]).await;
    assert!(!sidecar.log().contains(&requests[0]));
}

#[tokio::test]
async fn a_bad_configuration_changes_nothing() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    sidecar.append_configuration("[limits]\nmax_fields = 0\nmax_body_bytes = 1\n");
    sidecar.hang_up();
    sidecar
        .says("configuration not reloaded, the one before stays")
        .await;
    assert!(sidecar.log().contains("limits.max_fields"));
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
}

#[tokio::test]
async fn mails_that_wait_leave_through_a_server_that_is_configured_later() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    sidecar.says("no mail leaves for now").await;
    let closed = Closed::new();
    sidecar.set_mail_server(&format!("smtp://{}", closed.address()));
    let peer = closed.open();
    sidecar.hang_up();
    sidecar
        .says("configuration reloaded; changed: smtp.url")
        .await;
    // The new sender tries at once; there may be nothing to retry any more.
    sidecar.run(&["outbox", "retry", "1"]);
    until("no mail comes", async || !peer.seen().mails.is_empty()).await;
}

/// As where an operator corrects the address of a mail server that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_earlier_mail_server_fails_to_do_is_not_shown_after_a_reload() {
    let (site, stale, closed) = (Site::new("71").await, Closed::new(), Closed::new());
    let environment = [("FCOM_SIDECAR__SMTP__TIMEOUT_SECONDS", "5")];
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.set_mail_server(&format!("smtp://{}", stale.address()));
    let stale = stale.open();
    stale.play(&[Play::Stall; 10]);
    sidecar.hang_up();
    let applied = r#"fcom_sidecar_config_reloads_total{state="applied"}"#;
    metrics::wait_for(&sidecar.client, applied, |count| count >= 1.0).await;
    let ann = &[("email", "ann@example.com")];
    sidecar.client.execute(PLAIN_HOOK, ann).await;
    until("nobody connects", async || {
        !stale.seen().commands.is_empty()
    })
    .await;

    sidecar.set_mail_server(&format!("smtp://{}", closed.address()));
    let peer = closed.open();
    sidecar.hang_up();
    until("no mail comes", async || !peer.seen().mails.is_empty()).await;
    let states = "SELECT GROUP_CONCAT(mail_state) FROM wp_fcom_sidecar_instances";
    becomes(&site, states, "sends").await;
    until("the earlier sender stays", async || stale.is_left()).await;
    // What it says would be on record by then.
    let confirmed = "SELECT CAST(seen_at AS CHAR) FROM wp_fcom_sidecar_instances";
    for _ in 0..2 {
        let before = site.text(confirmed).await;
        until("nothing is confirmed", async || {
            site.text(confirmed).await != before
        })
        .await;
    }
    assert_eq!(site.text(states).await.as_deref(), Some("sends"));
}
