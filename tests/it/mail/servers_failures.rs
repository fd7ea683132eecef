//! Failures of the mail server are not those of mails: they pause the senders, count against no mail, and when they are over
//! everything leaves at once.

use std::time::{Duration, Instant};

use crate::harness::eventually::until;
use crate::harness::outbox::{LAST_WORDS, PACE, STATES, becomes, create};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, Play, Rules};

const URL: &str = "FCOM_SIDECAR__SMTP__URL";
const ATTEMPTS: &str = "SELECT COALESCE(MAX(attempts), 0) FROM wp_fcom_sidecar_mail";

/// Mails whose own retries would take longer than any test.
fn patient(url: &str) -> [(&str, &str); 2] {
    [
        (URL, url),
        ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", "900"),
    ]
}

async fn users(sidecar: &Sidecar, users: usize) {
    for user in 0..users {
        create(sidecar, &format!("user{user}@example.com")).await;
    }
}

fn said(sidecar: &Sidecar, arguments: &[&str]) -> String {
    let (_, said, complained) = sidecar.outcome(arguments);
    said + &complained
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_credentials_pause_the_senders_with_one_line_and_then_all_leaves() {
    const USERS: usize = 30;
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://keeper:revoked-password@{}", closed.address());
    let login = Some(("keeper", "revoked-password"));
    let peer = closed.open_with(Rules {
        login,
        ..Rules::default()
    });
    peer.revoke(true);
    let mut environment = patient(&url).to_vec();
    environment.push(("FCOM_SIDECAR__SMTP__TLS", "none"));
    let sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.client.record(&["revoked-password".to_owned()]);
    users(&sidecar, USERS).await;
    waits_anywhere(&site, "535").await;

    assert_eq!(site.number(ATTEMPTS).await, 0);
    let lines = sidecar.log().matches("no mail leaves").count();
    assert_eq!(lines, 1, "{}", sidecar.log());
    assert!(!sidecar.log().contains("waits until"));
    for command in [
        &["outbox", "list"][..],
        &["outbox", "show", "1"],
        &["check"],
    ] {
        let told = said(&sidecar, command);
        for words in [
            "the mail server refuses the login",
            "5.7.8 who are you",
            "does not change by itself",
            "check user and password in smtp.url",
        ] {
            assert!(told.contains(words), "{command:?}: {told}");
        }
    }

    peer.revoke(false);
    becomes(&site, STATES, "sent").await;
    assert_eq!(peer.messages().len(), USERS);
    assert_eq!(site.number(ATTEMPTS).await, 1);
    sidecar.says("mails leave again").await;
    let told = said(&sidecar, &["outbox", "list"]);
    assert!(!told.contains("no mail leaves"), "{told}");
    // Not one for each mail.
    assert!(peer.seen().logins < USERS, "{}", peer.seen().logins);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_login_that_the_daemon_knows_is_not_said_to_refuse_it() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://keeper:some-password@{}", closed.address());
    let peer = closed.open();
    peer.play(&[Play::Hello("250-peer.invalid\r\n250 AUTH CRAM-MD5 XOAUTH2"); 100]);
    let mut environment = patient(&url).to_vec();
    environment.push(("FCOM_SIDECAR__SMTP__TLS", "none"));
    let sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.client.record(&["some-password".to_owned()]);
    users(&sidecar, 1).await;
    waits_anywhere(&site, "AUTH PLAIN").await;
    for command in [&["outbox", "list"][..], &["check"]] {
        let told = said(&sidecar, command);
        assert!(
            told.contains("offers neither AUTH PLAIN nor AUTH LOGIN"),
            "{told}"
        );
        assert!(told.contains("let the server offer AUTH PLAIN"), "{told}");
        assert!(!told.contains("check user and password"), "{told}");
    }
    peer.behave();
}

/// Waits until an instance says that no mail leaves, for this reason.
async fn waits_anywhere(site: &Site, words: &str) {
    let waits =
        format!("SELECT COUNT(*) FROM wp_fcom_sidecar_instances WHERE mail_words LIKE '%{words}%'");
    becomes(site, &waits, "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_throttles_slows_the_sender_and_no_mail() {
    const USERS: usize = 25;
    for line in ["450 4.7.1 slow down", "421 4.7.0 come back later"] {
        let (site, closed) = (Site::new("71").await, Closed::new());
        let url = format!("smtp://{}", closed.address());
        let peer = closed.open();
        peer.throttle(Some((10, line)));
        let sidecar = Sidecar::start_with(&site, &patient(&url)).await;
        users(&sidecar, USERS).await;
        waits_anywhere(&site, &line[4..]).await;
        // Two may be under way when the last one is taken.
        assert!((10..=11).contains(&peer.messages().len()));
        peer.throttle(None);
        becomes(&site, STATES, "sent").await;
        assert_eq!(peer.messages().len(), USERS);
        assert_eq!(site.number(ATTEMPTS).await, 1, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_whose_time_is_up_stays_given_up_while_a_server_throttles() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let mut environment = patient(&url).to_vec();
    environment.extend([
        ("FCOM_SIDECAR__MAIL__CONNECTIONS", "1"),
        ("FCOM_SIDECAR__MAIL__GIVE_UP_HOURS", "1"),
    ]);
    let sidecar = Sidecar::start_with(&site, &environment).await;
    users(&sidecar, 3).await;
    site.execute(
        "UPDATE wp_fcom_sidecar_mail SET tried_since = tried_since - INTERVAL 2 HOUR, last_error = 'tried' WHERE id = 1",
    )
    .await;
    let peer = closed.open();
    peer.throttle(Some((0, "450 4.7.1 slow down")));
    waits_anywhere(&site, "4.7.1 slow down").await;
    let states = "SELECT GROUP_CONCAT(state ORDER BY id) FROM wp_fcom_sidecar_mail";
    assert_eq!(
        site.text(states).await.as_deref(),
        Some("dead,pending,pending")
    );
    peer.throttle(None);
    becomes(&site, states, "dead,sent,sent").await;
}

/// As where the configuration is stale: the server relays for this machine no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_everybody_pauses_the_sender_and_kills_no_mail() {
    const USERS: usize = 12;
    for line in [
        "554 5.7.1 Relay access denied",
        "550 relay not permitted",
        "550 5.1.1 User unknown in local recipient table",
    ] {
        let (site, closed) = (Site::new("71").await, Closed::new());
        let url = format!("smtp://{}", closed.address());
        let peer = closed.open();
        peer.throttle(Some((0, line)));
        let sidecar = Sidecar::start_with(&site, &patient(&url)).await;
        users(&sidecar, USERS).await;
        waits_anywhere(&site, &line[4..]).await;
        becomes(&site, STATES, "pending").await;
        becomes(&site, ATTEMPTS, "0").await;
        let told = said(&sidecar, &["outbox", "list"]);
        for words in [
            "refuses one recipient after another",
            "let smtp.url be a server that relays",
        ] {
            assert!(told.contains(words), "{told}");
        }
        let lines = sidecar.log().matches("no mail leaves").count();
        assert_eq!(lines, 1, "{}", sidecar.log());

        peer.throttle(None);
        becomes(&site, STATES, "sent").await;
        assert_eq!(peer.messages().len(), USERS);
        assert_eq!(site.number(ATTEMPTS).await, 1);
        sidecar.says("mails leave again").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_while_others_are_taken_gets_no_mail() {
    const REFUSED: Play = Play::Recipient("550 no such user");
    const TAKEN: Play = Play::Recipient("250 fine");
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.play(&[REFUSED, REFUSED, TAKEN, REFUSED, REFUSED, TAKEN, REFUSED]);
    let mut environment = patient(&url).to_vec();
    environment.push(("FCOM_SIDECAR__MAIL__CONNECTIONS", "1"));
    let sidecar = Sidecar::start_with(&site, &environment).await;
    users(&sidecar, 7).await;
    let states = "SELECT GROUP_CONCAT(state ORDER BY state) FROM wp_fcom_sidecar_mail";
    becomes(&site, states, "dead,dead,dead,dead,dead,sent,sent").await;
    assert!(!sidecar.log().contains("no mail leaves"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_up_on_every_mail_pauses_the_sender_and_counts_against_none() {
    const USERS: usize = 8;
    for play in [Play::DropAtMail, Play::DropAtData] {
        let (site, closed) = (Site::new("71").await, Closed::new());
        let url = format!("smtp://{}", closed.address());
        let peer = closed.open();
        peer.play(&[play; 500]);
        let sidecar = Sidecar::start_with(&site, &patient(&url)).await;
        users(&sidecar, USERS).await;
        let states = "SELECT GROUP_CONCAT(mail_state) FROM wp_fcom_sidecar_instances";
        becomes(&site, states, "waits").await;
        becomes(&site, ATTEMPTS, "0").await;
        peer.behave();
        becomes(&site, STATES, "sent").await;
        assert_eq!(peer.messages().len(), USERS);
        assert_eq!(site.number(ATTEMPTS).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_on_which_the_server_hangs_up_stop_no_others() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.drop_at("poison");
    let sidecar = Sidecar::start_with(&site, &patient(&url)).await;
    for name in ["poison1", "ann", "poison2", "poison3", "ben", "poison4"] {
        create(&sidecar, &format!("{name}@example.com")).await;
    }
    let sent = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state = 'sent'";
    becomes(&site, sent, "2").await;
    create(&sidecar, "cleo@example.com").await;
    becomes(&site, sent, "3").await;
    let waiting = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state = 'pending'";
    assert_eq!(site.number(waiting).await, 4);
}

/// Whoever has mended something need not wait for the sender's next try.
async fn an_operator_ends_a_pause(mend: impl Fn(&Sidecar)) {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.play(&[Play::Greeting("554 5.3.2 not today"); 100]);
    let mut environment = patient(&url).to_vec();
    environment.push(("FCOM_SIDECAR__MAIL__CONNECTIONS", "1"));
    let sidecar = Sidecar::start_with(&site, &environment).await;
    users(&sidecar, 1).await;
    // Sixteen seconds pass before the next one.
    until("the sender does not try", async || {
        peer.seen().connections >= 5
    })
    .await;
    let tried = Instant::now();
    peer.behave();
    mend(&sidecar);
    becomes(&site, STATES, "sent").await;
    let waited = tried.elapsed();
    assert!(waited < Duration::from_secs(14), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_ends_a_senders_pause() {
    an_operator_ends_a_pause(|sidecar| {
        let (succeeded, said, complained) = sidecar.output(&["outbox", "retry", "1"]);
        assert!(succeeded, "{said} {complained}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_ends_a_senders_pause() {
    an_operator_ends_a_pause(Sidecar::hang_up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_cannot_send_leaves_the_mails_to_the_other() {
    const USERS: usize = 20;
    let (site, nobody, closed) = (Site::new("71").await, Closed::new(), Closed::new());
    let stale = format!("smtp://{}", nobody.address());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let stale = Sidecar::start_with(&site, &patient(&stale)).await;
    users(&stale, 1).await;
    stale.says("no mail leaves for now").await;
    let other = Sidecar::start_with(&site, &patient(&url)).await;
    for user in 1..USERS {
        create(&stale, &format!("user{user}@example.com")).await;
    }
    becomes(&site, STATES, "sent").await;
    assert_eq!(peer.messages().len(), USERS);
    assert_eq!(site.number(ATTEMPTS).await, 1);
    assert!(!stale.log().contains("the welcome mail of user"));
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_the_server_for_too_long_is_given_up() {
    let (site, nobody) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", nobody.address());
    let mut environment = PACE.to_vec();
    environment.extend([
        (URL, url.as_str()),
        ("FCOM_SIDECAR__MAIL__GIVE_UP_HOURS", "1"),
    ]);
    let sidecar = Sidecar::start_with(&site, &environment).await;
    users(&sidecar, 2).await;
    waits_anywhere(&site, "refused").await;
    site.execute(
        "UPDATE wp_fcom_sidecar_mail SET tried_since = tried_since - INTERVAL 2 HOUR WHERE id = 1",
    )
    .await;
    becomes(
        &site,
        "SELECT state FROM wp_fcom_sidecar_mail WHERE id = 1",
        "dead",
    )
    .await;
    sidecar.says("1 welcome mails that waited").await;
    let words = site.text("SELECT last_error FROM wp_fcom_sidecar_mail WHERE id = 1");
    assert!(words.await.unwrap().contains("refused"));
    assert_eq!(site.text(LAST_WORDS).await, None);
    becomes(
        &site,
        "SELECT state FROM wp_fcom_sidecar_mail WHERE id = 2",
        "pending",
    )
    .await;
}

/// As where the daemon was down for days, or lacked `smtp.url`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_could_try_for_days_has_all_the_time_for_its_attempts() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let environment = [
        (URL, &*url),
        ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", "1"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    users(&sidecar, 1).await;
    waits_anywhere(&site, "refused").await;
    site.execute("UPDATE wp_fcom_sidecar_mail SET tried_since = tried_since - INTERVAL 3 DAY")
        .await;
    let peer = closed.open();
    peer.play(&[Play::Recipient("450 4.2.0 greylisted"); 2]);
    becomes(&site, STATES, "sent").await;
    assert_eq!(site.number(ATTEMPTS).await, 3);
}
