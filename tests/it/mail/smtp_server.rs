//! The mail server that `smtp.url` names: its certificate, its login, and the load that it gets.

use crate::harness::outbox::{
    LAST_STATE, LAST_WORDS, PACE, STATES, becomes, create, header, start, waits_because,
};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};
use crate::harness::smtp_peer::{Closed, Play, Rules, SmtpPeer, Tls, certificate};

const URL: &str = "FCOM_SIDECAR__SMTP__URL";
const TLS: &str = "FCOM_SIDECAR__SMTP__TLS";
const CA_FILE: &str = "FCOM_SIDECAR__SMTP__CA_FILE";

/// Runs a command and returns whether it succeeded, and its output.
fn said(sidecar: &Sidecar, arguments: &[&str]) -> (bool, String) {
    let before = sidecar.log().len();
    let status = sidecar.run(arguments);
    (status.success(), sidecar.log()[before..].to_owned())
}

fn test_mail(sidecar: &Sidecar) -> (bool, String) {
    said(sidecar, &["mail", "test", "--to", "operator@example.com"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_believed_for_its_host_and_from_a_known_authority_only() {
    for (scheme, tls) in [
        ("smtps", Tls::FromTheStart),
        ("smtp+starttls", Tls::AfterStartTls),
        ("smtp", Tls::AfterStartTls),
    ] {
        for (name, known, is_sent) in [
            ("127.0.0.1", true, true),
            ("127.0.0.1", false, false),
            ("other.example", true, false),
        ] {
            let (site, closed) = (Site::new("71").await, Closed::new());
            let folder = tempfile::tempdir().unwrap();
            let (acceptor, authority) = certificate(name, folder.path());
            let url = format!("{scheme}://{}", closed.address());
            let tls = Some((acceptor, tls));
            let peer = closed.open_with(Rules {
                tls,
                ..Rules::default()
            });
            let mut environment = PACE.to_vec();
            environment.extend([(URL, &*url), (TLS, "required")]);
            if known {
                environment.push((CA_FILE, &authority));
            }
            let sidecar = Sidecar::start_with(&site, &environment).await;
            let checked = said(&sidecar, &["check"]).1;
            let line = checked.lines().find(|line| line.contains("mail-server"));
            let encrypted = line.is_some_and(|line| line.contains("certificate is valid"));
            assert_eq!(encrypted, is_sent, "{checked}");
            create(&sidecar, "tls@example.com").await;
            let (succeeded, words) = test_mail(&sidecar);
            assert_eq!(succeeded, is_sent, "{words}");
            if is_sent {
                becomes(&site, LAST_STATE, "sent").await;
                assert_eq!(peer.messages().len(), 2);
            } else {
                waits_because(&site, "certificate").await;
                assert!(words.contains("smtp.ca_file"), "{words}");
                assert_eq!(peer.messages(), [""; 0]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_keeps_the_mails_until_the_password_is_right() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let address = closed.address();
    let login = Some(("keeper", "p@ss/word#1"));
    let peer = closed.open_with(Rules {
        login,
        ..Rules::default()
    });
    let url = format!("smtp://keeper:wrong-password@{address}");
    let in_the_clear = |url| [&PACE[..], &[(URL, url), (TLS, "none")]].concat();
    let wrong = Sidecar::start_with(&site, &in_the_clear(&url)).await;
    wrong.client.record(&["wrong-password".to_owned()]);
    create(&wrong, "login@example.com").await;
    waits_because(&site, "535%who are you").await;
    let (succeeded, words) = test_mail(&wrong);
    assert!(
        !succeeded && words.contains("check user and password in smtp.url"),
        "{words}"
    );
    drop(wrong);

    let url = format!("smtp://keeper:p%40ss%2Fword%231@{address}");
    let right = Sidecar::start_with(&site, &in_the_clear(&url)).await;
    right
        .client
        .record(&["p@ss/word#1".to_owned(), "p%40ss".to_owned()]);
    becomes(&site, LAST_STATE, "sent").await;
    let (succeeded, words) = test_mail(&right);
    assert!(
        succeeded && words.contains("The server took the mail"),
        "{words}"
    );
    assert_eq!(peer.seen().mails[1].to, ["operator@example.com"]);
}

/// A refusal before the server has seen the mail does not concern the mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_turns_everybody_away_loses_no_mail() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.play(&[Play::Greeting("554 5.3.2 not today"); 3]);
    let sidecar = start(&site, &url).await;
    let (succeeded, words) = test_mail(&sidecar);
    assert!(!succeeded && words.contains("not today"), "{words}");
    create(&sidecar, "away@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    let attempts = "SELECT attempts FROM wp_fcom_sidecar_mail";
    assert_eq!(site.number(attempts).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_mail_that_does_not_leave_comes_back_with_a_remedy() {
    let site = Site::new("71").await;
    for (url, words, remedy) in [
        (
            "smtp://127.0.0.1:1",
            "refused",
            "check host and port in smtp.url",
        ),
        (
            "smtp://no-such-host.invalid",
            "lookup",
            "check host and port in smtp.url",
        ),
    ] {
        let sidecar = start(&site, url).await;
        let (succeeded, told) = test_mail(&sidecar);
        assert!(
            !succeeded && told.contains(words) && told.contains(remedy),
            "{told}"
        );
    }
    let (closed, other) = (Closed::new(), Closed::new());
    let sidecar = start(&site, &format!("smtp://{}", closed.address())).await;
    let peer = closed.open();
    peer.play(&[Play::Recipient("550 5.1.1 nobody here")]);
    let (succeeded, told) = test_mail(&sidecar);
    assert!(
        !succeeded && told.contains("nobody here") && told.contains("mail.from"),
        "{told}"
    );
    let silent = start(&site, &format!("smtp://{}", other.address())).await;
    other.open().play(&[Play::Stall]);
    let (succeeded, told) = test_mail(&silent);
    assert!(
        !succeeded && told.contains("timed out") && told.contains("firewall"),
        "{told}"
    );
}

async fn twenty_mails(environment: &[(&str, &str)]) -> (SmtpPeer, Sidecar) {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let mut all = environment.to_vec();
    all.push((URL, &url));
    let sidecar = Sidecar::start_with(&site, &all).await;
    for n in 0..20 {
        create(&sidecar, &format!("user{n}@example.com")).await;
    }
    becomes(&site, STATES, "sent").await;
    assert_eq!(peer.messages().len(), 20);
    (peer, sidecar)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_who_allows_one_connection_sees_one() {
    let (peer, _sidecar) = twenty_mails(&[("FCOM_SIDECAR__MAIL__CONNECTIONS", "1")]).await;
    let seen = peer.seen();
    assert_eq!((seen.connections, seen.most_at_once), (1, 1));
    let (peer, _sidecar) = twenty_mails(&[("FCOM_SIDECAR__MAIL__CONNECTIONS", "3")]).await;
    let seen = peer.seen();
    assert!(seen.connections <= 3, "{}", seen.connections);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_leave_no_faster_than_allowed() {
    let started = std::time::Instant::now();
    let (_peer, _sidecar) = twenty_mails(&[("FCOM_SIDECAR__MAIL__MAILS_PER_SECOND", "10")]).await;
    // Up to ten may be sent at once.
    assert!(
        started.elapsed().as_millis() >= 900,
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_names_the_sender_and_the_scheme_of_links() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let environment = [
        (URL, url.as_str()),
        ("FCOM_SIDECAR__MAIL__FROM", "club@shop.example"),
        ("FCOM_SIDECAR__MAIL__FROM_NAME", "Caf\u{e9} \"Club\", Ltd."),
        ("FCOM_SIDECAR__MAIL__REPLY_TO", "help@shop.example"),
        ("FCOM_SIDECAR__MAIL__ENVELOPE_FROM", "bounces@shop.example"),
        ("FCOM_SIDECAR__MAIL__HTTPS_LINKS", "always"),
    ];
    site.execute("UPDATE wp_options SET option_value = REPLACE(option_value, 'https:', 'http:') WHERE option_name IN ('siteurl', 'home')")
        .await;
    let sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "sender@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    let mail = &peer.seen().mails[0];
    assert_eq!(mail.from, "bounces@shop.example");
    let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
    let senders = mailparse::addrparse_header(
        parsed
            .headers
            .iter()
            .find(|header| header.get_key() == "From")
            .unwrap(),
    );
    let sender = senders.unwrap().extract_single_info().unwrap();
    assert_eq!(sender.addr, "club@shop.example");
    assert_eq!(
        sender.display_name.as_deref(),
        Some("Caf\u{e9} \"Club\", Ltd.")
    );
    assert_eq!(header(&mail.message, "Reply-To"), "help@shop.example");
    assert!(header(&mail.message, "Message-ID").ends_with("@shop.example>"));
    assert!(
        mail.message.contains("https://") && !mail.message.contains("http://"),
        "{}",
        mail.message
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_own_words_are_sent_and_broken_ones_are_refused() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "welcome.subject.txt",
        "Hello {{ display_name }}\n at {{ site_name }}",
    );
    write(
        "welcome.body.txt",
        "{{ login }} ({{ locale }}) sets a password at\n{{ set_password_url }}\n.\nat {{ site_url }}\n",
    );
    let url = format!("smtp://{}", closed.address());
    let templates = folder.path().display().to_string();
    let environment = [
        (URL, url.as_str()),
        ("FCOM_SIDECAR__MAIL__TEMPLATES", &templates),
    ];
    let peer = closed.open();
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let fields = [
        ("email", "words@example.com"),
        ("first_name", "Zo\u{eb}"),
        ("user_login", "zoe"),
    ];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    becomes(&site, LAST_STATE, "sent").await;
    let mail = &peer.seen().mails[0].message;
    let parsed = mailparse::parse_mail(mail.as_bytes()).unwrap();
    let subject = parsed
        .headers
        .iter()
        .find(|header| header.get_key() == "Subject")
        .unwrap();
    let name = site
        .text("SELECT option_value FROM wp_options WHERE option_name = 'blogname'")
        .await
        .unwrap();
    let name = name.replace("&#039;", "'").replace("&amp;", "&");
    assert_eq!(subject.get_value(), format!("Hello Zo\u{eb} at {name}"));
    let body = parsed.get_body().unwrap().replace("\r\n", "\n");
    assert!(
        body.starts_with("zoe (en_US) sets a password at\nhttps://"),
        "{body}"
    );
    // A lone dot must not end the mail.
    assert!(body.contains("\n.\nat https://"), "{body}");

    let (_, told) = said(&sidecar, &["check"]);
    assert!(!told.contains("mail.templates"), "{told}");
    for (body, words) in [
        ("{{ set_pasword_url }}", "undefined value"),
        ("{% if login %}", "unexpected end"),
    ] {
        write("welcome.body.txt", body);
        let (succeeded, told) = said(&sidecar, &["check"]);
        assert!(
            !succeeded && told.contains("mail.templates") && told.contains(words),
            "{told}"
        );
    }
    let mut refused = Sidecar::unstarted(&site, &environment).await;
    refused.spawn();
    assert!(!refused.ends().await.success());
    assert!(
        refused.log().contains("welcome.body.txt"),
        "{}",
        refused.log()
    );
}

/// A template that fails for one user only must not lose that user's mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_cannot_be_written_waits_for_better_words() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("welcome.subject.txt", "Hello");
    write(
        "welcome.body.txt",
        "{% if login == 'broken' %}{{ nothing }}{% endif %}Welcome",
    );
    let url = format!("smtp://{}", closed.address());
    let templates = folder.path().display().to_string();
    let mut environment = PACE.to_vec();
    environment.extend([
        (URL, url.as_str()),
        ("FCOM_SIDECAR__MAIL__TEMPLATES", &templates),
    ]);
    let peer = closed.open();
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "broken@example.com").await;
    waits_because(&site, "template failed").await;
    write("welcome.body.txt", "Welcome {{ login }}");
    sidecar.terminate();
    sidecar.restart().await;
    becomes(&site, LAST_STATE, "sent").await;
    assert!(peer.messages()[0].ends_with("Welcome broken\r\n"));
    let words = site.text(LAST_WORDS).await;
    assert_eq!(words, None, "a sent mail has no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outbox_is_told_in_json_and_keeps_what_is_sent() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let sidecar = start(&site, &format!("smtp://{}", closed.address())).await;
    create(&sidecar, "json@example.com").await;
    waits_because(&site, "refused").await;
    let json = |arguments: &[&str]| -> serde_json::Value {
        let (succeeded, text) = said(&sidecar, arguments);
        assert!(succeeded, "{text}");
        let start = text.find(['[', '{']).unwrap();
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
        values.next().unwrap().unwrap()
    };
    let listed = json(&["outbox", "list", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let shown = json(&["outbox", "show", "1", "--json"]);
    assert_eq!(
        (&shown["state"], &shown["id"]),
        (&"pending".into(), &1.into())
    );
    assert!(shown["last_error"].as_str().unwrap().contains("refused"));
    assert!(said(&sidecar, &["outbox", "list", "--state", "sent"]).0);
    let (succeeded, told) = said(&sidecar, &["outbox", "show", "9"]);
    assert!(!succeeded && told.contains("there is no mail 9"), "{told}");
    let (succeeded, told) = said(&sidecar, &["outbox", "drop", "9"]);
    assert!(!succeeded && told.contains("does not exist"), "{told}");
    // A process has the mail, and is killed.
    let lease = "UPDATE wp_fcom_sidecar_mail SET lease = REPEAT('a', 16), next_attempt_at = UTC_TIMESTAMP()";
    site.execute(&format!("{lease} + INTERVAL 1 HOUR")).await;
    let (succeeded, told) = said(&sidecar, &["outbox", "drop", "1"]);
    assert!(!succeeded && told.contains("on its way"), "{told}");
    site.execute(&format!("{lease} - INTERVAL 1 MINUTE")).await;
    assert!(said(&sidecar, &["outbox", "retry", "1"]).0);
    // What the process has to say about its attempt, should it come back, is of no interest any more.
    let leased = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE lease = REPEAT('a', 16)";
    assert_eq!(site.number(leased).await, 0);
    let (succeeded, told) = said(&sidecar, &["outbox", "drop", "1"]);
    assert!(succeeded, "{told}");
}
