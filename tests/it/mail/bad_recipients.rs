//! Recipients that the mail server does not take, among others that it takes: they hold up nobody for long, and end.

use crate::harness::eventually::until;
use crate::harness::outbox::{PACE, becomes, create};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, SmtpPeer};

const URL: &str = "FCOM_SIDECAR__SMTP__URL";
const BAD: usize = 8;

/// A server that answers bad recipients with this line, and users who have them.
async fn with_bad_recipients(line: &'static str, patience: &str) -> (Site, SmtpPeer, Sidecar) {
    with(|peer| peer.refuse("bad", line), patience).await
}

/// Pauses take no longer than `patience` in seconds.
async fn with(behave: impl FnOnce(&SmtpPeer), patience: &str) -> (Site, SmtpPeer, Sidecar) {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    behave(&peer);
    let mut environment = PACE.to_vec();
    environment.extend([
        (URL, url.as_str()),
        ("FCOM_SIDECAR__MAIL__CONNECTIONS", "1"),
        ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", patience),
        ("FCOM_SIDECAR__MAIL__LONGEST_RETRY_SECONDS", patience),
    ]);
    let sidecar = Sidecar::start_with(&site, &environment).await;
    for user in 0..BAD {
        create(&sidecar, &format!("bad{user}@example.com")).await;
    }
    (site, peer, sidecar)
}

async fn of_bad(site: &Site, what: &str) -> u64 {
    let mails = format!(
        "SELECT COUNT(*) FROM wp_fcom_sidecar_mail m JOIN wp_users u ON u.ID = m.user_id
        WHERE u.user_email LIKE 'bad%' AND {what}"
    );
    site.number(&mails).await
}

/// Creates a user whom the server takes; asserts that two tries later at most the mail has left, beside one that is under way.
async fn good_one_leaves(site: &Site, peer: &SmtpPeer, sidecar: &Sidecar, number: usize) {
    let address = format!("good{number}@example.com");
    let before = peer.named().len();
    create(sidecar, &address).await;
    let sent = format!(
        "SELECT m.state FROM wp_fcom_sidecar_mail m JOIN wp_users u ON u.ID = m.user_id
        WHERE u.user_email = '{address}'"
    );
    becomes(site, &sent, "sent").await;
    let named = peer.named();
    let tries = named[before..].iter().position(|name| *name == address);
    assert!(tries.unwrap() <= 2, "{:?}", &named[before..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recipients_that_cannot_be_reached_now_are_not_taken_for_a_server_that_throttles() {
    let line = "450 4.1.2 <bad>: Recipient address rejected: Domain not found";
    let (site, peer, sidecar) = with_bad_recipients(line, "900").await;
    until("not all are tried", async || {
        of_bad(&site, "m.last_error IS NOT NULL").await == BAD as u64
    })
    .await;
    good_one_leaves(&site, &peer, &sidecar, 0).await;
    let once = "m.state = 'pending' AND m.attempts = 1";
    assert_eq!(of_bad(&site, once).await, BAD as u64);
    assert_eq!(peer.named().len(), BAD + 1);
    assert!(!sidecar.log().contains("no mail leaves"));
}

/// Those who are not taken come in a row, as when a server takes none: they wait, and the others leave.
async fn they_hold_up_no_others(line: &'static str) {
    let (site, peer, sidecar) = with_bad_recipients(line, "1").await;
    for number in 0..3 {
        let tried = peer.named().len();
        until("no more tries", async || peer.named().len() >= tried + BAD).await;
        good_one_leaves(&site, &peer, &sidecar, number).await;
    }
    let log = sidecar.log();
    assert!(log.matches("is given up").count() <= BAD, "{log}");
    // None of them is given up for good.
    let tried = peer.named().len();
    until("no more tries", async || peer.named().len() >= tried + BAD).await;
    peer.refuse("nobody", line);
    until("not all are taken", async || {
        of_bad(&site, "m.state = 'sent'").await == BAD as u64
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recipients_that_are_put_off_hold_up_no_others() {
    they_hold_up_no_others("450 who is that").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recipients_that_are_refused_hold_up_no_others() {
    they_hold_up_no_others("550 no such user").await;
}

/// As where a provider counts mails by the hour: what it refuses at the end of one, it takes in another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_is_told_as_a_refusal_loses_no_mail() {
    const QUOTA: usize = 3;
    let line = "550 Domain club.example has exceeded the max emails per hour";
    let throttle = |peer: &SmtpPeer| peer.throttle(Some((QUOTA, line)));
    let (site, peer, _sidecar) = with(throttle, "1").await;
    while of_bad(&site, "m.state = 'pending'").await > 0 {
        let tried = peer.named().len();
        until("no more tries", async || {
            peer.named().len() >= tried + BAD || of_bad(&site, "m.state = 'pending'").await == 0
        })
        .await;
        peer.throttle(Some((1, line)));
    }
    // The last two alone do not show whose fault it is.
    assert!(of_bad(&site, "m.state = 'sent'").await >= BAD as u64 - 2);
}
