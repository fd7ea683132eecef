//! The listeners: their possible addresses, when they answer, and when they refuse.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;
use tempfile::TempDir;

use crate::harness::check_report::Outcome;
use crate::harness::client::FORM;
use crate::harness::eventually::until;
use crate::harness::http::{self, Response};
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, SPACES_HOOK, Site, server_options, target};

const LISTEN: &str = "FCOM_SIDECAR__SERVER__LISTEN";
const ANN: &[(&str, &str)] = &[("email", "ann@example.com")];
const KNOWN: &[(&str, &str)] = &[("email", "existing@example.com")];

/// A folder, a socket's path in it, and that path as a setting.
fn socket() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sock");
    let listen = format!("unix:{}", path.display());
    (folder, path, listen)
}

async fn call_over(socket: &Path, email: &str) -> Response {
    let headers = [("Content-Type", FORM), ("X-Forwarded-Proto", "https")];
    let body = format!("email={email}");
    http::request_over_socket(
        socket,
        "POST",
        &target(PLAIN_HOOK),
        &headers,
        body.as_bytes(),
    )
    .await
    .unwrap()
}

/// Starts a daemon that cannot listen, and returns its error.
async fn refusal_to_start(site: &Site, listen: &str) -> String {
    let mut sidecar = Sidecar::unstarted(site, &[(LISTEN, listen)]).await;
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(1), "{}", sidecar.log());
    sidecar.log()
}

/// Asserts an error with a `Retry-After`.
#[track_caller]
fn assert_come_back(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(response.json()["status"], "error");
}

#[tokio::test]
async fn calls_come_over_a_unix_socket_with_the_mode_that_is_set() {
    let site = Site::new("71").await;
    for (mode, permissions) in [("", 0o660), ("0606", 0o606)] {
        let (_folder, path, listen) = socket();
        // A dead process leaves its socket behind.
        drop(UnixListener::bind(&path).unwrap());
        let mut environment = vec![(LISTEN, listen.as_str())];
        if !mode.is_empty() {
            environment.push(("FCOM_SIDECAR__SERVER__SOCKET_MODE", mode));
        }
        let sidecar = Sidecar::start_with(&site, &environment).await;
        let email = format!("mode{permissions}@example.com");
        sidecar.client.record(std::slice::from_ref(&email));
        let response = call_over(&path, &email).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let stored = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(stored & 0o777, permissions);
        // A client that may open the socket is a trusted proxy.
        let https = "SELECT https FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
        assert_eq!(site.text(https).await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_second_instance_leaves_a_live_socket_alone() {
    let site = Site::new("71").await;
    let (_folder, path, listen) = socket();
    let sidecar = Sidecar::start_with(&site, &[(LISTEN, &listen)]).await;
    let log = refusal_to_start(&site, &listen).await;
    assert!(
        log.contains(&format!("server.listen = \"{listen}\"")),
        "{log}"
    );
    assert!(log.contains("another process"), "{log}");
    sidecar.client.record(&["ann@example.com".to_owned()]);
    assert_eq!(call_over(&path, "ann@example.com").await.status, 200);
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_replaced() {
    let site = Site::new("71").await;
    let (_folder, path, listen) = socket();
    std::fs::write(&path, "precious").unwrap();
    let log = refusal_to_start(&site, &listen).await;
    assert!(log.contains(&listen), "{log}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_port_in_use_is_named_and_ends_the_daemon() {
    let site = Site::new("71").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let log = refusal_to_start(&site, &address).await;
    assert!(
        log.contains(&format!("server.listen = \"{address}\"")),
        "{log}"
    );
    assert!(
        log.to_lowercase().contains("address already in use"),
        "{log}"
    );
}

#[tokio::test]
async fn a_daemon_may_start_before_its_database() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    // How long a call waits for a connection while none is available.
    let environment = [("FCOM_SIDECAR__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1")];
    let mut sidecar = Sidecar::unstarted(&site, &environment).await;
    server.kill();
    sidecar.spawn();
    let client = &sidecar.client;
    let lives = async || client.admin_status("/healthz").await == 200;
    until("the daemon does not live", lives).await;
    assert_eq!(sidecar.client.admin_status("/readyz").await, 503);
    assert_come_back(&sidecar.client.call(PLAIN_HOOK, ANN).await, 503);
    server.restart().await.unwrap();
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    assert_eq!(sidecar.client.execute(PLAIN_HOOK, ANN).await, 13);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// A call as the proxy passes it on for a client with this address.
async fn call_from(sidecar: &Sidecar, address: &str, hook: &str) -> Response {
    let headers = [("Content-Type", FORM), ("X-Forwarded-For", address)];
    let body = b"email=existing%40example.com";
    sidecar
        .client
        .request("POST", &target(hook), &headers, body)
        .await
}

/// Calls until one is refused with 429, and returns how many were executed before. More than a second passes between
/// two calls at most a few times, however busy the machine is.
async fn calls_until_limited(sidecar: &Sidecar, address: &str, hook: &str) -> u64 {
    for executed in 0..20 {
        let response = call_from(sidecar, address, hook).await;
        if response.status != 200 {
            assert_come_back(&response, 429);
            return executed;
        }
    }
    panic!("no call is refused");
}

#[tokio::test]
async fn a_client_over_its_rate_is_told_to_wait_and_others_are_not() {
    let site = Site::new("71").await;
    let environment = [("FCOM_SIDECAR__LIMITS__CALLS_PER_SECOND_PER_CLIENT", "1")];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let executed = calls_until_limited(&sidecar, "203.0.113.1", PLAIN_HOOK).await;
    assert!(executed > 0);
    // The address that the trusted proxy appends identifies the client, not the ones before it.
    for address in ["203.0.113.2", "203.0.113.1, 203.0.113.3"] {
        let response = call_from(&sidecar, address, PLAIN_HOOK).await;
        assert_eq!(response.status, 200, "{address}: {}", response.text());
    }
    let runs = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";
    assert_eq!(site.number(runs).await, executed + 2);
}

#[tokio::test]
async fn a_peer_that_is_no_proxy_cannot_choose_its_address() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__LIMITS__CALLS_PER_SECOND_PER_CLIENT", "1"),
        ("FCOM_SIDECAR__SERVER__TRUSTED_PROXIES", "192.0.2.1"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    for number in 0..20 {
        let address = format!("203.0.113.{number}");
        if call_from(&sidecar, &address, PLAIN_HOOK).await.status == 429 {
            return;
        }
    }
    panic!("no call is refused");
}

#[tokio::test]
async fn a_webhook_over_its_rate_is_refused_to_everyone_and_others_to_nobody() {
    let site = Site::new("71").await;
    let environment = [("FCOM_SIDECAR__LIMITS__CALLS_PER_SECOND_PER_WEBHOOK", "1")];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let mut executed = 0;
    let mut limited = 0;
    for number in 0..20 {
        let address = format!("203.0.113.{number}");
        match call_from(&sidecar, &address, PLAIN_HOOK).await {
            response if response.status == 200 => executed += 1,
            response => {
                assert_come_back(&response, 429);
                limited += 1;
                break;
            }
        }
    }
    assert!(executed > 0 && limited > 0);
    let other = call_from(&sidecar, "203.0.113.1", SPACES_HOOK).await;
    assert_eq!(other.status, 200, "{}", other.text());
    let runs = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE webhook_id = 3";
    assert_eq!(site.number(runs).await, executed);
}

#[tokio::test]
async fn a_call_that_finds_no_place_is_refused_at_once() {
    let site = Site::new("71").await;
    let environment = [("FCOM_SIDECAR__LIMITS__MAX_CALLS_IN_FLIGHT", "1")];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let blocker = site.lock(KNOWN_USER).await;
    let client = sidecar.client.clone();
    let first = tokio::spawn(async move { client.call(PLAIN_HOOK, KNOWN).await });
    site.a_call_waits().await;
    assert_come_back(&sidecar.client.call(PLAIN_HOOK, ANN).await, 503);
    // Immediately: the first one is still waiting.
    assert!(!first.is_finished());
    assert_eq!(site.calls_that_wait().await, 1);
    blocker.rollback().await.unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    let runs = site
        .number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
        .await;
    let users = site.number("SELECT MAX(ID) FROM wp_users").await;
    assert_eq!((runs, users), (1, site.last_user));
    // The slot is free again.
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
}

/// The same command for a user whom permissions bind. Root without the capability to override them is one.
fn bound_by_permissions(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.arg("--bounding-set=-dac_override,-dac_read_search");
    bound.arg("--").arg(command.get_program());
    bound.args(command.get_args());
    bound.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    bound
}

/// As with `SocketGroup=` in the socket units, for who is not in the group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_does_not_complain_of_a_daemon_that_it_may_not_ask() {
    let site = Site::new("71").await;
    let (folder, path, admin) = socket();
    let _admin = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    let calls = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = calls.local_addr().unwrap().to_string();
    let environment = [
        (LISTEN, listen.as_str()),
        ("FCOM_SIDECAR__SERVER__ADMIN_LISTEN", &admin),
    ];
    let sidecar = Sidecar::unstarted(&site, &environment).await;
    assert!(sidecar.run(&["migrate"]).success());
    let check = ["check", "--json"];
    let (code, said, complained) = if folder.path().metadata().unwrap().uid() == 0 {
        sidecar.outcome_as(&check, bound_by_permissions)
    } else {
        sidecar.outcome(&check)
    };
    let outcome = Outcome {
        output: said,
        code: Some(code),
    };
    assert_eq!(complained, "");
    outcome.assert("daemon", "skipped", "this user may not open unix:");
    outcome.assert("listen", "skipped", "this user may not ask the daemon");
    outcome.assert_only_failed(&[]);
}
