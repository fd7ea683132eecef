//! Servers that the daemon connects to may be anyone: what they send without end is neither kept nor read on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::outbox::{LAST_STATE, PACE, becomes, create, waits_because};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, Play, Rules, Tls, certificate};
use crate::harness::watched::Watched;

const LINE: &str = "it sends a line of more than 1000 bytes, so it is no mail server";
const LINES: &str = "its reply has more than 128 lines, so it is no mail server";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_without_end_costs_nothing_and_loses_no_mail() {
    let implicit = Some(Tls::FromTheStart);
    let upgraded = Some(Tls::AfterStartTls);
    for (scheme, tls, play, words) in [
        (
            "smtp",
            None,
            Play::EndlessGreeting("220 aaaaaaaaaaaaaaaa"),
            LINE,
        ),
        ("smtp", None, Play::EndlessGreeting("220-a\r\n"), LINES),
        ("smtp", None, Play::EndlessReply("250-SIZE 1\r\n"), LINES),
        (
            "smtps",
            implicit,
            Play::EndlessGreeting("220 aaaaaaaaaaaaa"),
            LINE,
        ),
        ("smtps", implicit, Play::EndlessReply("250-\r\n"), LINES),
        ("smtp+starttls", upgraded, Play::EndlessReply("250 "), LINE),
        ("smtp", upgraded, Play::EndlessReply("250-X\r\n"), LINES),
    ] {
        let (site, closed) = (Site::new("71").await, Closed::new());
        let folder = tempfile::tempdir().unwrap();
        let (acceptor, authority) = certificate("127.0.0.1", folder.path());
        let url = format!("{scheme}://{}", closed.address());
        let tls = tls.map(|tls| (acceptor, tls));
        let peer = closed.open_with(Rules {
            tls,
            ..Rules::default()
        });
        let mut environment = PACE.to_vec();
        environment.extend([
            ("FCOM_SIDECAR__SMTP__URL", &*url),
            ("FCOM_SIDECAR__SMTP__CA_FILE", &*authority),
            // Only memory and processor time are limited here, not time.
            ("FCOM_SIDECAR__SMTP__TIMEOUT_SECONDS", "60"),
            ("FCOM_SIDECAR__MAIL__LEASE_SECONDS", "240"),
            ("FCOM_SIDECAR__MAIL__CONNECTIONS", "1"),
            ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", "600"),
            ("FCOM_SIDECAR__MAIL__LONGEST_RETRY_SECONDS", "600"),
        ]);
        let sidecar = Watched::start_with(&site, &environment).await;
        // As often as anybody asks.
        peer.play(&[play; 100]);
        create(&sidecar, "endless@example.com").await;
        waits_because(&site, words).await;
        let test = ["mail", "test", "--to", "operator@example.com"];
        let (succeeded, said, complained) = sidecar.output(&test);
        let told = said + &complained;
        let remedy = "let host and port in smtp.url be those of a mail server";
        assert!(
            !succeeded && told.contains(words) && told.contains(remedy),
            "{told}"
        );
        // It leaves as soon as the server takes it.
        peer.behave();
        becomes(&site, LAST_STATE, "sent").await;
        assert_eq!(peer.messages().len(), 1);
    }
}

/// The SMTP library takes a line that has a text for one that has a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_answers_with_blank_lines_ends_nothing() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    peer.play(&[Play::Hello(
        "250-peer.invalid\r\n250-  \r\n250-\u{3000}\u{a0}\r\n250 \t",
    )]);
    let environment = [PACE.to_vec(), vec![("FCOM_SIDECAR__SMTP__URL", &*url)]].concat();
    let sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "blank@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    assert_eq!(peer.messages().len(), 1);
    assert_eq!(peer.seen().connections, 1);
}

/// A program that answers every request without end; how much of its answers somebody took.
async fn endless_web_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let taken = Arc::new(AtomicUsize::new(0));
    let served = taken.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let served = served.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let mut words = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
                words.resize(1 << 16, b' ');
                while let Ok(written) = stream.write(&words).await {
                    served.fetch_add(written, Ordering::Relaxed);
                }
            });
        }
    });
    (address, taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_reads_the_beginning_of_what_answers_in_the_daemons_place() {
    let site = Site::new("71").await;
    let (address, taken) = endless_web_server().await;
    let listen = ("FCOM_SIDECAR__SERVER__ADMIN_LISTEN", address.as_str());
    let sidecar = Sidecar::unstarted(&site, &[listen]).await;
    assert!(sidecar.run(&["migrate"]).success());
    let (_, said, complained) = sidecar.output(&["check"]);
    assert!(
        said.contains("daemon") || complained.contains("daemon"),
        "{said} {complained}"
    );
    let taken = taken.load(Ordering::Relaxed);
    // With what fills the buffers in between.
    assert!(0 < taken && taken < 32 << 20, "{taken} bytes");
}

/// Also not more often than any other failing wake-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_whose_answer_does_not_end_is_not_read_on() {
    let site = Site::new("71").await;
    let (address, taken) = endless_web_server().await;
    let url = format!("http://{address}/");
    let relay = [
        ("FCOM_SIDECAR__RELAY__ENABLED", "true"),
        ("FCOM_SIDECAR__RELAY__URL", url.as_str()),
        (
            "FCOM_SIDECAR__RELAY__SECRET",
            "0123456789abcdef0123456789abcdef",
        ),
    ];
    let sidecar = Watched::start_with(&site, &relay).await;
    sidecar
        .says("WordPress cannot be woken: the site answers 200 OK: the plugin is not there")
        .await;
    let taken = taken.load(Ordering::Relaxed);
    assert!(0 < taken && taken < 32 << 20, "{taken} bytes");
    create(&sidecar, "ann@example.com").await;
}
