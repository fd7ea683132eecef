//! A machine whose clock is wrong says so, and makes no links that WordPress would refuse.

use super::clock_jumps::library;
use crate::harness::client::FORM;
use crate::harness::http::{self, Response};
use crate::harness::invariants;
use crate::harness::outbox::{LAST_STATE, becomes, create};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site, target};
use crate::harness::smtp_peer::Closed;

async fn ready(sidecar: &Sidecar) -> Response {
    let asked = http::request(sidecar.client.admin, "GET", "/readyz", &[], b"");
    asked.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_a_day_off_is_told_and_links_follow_the_database() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let (url, library) = (
        format!("smtp://{}", closed.address()),
        library().display().to_string(),
    );
    let _peer = closed.open();
    for (offset, words) in [
        ("-1d", "s behind the database's"),
        ("+1d", "s ahead of the database's"),
    ] {
        let environment = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", offset),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("FCOM_SIDECAR__SMTP__URL", &url),
        ];
        let sidecar = Sidecar::start_with(&site, &environment).await;
        sidecar.says("the clock is wrong: ").await;
        assert!(sidecar.log().contains(words), "{}", sidecar.log());
        let told = ready(&sidecar).await;
        assert_eq!(told.status, 200);
        assert!(told.text().contains(words), "{}", told.text());
        create(&sidecar, &format!("clock{offset}@example.com")).await;
        becomes(&site, LAST_STATE, "sent").await;
        let is_right = "SELECT ABS(CAST(SUBSTRING_INDEX(user_activation_key, ':', 1) AS SIGNED) - UNIX_TIMESTAMP()) < 3600
            FROM wp_users ORDER BY ID DESC LIMIT 1";
        assert_eq!(site.number(is_right).await, 1);
    }
    let right = Sidecar::start(&site).await;
    let told = ready(&right).await;
    assert!(!told.text().contains("clock"), "{}", told.text());
}

/// What it takes for old may be of today, and what it wrote itself is of the future for everybody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_ahead_makes_nobody_forget_or_overlook_anything() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let _peer = closed.open();
    let call = async |sidecar: &Sidecar| {
        let headers = [("Content-Type", FORM), ("Idempotency-Key", "one order")];
        let (body, target) = (b"email=keyed%40example.com", target(SPACES_HOOK));
        let answer = sidecar.client.request("POST", &target, &headers, body);
        let answer = answer.await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let mut right = Sidecar::start(&site).await;
    let first = call(&right).await;
    right.terminate();

    let library = library().display().to_string();
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME", "+2d"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("FCOM_SIDECAR__SMTP__URL", &url),
    ];
    let mut ahead = Sidecar::start_with(&site, &environment).await;
    ahead.says("nothing old is deleted").await;
    // Everything that the start began has had its time.
    create(&ahead, "ahead@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    assert_eq!(call(&ahead).await, first);
    invariants::wait_for_tally(&site).await;
    ahead.kill();
    // As if it had been killed before it counted its run.
    site.execute(&format!(
        "UPDATE wp_fcom_sidecar_runs SET tallied = 0 WHERE created_at > UTC_TIMESTAMP() + INTERVAL 1 DAY; \
         UPDATE wp_fcom_meta SET value = REPLACE(value, 's:13:\"running_count\";i:1;', 's:13:\"running_count\";i:0;') \
         WHERE meta_key = '{PLAIN_HOOK}'"
    ))
    .await;
    right.restart().await;
    right.says("counted 1 runs that were left behind").await;
    assert_eq!(call(&right).await, first);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
