//! Which certificates are believed, and what is sent without TLS.

use rcgen::{BasicConstraints, CertificateParams, IsCa};

use crate::harness::outbox::{LAST_STATE, PACE, becomes, create, waits_because};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, Play, Rules, SmtpPeer, Tls, certificate, certified};

const URL: &str = "FCOM_SIDECAR__SMTP__URL";
const TLS: &str = "FCOM_SIDECAR__SMTP__TLS";
const CA_FILE: &str = "FCOM_SIDECAR__SMTP__CA_FILE";

/// A daemon with a mail to send, and what its `check` says about the mail server.
async fn begin(environment: &[(&str, &str)]) -> (Site, Sidecar, String) {
    let site = Site::new("71").await;
    let all = [&PACE[..], environment].concat();
    let sidecar = Sidecar::start_with(&site, &all).await;
    create(&sidecar, "tls@example.com").await;
    let (_, told, _) = sidecar.output(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    let mut checks = report["checks"].as_array().unwrap().iter();
    let line = checks.find(|check| check["name"] == "mail-server").unwrap();
    let line = line.to_string();
    (site, sidecar, line)
}

fn starttls(
    names: Vec<String>,
    change: impl FnOnce(&mut CertificateParams),
) -> (Rules, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let (acceptor, file) = certified(&params, folder.path());
    let tls = Some((acceptor, Tls::AfterStartTls));
    let rules = Rules {
        tls,
        ..Rules::default()
    };
    (rules, file, folder)
}

/// As Debian's Postfix comes: its certificate is for the machine's name, and its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_this_machine_needs_no_certificate_that_fits() {
    for (scheme, tls) in [
        ("smtp", Tls::AfterStartTls),
        ("smtp+starttls", Tls::AfterStartTls),
        ("smtps", Tls::FromTheStart),
    ] {
        let (closed, folder) = (Closed::new(), tempfile::tempdir().unwrap());
        let url = format!("{scheme}://{}", closed.address());
        let (acceptor, _) = certificate("vm.example", folder.path());
        let tls = Some((acceptor, tls));
        closed.open_with(Rules {
            tls,
            ..Rules::default()
        });
        let (site, _sidecar, found) = begin(&[(URL, &url)]).await;
        becomes(&site, LAST_STATE, "sent").await;
        assert!(
            found.contains("\"ok\"") && found.contains("encrypted, on this machine"),
            "{found}"
        );
    }
}

/// The address is this machine's, but not one that only this machine answers at.
fn elsewhere(closed: &Closed) -> String {
    closed.address().replace("127.0.0.1", "0.0.0.0")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elsewhere_the_operator_has_to_say_that_any_certificate_will_do() {
    for (tls, is_sent, words) in [
        ("auto", false, "UnknownIssuer"),
        ("required", false, "UnknownIssuer"),
        ("unverified", true, "takes any certificate"),
        ("none", true, "in the clear"),
    ] {
        let closed = Closed::new();
        let url = format!("smtp://{}", elsewhere(&closed));
        let (rules, _, _folder) = starttls(vec!["vm.example".to_owned()], |_| ());
        let rules = if tls == "none" {
            Rules::default()
        } else {
            rules
        };
        closed.open_with(rules);
        let (site, _sidecar, found) = begin(&[(URL, &url), (TLS, tls)]).await;
        assert!(
            found.contains("\"warning\"") && found.contains(words),
            "{tls}: {found}"
        );
        if is_sent {
            becomes(&site, LAST_STATE, "sent").await;
        } else {
            waits_because(&site, words).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_starttls_is_told_as_such() {
    for (line, state) in [
        ("554 5.7.3 no certificate here", "refused"),
        ("454 4.7.0 TLS not available now", "waits"),
    ] {
        let closed = Closed::new();
        let url = format!("smtp+starttls://{}", closed.address());
        let (rules, file, _folder) = starttls(vec!["127.0.0.1".to_owned()], |_| ());
        let peer = closed.open_with(rules);
        peer.play(&[Play::StartTls(line); 500]);
        let (site, sidecar, found) = begin(&[(URL, &url), (CA_FILE, &file)]).await;
        assert!(
            found.contains("refuses STARTTLS, which it offers"),
            "{found}"
        );
        assert!(found.contains(&line[4..]), "{found}");
        waits_because(&site, "refuses STARTTLS").await;
        let states = "SELECT mail_state FROM wp_fcom_sidecar_instances";
        becomes(&site, states, state).await;
        assert!(!sidecar.log().contains("greeting"), "{}", sidecar.log());
        peer.behave();
        becomes(&site, LAST_STATE, "sent").await;
    }
}

/// What was said to the server.
fn said(peer: &SmtpPeer, verb: &str) -> usize {
    let seen = peer.seen();
    let lines = seen.commands.iter().filter(|line| line.starts_with(verb));
    lines.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_sent_in_the_clear_only_if_the_operator_says_so() {
    let login = Some(("keeper", "p@ss"));
    for is_here in [true, false] {
        let closed = Closed::new();
        let address = if is_here {
            closed.address()
        } else {
            elsewhere(&closed)
        };
        let url = format!("smtp://keeper:p%40ss@{address}");
        let peer = closed.open_with(Rules {
            login,
            ..Rules::default()
        });
        let (site, sidecar, found) = begin(&[(URL, &url)]).await;
        sidecar
            .client
            .record(&["p@ss".to_owned(), "p%40ss".to_owned()]);
        assert!(
            found.contains("\"warning\"") && found.contains("smtp.tls"),
            "{found}"
        );
        waits_because(&site, "offers no STARTTLS").await;
        assert_eq!(said(&peer, "AUTH"), 0);
        drop(sidecar);

        let all = [&PACE[..], &[(URL, &*url), (TLS, "none")]].concat();
        let _sidecar = Sidecar::start_with(&site, &all).await;
        becomes(&site, LAST_STATE, "sent").await;
        assert!(said(&peer, "AUTH") > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_own_certificate_is_believed_if_the_operator_names_it() {
    let here = || vec!["127.0.0.1".to_owned()];
    let authority = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let expired = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let (_, another, _folder) = starttls(here(), authority);
    for ((rules, own, _folder), named, words) in [
        (starttls(here(), authority), None, None),
        // `openssl req -x509 -subj /CN=…` lists no names.
        (starttls(Vec::new(), authority), None, None),
        (starttls(Vec::new(), |_| ()), None, None),
        (
            starttls(vec!["other.example".to_owned()], authority),
            None,
            Some("not valid for"),
        ),
        (starttls(here(), expired), None, Some("expired")),
        (
            starttls(here(), authority),
            Some(&another),
            Some("CaUsedAsEndEntity"),
        ),
    ] {
        let closed = Closed::new();
        let url = format!("smtp+starttls://{}", closed.address());
        closed.open_with(rules);
        let file = named.unwrap_or(&own);
        let (site, sidecar, found) = begin(&[(URL, &url), (CA_FILE, file)]).await;
        match words {
            None => {
                assert!(found.contains("certificate is valid"), "{found}");
                becomes(&site, LAST_STATE, "sent").await;
                assert!(!sidecar.log().contains("verify"), "{}", sidecar.log());
            }
            Some(words) => {
                assert!(found.contains(words), "{words}: {found}");
                waits_because(&site, words).await;
            }
        }
    }
}
