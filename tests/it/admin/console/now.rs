//! Pages show what holds now: not what a reload has read, nor what was counted some seconds ago.

use super::browser::Browser;
use crate::harness::eventually::eventually;
use crate::harness::management::start;
use crate::harness::site::Site;

const POLL: (&str, &str) = ("HX-Request", "true");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_a_restart_is_not_shown_as_if_it_held() {
    let site = Site::new("71").await;
    let mut sidecar = start(&site).await;
    site.execute(
        "INSERT INTO wp_fcom_sidecar_shadow (started_at, ended_at, webhook_id, verdict, findings)
         VALUES (UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 3, 'equal', NULL)",
    )
    .await;
    sidecar.append_configuration("[relay]\nenabled = true\n[shadow]\nretention_days = 17\n");
    sidecar.hang_up();
    let line = "these options only change with a restart: relay.enabled, shadow.retention_days";
    sidecar.says(line).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/hooks").await;
    browser.assert_says("The relay is off");
    browser.get("/console/shadow").await;
    browser.assert_says("in the 30 days that are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_are_counted_when_their_page_is_loaded() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    site.execute(
        "INSERT INTO wp_fcom_sidecar_mail (id, user_id, webhook_id, state, attempts, next_attempt_at, tried_since, last_error, created_at)
         VALUES (1, 2, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'Full', UTC_TIMESTAMP()),
             (2, 3, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'Full', UTC_TIMESTAMP())",
    )
    .await;
    browser.get("/console/mails").await;
    browser.assert_says("2 mails were given up");
    let badge = "id=\"count-mails\"";
    assert!(browser.text().contains(&format!("{badge}>2<")));
    // With the rows, a poll brings what is to be done about them.
    assert!(
        browser
            .text()
            .contains("hx-select-oob=\"#lede,#all,#stuck,#list,")
    );
    assert!(browser.text().contains("<div class=\"acts\" id=\"all\">"));
    browser.post("/console/mails/retry", &[]).await;
    browser.assert_says("2 mails given up before are due at once");
    let words = browser.words();
    assert!(!words.contains("were given up"), "{words}");
    assert!(browser.text().contains(&format!("{badge} hidden>")));
    assert!(
        browser
            .text()
            .contains("<div class=\"acts\" id=\"all\" hidden></div>")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_committed_after_a_later_one_comes_up_by_itself() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    let run = async |id: u32| {
        site.execute(&format!(
            "INSERT INTO wp_fcom_sidecar_runs (id, call_id, webhook_id, user_id, outcome, changes, duration_ms, created_at, tallied)
             VALUES ({id}, UNHEX(LPAD(HEX({id}), 32, '0')), 3, 2, 'found', '{{}}', 1, UTC_TIMESTAMP(), 1)"
        ))
        .await;
    };
    run(5000).await;
    browser.get("/console/runs").await;
    assert!(browser.text().contains("runs/5000\""));
    run(4999).await;
    browser.headers.push(POLL);
    eventually(async || {
        browser.get("/console/runs").await;
        let text = browser.text();
        text.contains("runs/4999\"").then_some(()).ok_or(text)
    })
    .await;
}
