//! Servers that the daemon connects to may be anyone: what they send without end is neither kept nor read on.

use crate::harness::outbox::{LAST_STATE, PACE, becomes, create, waits_because};
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
        let peer = closed.open_with(Rules { tls, login: None });
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
        peer.play(&[play]);
        create(&sidecar, "endless@example.com").await;
        waits_because(&site, words).await;
        peer.play(&[play]);
        let test = ["mail", "test", "--to", "operator@example.com"];
        let (succeeded, said, complained) = sidecar.output(&test);
        let told = said + &complained;
        let remedy = "let host and port in smtp.url be those of a mail server";
        assert!(
            !succeeded && told.contains(words) && told.contains(remedy),
            "{told}"
        );
        assert!(sidecar.run(&["outbox", "retry", "1"]).success());
        becomes(&site, LAST_STATE, "sent").await;
        assert_eq!(peer.messages().len(), 1);
    }
}
