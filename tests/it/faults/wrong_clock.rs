//! A machine whose clock is wrong says so, and makes no links that WordPress would refuse.

use super::clock_jumps::library;
use crate::harness::http::{self, Response};
use crate::harness::outbox::{LAST_STATE, becomes, create};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
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
