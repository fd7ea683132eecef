//! The wake-up route: quick, open only to the daemon, and without side effects.

use std::time::Instant;

use serde_json::json;

use super::super::release;
use super::{PACE, PREFIX, Relayed, SECRET, WAKE, request, signed};
use crate::harness::eventually::{eventually, until};
use crate::harness::metrics;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, SPACES_HOOK};

const ANN: &[(&str, &str)] = &[("email", "ann@example.com")];

const PRETTY: &str = "/wp-json/fcom-sidecar/v1/wake";

#[tokio::test]
async fn a_hook_is_fired_right_after_the_answer() {
    let relayed = Relayed::new().await;
    let (sidecar, _server) = relayed.woken().await;
    let mut delays = Vec::new();
    for n in 0..5 {
        let email = format!("user{n}@example.com");
        sidecar
            .client
            .execute(SPACES_HOOK, &[("email", &email)])
            .await;
        relayed.wait_until_none("state = 'pending'").await;
        let delay = format!(
            "SELECT MIN(TIMESTAMPDIFF(MICROSECOND, created_at, finished_at) DIV 1000) FROM {PREFIX}fcom_sidecar_events \
             WHERE user_id = (SELECT MAX(user_id) FROM {PREFIX}fcom_sidecar_events)"
        );
        delays.push(relayed.site.number(&delay).await);
    }
    assert_eq!(relayed.record().len(), 30);
    let delay = "fcom_sidecar_event_last_delay_seconds";
    let text = metrics::wait_for(&sidecar.client, delay, |seconds| seconds > 0.0).await;
    let answered = r#"fcom_sidecar_wakeups_total{outcome="answered"}"#;
    assert!(metrics::value(&text, answered) > 0.5, "{text}");
    // Far below WP-Cron's interval. On an idle machine, a tenth of this.
    assert!(
        delays.iter().min().is_some_and(|&least| least < 2000),
        "{delays:?}"
    );
    eprintln!("milliseconds from the call to the first hook: {delays:?}");
}

#[tokio::test]
async fn nobody_but_the_daemon_wakes_the_plugin() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let server = relayed.serve().await;
    sidecar.client.execute(SPACES_HOOK, ANN).await;
    let now = relayed.site.now().await;
    let right = signed(SECRET, now, "wake");
    for (what, method, target, headers, expected) in [
        ("no signature", "POST", WAKE, Vec::new(), 401),
        ("no signature", "POST", PRETTY, Vec::new(), 401),
        (
            "another secret",
            "POST",
            WAKE,
            signed("another secret, as long", now, "wake"),
            401,
        ),
        (
            "too old",
            "POST",
            WAKE,
            signed(SECRET, now - 400, "wake"),
            401,
        ),
        (
            "not yet",
            "POST",
            WAKE,
            signed(SECRET, now + 400, "wake"),
            401,
        ),
        (
            "for something else",
            "POST",
            WAKE,
            signed(SECRET, now, "status"),
            401,
        ),
        ("no time", "POST", WAKE, right[1..].to_vec(), 401),
        ("looked at", "GET", WAKE, right.clone(), 404),
        (
            "unsigned status",
            "POST",
            "/?rest_route=/fcom-sidecar/v1/status",
            Vec::new(),
            401,
        ),
        (
            "elsewhere",
            "POST",
            "/?rest_route=/fcom-sidecar/v1/other",
            right.clone(),
            404,
        ),
    ] {
        let (status, body) = request(&server, method, target, &headers).await;
        assert_eq!(status, expected, "{what}: {body}");
        assert_eq!(relayed.heard(), [""; 0], "{what}");
    }
    // A flood costs less than pages do, because no plugin is loaded for it.
    let began = Instant::now();
    for _ in 0..30 {
        assert_eq!(request(&server, "POST", WAKE, &[]).await.0, 401);
    }
    let refused = began.elapsed();
    let began = Instant::now();
    for _ in 0..30 {
        request(&server, "GET", "/?rest_route=/", &[]).await;
    }
    assert!(
        refused < began.elapsed(),
        "{refused:?} {:?}",
        began.elapsed()
    );
    assert_eq!(relayed.heard(), [""; 0]);

    let (status, ran) = request(&server, "POST", WAKE, &right).await;
    assert_eq!(
        (status, ran),
        (200, json!({"done": 6, "failed": 0, "more": false}))
    );
    // A replayed request does nothing.
    let (status, ran) = request(&server, "POST", PRETTY, &right).await;
    assert_eq!((status, &ran["done"]), (200, &json!(0)));
    assert_eq!(relayed.record().len(), 6);
}

#[tokio::test]
async fn without_a_secret_the_route_is_closed_and_wp_cron_does_the_work() {
    let relayed = Relayed::with(&PACE.replace("FCOM_SIDECAR_SECRET", "ANOTHER_CONSTANT")).await;
    let (sidecar, server) = relayed.woken().await;
    let headers = signed("", relayed.site.now().await, "wake");
    let (status, body) = request(&server, "POST", WAKE, &headers).await;
    assert_eq!(status, 403, "{body}");
    sidecar.client.execute(MEMBERS_HOOK, ANN).await;
    sidecar.says("define FCOM_SIDECAR_SECRET").await;
    // WP-Cron fires them only after a period that it leaves to the wake-up.
    until("WP-Cron fires nothing", async || {
        request(&server, "GET", "/wp-cron.php", &[]).await;
        relayed.count("state = 'pending'").await == 0
    })
    .await;
    assert_eq!(relayed.record().len(), 7);
}

#[tokio::test]
async fn nothing_is_left_behind_by_the_plugin() {
    let relayed = Relayed::new().await;
    let names = async || relayed.php("cron", json!({})).await;
    let nothing = names().await;
    assert_eq!(nothing["names"], json!([]));
    let sidecar = relayed.sidecar(&[]).await;
    let server = relayed.serve().await;
    sidecar.client.execute(SPACES_HOOK, ANN).await;
    until("WP-Cron does not see it", async || {
        let ready = names().await["ready"].to_string();
        ready.contains("fcom_sidecar_relay")
    })
    .await;
    // When WP-Cron is asked to write its list, it omits our entry.
    request(&server, "GET", "/wp-cron.php", &[]).await;
    relayed.wait_until_none("state = 'pending'").await;
    let after = names().await;
    assert_eq!(after["names"], json!([]));
    assert!(
        !after["ready"].to_string().contains("fcom_sidecar_relay"),
        "{after}"
    );

    // Removed while an event waits.
    sidecar
        .client
        .execute(SPACES_HOOK, &[("email", "bob@example.com")])
        .await;
    std::fs::remove_file(relayed.plugins().join("fcom-sidecar.php")).unwrap();
    request(&server, "GET", "/wp-cron.php", &[]).await;
    let gone = names().await;
    assert_eq!(gone["names"], json!([]));
    let right = signed(SECRET, relayed.site.now().await, "wake");
    assert_eq!(request(&server, "POST", WAKE, &right).await.0, 404);
    assert!(!gone["ready"].to_string().contains("sidecar"));
    assert_eq!(relayed.record().len(), 6);
}

#[tokio::test]
async fn while_the_relay_is_off_nothing_is_written() {
    let relayed = Relayed::new().await;
    let sidecar = relayed
        .sidecar(&[("FCOM_SIDECAR__RELAY__ENABLED", "false")])
        .await;
    sidecar.client.execute(MEMBERS_HOOK, ANN).await;
    assert_eq!(relayed.count("1 = 1").await, 0);
    assert_eq!(relayed.run().await["done"], 0);
}

/// The relay's checks in the report of `check`, one line each.
pub(super) fn check(sidecar: &Sidecar) -> String {
    let before = sidecar.log().len();
    sidecar.run(&["check", "--json"]);
    sidecar.log().split_off(before)
}

/// PHP looks for changed files every few seconds only.
pub(super) async fn assert_check_says(sidecar: &Sidecar, said: &str) {
    eventually(async || {
        let report = check(sidecar);
        let is_said = report.contains(said);
        is_said
            .then_some(())
            .ok_or_else(|| format!("{said}: {report}"))
    })
    .await;
}

#[tokio::test]
async fn check_tells_whether_the_plugin_is_there_and_who_listens() {
    let relayed = Relayed::new().await;
    let (mut sidecar, server) = relayed.woken().await;
    sidecar.terminate();
    let report = check(&sidecar);
    let version = release::version();
    for said in [
        &*format!("the plugin 0.1.0 answers, on WordPress {version} and PHP "),
        "recorder.php (add_user_role, set_user_role, user_register, add_user_to_blog, fluent_community/space/joined",
        "0 hooks wait; none was fired yet",
        "the relay fires their hooks",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
    // WordPress's own listeners are not reported.
    assert!(!report.contains("wp-includes ("), "{report}");

    let plugin = relayed.plugins().join("fcom-sidecar.php");
    let text = std::fs::read_to_string(&plugin).unwrap();
    let older = text.replace("VERSION = '0.1.0'", "VERSION = '0.0.1'");
    std::fs::write(&plugin, older).unwrap();
    assert_check_says(&sidecar, "the plugin is of release 0.0.1").await;
    // A file that changed without its version.
    let edited = text.replace("const HEADS = 20;", "const HEADS = 2;");
    assert_ne!(edited, text);
    std::fs::write(&plugin, edited).unwrap();
    assert_check_says(&sidecar, "the plugin is another edition of 0.1.0").await;
    std::fs::write(&plugin, text.replace('\n', "\r\n")).unwrap();
    assert_check_says(&sidecar, "the plugin 0.1.0 answers").await;
    let maintenance = relayed.installation.root().join(".maintenance");
    std::fs::write(&maintenance, "<?php $upgrading = time();").unwrap();
    assert_check_says(
        &sidecar,
        "the site answers 503 Service Unavailable: it is in maintenance",
    )
    .await;
    std::fs::remove_file(&maintenance).unwrap();
    std::fs::remove_file(&plugin).unwrap();
    assert_check_says(&sidecar, "the plugin is not there").await;
    std::fs::write(&plugin, &text).unwrap();
    let config = relayed.installation.root().join("wp-config.php");
    let settings = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        settings.replace(SECRET, "some other secret of theirs"),
    )
    .unwrap();
    assert_check_says(&sidecar, "the plugin refuses us").await;
    drop(server);
    assert_check_says(&sidecar, "the site does not answer at relay.url").await;
}
