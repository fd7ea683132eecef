//! Mails that are over and done with are forgotten, and what is kept of them holds no address.

use crate::harness::outbox::{LAST_WORDS, PACE, becomes, create};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, Play};
use crate::harness::tables::numbers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_ended_long_ago_are_forgotten() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__MAIL__RETENTION_DAYS", "3"),
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "off"),
    ];
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    assert!(sidecar.terminate().is_some());
    let many = numbers(2000);
    site.execute(&format!(
        "INSERT INTO wp_fcom_sidecar_mail (user_id, webhook_id, state, next_attempt_at, tried_since, created_at, finished_at)
            SELECT seq, 3, ELT(1 + seq % 4, 'sent', 'skipped', 'dead', 'pending'), ended, ended, ended, IF(seq % 4 = 3, NULL, ended)
            FROM (SELECT seq, UTC_TIMESTAMP() - INTERVAL IF(seq <= 1000, 75, 60) HOUR AS ended FROM {many}) ended_ones"
    ))
    .await;
    sidecar.restart().await;
    let states = "SELECT GROUP_CONCAT(state, ' ', mails ORDER BY state SEPARATOR ', ')
        FROM (SELECT state, COUNT(*) AS mails FROM wp_fcom_sidecar_mail GROUP BY state) counted";
    becomes(
        &site,
        states,
        "dead 250, pending 500, sent 250, skipped 250",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_stays_in_what_the_server_said() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let mut environment = PACE.to_vec();
    environment.push(("FCOM_SIDECAR__SMTP__URL", &url));
    let sidecar = Sidecar::start_with(&site, &environment).await;
    peer.play(&[Play::Recipient(
        "550 5.1.1 <Quoted@example.com>: no such user",
    )]);
    create(&sidecar, "quoted@example.com").await;
    becomes(&site, "SELECT state FROM wp_fcom_sidecar_mail", "dead").await;
    let words = site.text(LAST_WORDS).await.unwrap();
    assert!(words.contains("<\u{2026}>: no such user"), "{words}");
    assert!(!words.contains('@'), "{words}");
}
