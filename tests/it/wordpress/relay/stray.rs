//! The plugin's answer gets lost: in what else the site prints, in a listener that ends it, or because a listener takes too long.

use std::fs;

use serde_json::{Value, json};

use super::routes::{assert_check_says, check};
use super::trouble::ANN;
use super::{Relayed, WebServer};
use crate::harness::eventually::eventually;
use crate::harness::metrics;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::SPACES_HOOK;

/// As in the defaults of PHP itself.
const UNBUFFERED: &str = "output_buffering=0";

/// Asserts that a call's hooks are fired, and that no wake-up counts as failed.
async fn assert_hooks_are_fired(relayed: &Relayed, sidecar: &Sidecar, server: &WebServer) {
    sidecar.client.execute(SPACES_HOOK, ANN).await;
    relayed.wait_until_none("state = 'pending'").await;
    assert_eq!(relayed.record().len(), 6, "{}", server.log("errors"));
    let answered = r#"fcom_sidecar_wakeups_total{outcome="answered"}"#;
    let text = metrics::wait_for(&sidecar.client, answered, |wakeups| wakeups > 0.5).await;
    let wakeups = text
        .lines()
        .filter(|line| line.starts_with("fcom_sidecar_wakeups_total{"));
    for line in wakeups.filter(|line| !line.contains("answered")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    assert!(!sidecar.log().contains("WordPress cannot be woken"));
}

#[tokio::test]
async fn what_the_site_prints_around_the_answer_does_not_hide_it() {
    let relayed = Relayed::new().await;
    let stray = relayed.plugins().join("stray.php");
    fs::write(&stray, "\u{feff}<?php // A byte order mark.").unwrap();
    let (mut sidecar, server) = relayed.woken_with(&[UNBUFFERED], &[]).await;
    assert_hooks_are_fired(&relayed, &sidecar, &server).await;
    assert_check_says(
        &sidecar,
        "prints before or after the plugin's answer: wp-content/mu-plugins/stray.php:1",
    )
    .await;
    // Nobody but the daemon learns where it is.
    let (_, refused) = super::request(&server, "POST", super::WAKE, &[]).await;
    assert_eq!(refused["printed"], Value::Null);

    fs::write(
        &stray,
        "<?php register_shutdown_function( function () { echo '<!-- {\"done\"} -->'; } );",
    )
    .unwrap();
    assert_check_says(&sidecar, "prints before or after the plugin's answer\"").await;
    fs::remove_file(&stray).unwrap();
    assert_check_says(&sidecar, "the plugin 0.1.0 answers").await;
    sidecar.terminate();
}

#[tokio::test]
async fn a_listener_that_ends_the_answer_delays_nothing() {
    let relayed = Relayed::new().await;
    let (sidecar, server) = relayed.woken().await;
    relayed.trouble_for_all("finish");
    assert_hooks_are_fired(&relayed, &sidecar, &server).await;
}

#[tokio::test]
async fn a_listener_that_takes_too_long_is_not_a_site_that_is_away() {
    let relayed = Relayed::new().await;
    let timeout = [("FCOM_SIDECAR__RELAY__TIMEOUT_SECONDS", "1")];
    let (sidecar, _server) = relayed.woken_with(&[], &timeout).await;
    let ann = sidecar.client.execute(SPACES_HOOK, ANN).await;
    relayed.wait_until_none("state = 'pending'").await;
    relayed.trouble_for_all("too_slow");
    let bob = [("email", "bob@example.com")];
    let bob = sidecar.client.execute(SPACES_HOOK, &bob).await;
    assert!(bob > ann);
    // Nothing has failed; what takes so long is named.
    eventually(async || {
        let (_, said, _) = sidecar.output(&["relay", "status", "--json"]);
        let status: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(status["troubled"], json!([]), "{status}");
        let firing = &status["firing"][0];
        let found = [&firing["kind"], &firing["user_id"], &firing["attempts"]];
        let expected = [&json!("add_user_role"), &json!(bob), &json!(1)];
        (found == expected).then_some(()).ok_or(said)
    })
    .await;
    let (_, said, _) = sidecar.output(&["relay", "status"]);
    let named = format!("being fired:  add_user_role of user {bob}, attempt 1 (event ");
    assert!(said.contains(&named), "{said}");

    sidecar
        .says("WordPress may have been woken, but the site has not answered within relay.timeout_seconds")
        .await;
    let too_slow = r#"fcom_sidecar_wakeups_total{outcome="too_slow"}"#;
    metrics::wait_for(&sidecar.client, too_slow, |wakeups| wakeups > 0.5).await;
    assert!(!sidecar.log().contains("does not answer at relay.url"));
}

#[tokio::test]
async fn what_php_runs_counts_not_the_file_that_it_has_not_read_again() {
    let relayed = Relayed::new().await;
    let plugin = relayed.plugins().join("fcom-sidecar.php");
    let text = fs::read_to_string(&plugin).unwrap();
    let older: String = text
        .split_inclusive('\n')
        .map(|line| match line {
            line if line.starts_with("const EDITION = ") => "const EDITION = 'older';\n",
            line => line,
        })
        .collect();
    assert_ne!(older, text);
    fs::write(&plugin, older).unwrap();
    // Not even if the file is younger than two seconds.
    let opcache = [
        "opcache.enable=1",
        "opcache.validate_timestamps=0",
        "opcache.file_update_protection=0",
    ];
    let (sidecar, _server) = relayed.woken_with(&opcache, &[]).await;
    let edition = "the plugin is another edition of 0.1.0 than this daemon's";
    eventually(async || {
        let report = check(&sidecar);
        report.contains(edition).then_some(()).ok_or(report)
    })
    .await;
    fs::write(&plugin, &text).unwrap();
    let report = check(&sidecar);
    let unread = format!("{edition}: PHP has not read its present file yet");
    assert!(report.contains(&unread), "{report}");
    assert!(report.contains("reload PHP-FPM"), "{report}");
}
