//! The state of promised mails while the mail server misbehaves: sent, waiting with a reason, or dead with the server's
//! reply. None is lost, and none is sent twice unless the server accepted it without confirming.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use tokio::task::JoinSet;

use crate::harness::eventually::until;
use crate::harness::outbox::{
    LAST_STATE, LAST_WORDS, PACE, STATES, becomes, create, header, start, waits_because,
};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};
use crate::harness::smtp_peer::{BUSY, Closed, Play, SmtpPeer};

async fn with_peer() -> (Site, SmtpPeer, Sidecar) {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let mut environment = PACE.to_vec();
    // With one sender the script gets the mails in order.
    environment.extend([
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__MAIL__CONNECTIONS", "1"),
    ]);
    let sidecar = Sidecar::start_with(&site, &environment).await;
    (site, peer, sidecar)
}

#[tokio::test]
async fn what_goes_wrong_once_or_twice_only_delays_a_mail() {
    let (site, peer, sidecar) = with_peer().await;
    // How many attempts count. A server that turns everybody away is not one mail's failure; whether the mail was under way when it
    // fell silent depends on whether the connection was still open.
    let cases: [(&[Play], &str, RangeInclusive<u64>); 4] = [
        (&[BUSY], "busy", 1..=1),
        (&[Play::Recipient("450 4.2.0 greylisted"); 2], "grey", 3..=3),
        (&[Play::Stall], "stall", 1..=2),
        (&[Play::Recipient("452 4.3.1 full"), BUSY], "both", 2..=2),
    ];
    for (script, name, counted) in cases.clone() {
        peer.play(script);
        create(&sidecar, &format!("{name}@example.com")).await;
        becomes(&site, LAST_STATE, "sent").await;
        let attempts = "SELECT attempts FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
        let attempts = site.number(attempts).await;
        assert!(counted.contains(&attempts), "{name}: {attempts}");
    }
    let messages = peer.messages();
    assert_eq!(messages.len(), cases.len());
    let ids: BTreeSet<&str> = messages
        .iter()
        .map(|mail| header(mail, "Message-ID"))
        .collect();
    assert_eq!(ids.len(), cases.len());
}

#[tokio::test]
async fn a_mail_taken_without_a_word_comes_again_with_the_same_message_id() {
    let (site, peer, sidecar) = with_peer().await;
    peer.play(&[Play::DropAfterData]);
    create(&sidecar, "twice@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    let messages = peer.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(
        header(&messages[0], "Message-ID"),
        header(&messages[1], "Message-ID")
    );
}

#[tokio::test]
async fn a_mail_that_is_never_confirmed_is_given_up_after_the_third_time() {
    let (site, peer, sidecar) = with_peer().await;
    peer.play(&[Play::DropAfterData; 20]);
    create(&sidecar, "often@example.com").await;
    becomes(&site, LAST_STATE, "dead").await;
    assert_eq!(peer.messages().len(), 3);
    let words = site.text(LAST_WORDS).await.unwrap();
    assert!(words.contains("it may have arrived"), "{words}");
    // A retry by hand has all of them again.
    assert!(sidecar.run(&["outbox", "retry", "1"]).success());
    until("it is not sent again", async || peer.messages().len() == 6).await;
    becomes(&site, LAST_STATE, "dead").await;
}

/// Each may have arrived, so they are not all offered to it again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_confirms_no_mail_pauses_the_sender() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.play(&[Play::DropAfterData; 100]);
    let environment = [
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__MAIL__CONNECTIONS", "1"),
        ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", "1"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    for user in 0..10 {
        create(&sidecar, &format!("user{user}@example.com")).await;
    }
    let said = "no mail leaves for now: the mail server confirms none of the mails that it gets";
    sidecar.says(said).await;
    peer.behave();
    let states = "SELECT GROUP_CONCAT(DISTINCT state) FROM wp_fcom_sidecar_mail";
    becomes(&site, states, "sent").await;
}

#[tokio::test]
async fn a_server_may_take_its_time_to_confirm_a_mail() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.play(&[Play::ConfirmLate(3)]);
    let environment = [
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__SMTP__TIMEOUT_SECONDS", "1"),
        ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", "1"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "late@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    assert_eq!(peer.messages().len(), 1);
    let attempts = "SELECT attempts FROM wp_fcom_sidecar_mail";
    assert_eq!(site.number(attempts).await, 1);
}

#[tokio::test]
async fn a_refused_recipient_is_dead_with_the_servers_words_until_somebody_retries() {
    let (site, peer, sidecar) = with_peer().await;
    peer.play(&[Play::Recipient("550 5.1.1 no mailbox here")]);
    create(&sidecar, "dead@example.com").await;
    becomes(&site, LAST_STATE, "dead").await;
    assert!(
        site.text(LAST_WORDS)
            .await
            .unwrap()
            .contains("no mailbox here")
    );
    assert_eq!(peer.messages(), [""; 0]);

    let before = sidecar.log().len();
    assert!(
        sidecar
            .run(&["outbox", "list", "--state", "dead"])
            .success()
    );
    assert!(sidecar.run(&["outbox", "show", "1"]).success());
    let said = sidecar.log()[before..].to_owned();
    assert!(
        said.contains("dead") && said.contains("(550): 5.1.1 no mailbox here"),
        "{said}"
    );
    assert!(!sidecar.run(&["outbox", "retry", "99"]).success());

    assert!(sidecar.run(&["outbox", "retry", "1"]).success());
    becomes(&site, LAST_STATE, "sent").await;
    assert_eq!(peer.messages().len(), 1);
    assert!(
        !sidecar.run(&["outbox", "retry", "1"]).success(),
        "a sent mail is not sent again"
    );
    assert!(sidecar.run(&["outbox", "drop", "1"]).success());
    assert_eq!(
        site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_mail")
            .await,
        0
    );
}

#[tokio::test]
async fn a_server_without_the_required_tls_gets_no_mail() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp+starttls://{}", closed.address());
    let peer = closed.open();
    let sidecar = start(&site, &url).await;
    create(&sidecar, "tls@example.com").await;
    waits_because(&site, "STARTTLS").await;
    assert_eq!(peer.messages(), [""; 0]);
}

#[tokio::test]
async fn a_user_deleted_meanwhile_gets_none() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let mut sidecar = start(&site, &format!("smtp://{}", closed.address())).await;
    create(&sidecar, "gone@example.com").await;
    // An attempt in progress may already have read the user.
    sidecar.terminate();
    site.execute("DELETE FROM wp_users WHERE user_email = 'gone@example.com'")
        .await;
    let peer = closed.open();
    sidecar.restart().await;
    becomes(&site, LAST_STATE, "skipped").await;
    assert_eq!(
        site.text(LAST_WORDS).await.as_deref(),
        Some("the user was deleted")
    );
    assert_eq!(peer.messages(), [""; 0]);
}

/// Creates this many users while the mail server is down.
async fn users_during_an_outage(site: &Site, sidecar: &Sidecar, users: usize) {
    // Fewer concurrent calls than a daemon accepts.
    const CALLERS: usize = 16;
    let mut calls = JoinSet::new();
    for caller in 0..CALLERS {
        let client = sidecar.client.clone();
        calls.spawn(async move {
            for user in (caller..users).step_by(CALLERS) {
                let email = format!("user{user}@example.com");
                client.execute(PLAIN_HOOK, &[("email", &email)]).await;
            }
        });
    }
    calls.join_all().await;
    let pending = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state = 'pending'";
    assert_eq!(site.number(pending).await, users as u64);
    assert!(keys_in_own_tables(site, &[]).await.is_empty());
}

/// Asserts that every user has a mail; returns how many mails arrived.
fn everybody_has_one(peer: &SmtpPeer, users: usize) -> usize {
    let messages = peer.messages();
    for name in ["To", "Message-ID"] {
        let distinct: BTreeSet<&str> = messages.iter().map(|mail| header(mail, name)).collect();
        assert_eq!(distinct.len(), users, "{name}");
    }
    messages.len()
}

#[tokio::test]
async fn a_thousand_mails_that_had_to_wait_are_sent_once_each_by_two_instances() {
    const USERS: usize = 1_000;
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let (first, second) = (start(&site, &url).await, start(&site, &url).await);
    users_during_an_outage(&site, &first, USERS).await;
    let peer = closed.open();
    becomes(&site, STATES, "sent").await;
    assert_eq!(everybody_has_one(&peer, USERS), USERS);
    for instance in [&first, &second] {
        assert!(instance.log().contains("sent the welcome mail"));
    }
}

/// Two instances; one is killed while it sends. Duplicates have the same Message-ID.
#[tokio::test]
async fn a_crash_during_sending_loses_no_mail() {
    const USERS: usize = 150;
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let (first, mut second) = (start(&site, &url).await, start(&site, &url).await);
    users_during_an_outage(&site, &first, USERS).await;
    let peer = closed.open();
    let some = "SELECT COUNT(*) > 20 FROM wp_fcom_sidecar_mail WHERE state = 'sent'";
    becomes(&site, some, "1").await;
    second.kill();
    becomes(&site, STATES, "sent").await;
    second.restart().await;
    let mails = everybody_has_one(&peer, USERS);
    // A killed instance has at most one mail in flight on each of its connections.
    assert!(mails <= USERS + 2, "{mails} mails");
    let messages = peer.messages();
    assert_eq!(keys_in_own_tables(&site, &messages).await, [""; 0]);
}

/// Reset keys of these messages that occur in a table of ours.
async fn keys_in_own_tables(site: &Site, messages: &[String]) -> Vec<String> {
    let mut stored = String::new();
    for texts in [
        "SELECT CONCAT_WS(' ', state, last_error, HEX(lease)) FROM wp_fcom_sidecar_mail",
        "SELECT CONCAT_WS(' ', outcome, changes) FROM wp_fcom_sidecar_runs",
        "SELECT value FROM wp_fcom_sidecar_claims",
    ] {
        stored.extend(site.column(texts).await);
    }
    let keys = messages
        .iter()
        .filter_map(|mail| mail.split_once("key=")?.1.get(..20));
    keys.filter(|key| stored.contains(*key))
        .map(ToOwned::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_no_mail_server_that_has_no_mail_yet() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.play(&[Play::Stall; 10]);
    let environment = [
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__SERVER__SHUTDOWN_SECONDS", "1"),
    ];
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "ann@example.com").await;
    until("nobody connects", async || !peer.seen().commands.is_empty()).await;
    assert!(sidecar.terminate().is_some_and(|status| status.success()));
    let log = sidecar.log();
    assert!(!log.contains("draining took too long"), "{log}");
    assert_eq!(
        site.number(
            "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state = 'pending' AND attempts = 0"
        )
        .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_waits_in_vain_for_a_mail_says_that_it_was_one() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let environment = [
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__SERVER__SHUTDOWN_SECONDS", "1"),
    ];
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "first@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    peer.play(&[Play::ConfirmLate(60)]);
    create(&sidecar, "second@example.com").await;
    until("the mail does not arrive", async || {
        peer.messages().len() == 2
    })
    .await;
    sidecar.terminate();
    let log = sidecar.log();
    let told = "stopped: draining took too long: calls, or mails that were being sent or recorded, had not ended";
    assert!(log.contains(told), "{log}");
    assert!(log.contains("calls=0"), "{log}");
}
