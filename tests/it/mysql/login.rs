//! `caching_sha2_password`, MySQL's way to log in: it needs TLS once, until the server has the password in its cache. In each state
//! `check` and the daemon's log name the same cause and remedy.

use std::sync::Arc;

use fcom_sidecar::sample::server::{Options, PrivateServer};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::harness::check_report::{Outcome, PASSWORD, check_with, migrate, migrated};
use crate::harness::eventually::eventually;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, server_options};

const URL: &str = "FCOM_SIDECAR__DATABASE__URL";

/// What the driver's and the server's messages are translated to.
const NEEDS_TLS: &str = "which needs an encrypted connection";
const INSISTS_ON_TLS: &str = "require_secure_transport";
const REMEDY: &str = "ssl-mode=REQUIRED";

/// The URL of a new account, which the server has not seen yet.
async fn new_account(site: &Site) -> String {
    let (account, database) = (format!("new_{}", site.database), &site.database);
    site.execute(&format!(
        "CREATE USER '{account}'@'%' IDENTIFIED WITH caching_sha2_password BY '{PASSWORD}'; \
         GRANT ALL ON `{database}`.* TO '{account}'@'%'"
    ))
    .await;
    let port = site.server.port();
    format!("mysql://{account}:{PASSWORD}@127.0.0.1:{port}/{database}")
}

fn plain(url: &str) -> String {
    format!("{url}?ssl-mode=DISABLED")
}

/// After this the server lets the account in without TLS, too.
async fn log_in_with_tls(url: &str) {
    let options: MySqlConnectOptions = format!("{url}?ssl-mode=REQUIRED").parse().unwrap();
    options.connect().await.unwrap().close().await.unwrap();
}

#[track_caller]
fn assert_refused(outcome: &Outcome, found: &str, remedy: &str) {
    outcome.assert("database", "failed", found);
    outcome.assert_only_failed(&["database"]);
    let named = outcome.of("database")[0]["remedy"].to_string();
    assert!(named.contains(remedy), "{named}");
}

/// The daemon does not get ready, and its log names the cause and the remedy that `check` names.
async fn unready(site: &Site, url: &str, found: &str, remedy: &str) -> Sidecar {
    let sidecar = Sidecar::start_unready_with(site, &[(URL, url)]).await;
    sidecar.client.record(&[PASSWORD.to_owned()]);
    assert_eq!(sidecar.client.admin_status("/readyz").await, 503);
    let log = sidecar.log();
    let line = log.lines().find(|line| line.contains("not ready: "));
    let line = line.unwrap();
    assert!(line.contains(found), "{line}");
    assert!(line.contains(remedy), "{line}");
    sidecar
}

async fn serves(sidecar: &Sidecar, email: &str) {
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", email)])
        .await;
}

#[tokio::test]
#[ignore = "needs MySQL: make matrix"]
async fn an_account_that_the_server_has_never_seen_logs_in_with_tls() {
    let site = migrated("71").await;
    let authority = site.server.socket().with_file_name("data/ca.pem");
    let authority = authority.display();
    for mode in [
        String::new(),
        "?ssl-mode=REQUIRED".to_owned(),
        format!("?ssl-mode=VERIFY_CA&ssl-ca={authority}"),
    ] {
        let url = new_account(&site).await;
        let sidecar = Sidecar::start_with(&site, &[(URL, &format!("{url}{mode}"))]).await;
        sidecar.client.record(&[PASSWORD.to_owned()]);
        serves(&sidecar, "tls@example.com").await;
        let outcome = check_with(&site, &format!("{url}{mode}"), &[]).await;
        outcome.assert_only_failed(&[]);
        let encryption = if mode.is_empty() {
            "none needed"
        } else {
            "TLS with "
        };
        outcome.assert("encryption", "ok", encryption);
        site.execute(&format!("DROP USER 'new_{}'@'%'", site.database))
            .await;
    }
    // The server made its certificate itself, for no host name.
    let url = new_account(&site).await;
    let url = format!("{url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={authority}");
    assert_refused(
        &check_with(&site, &url, &[]).await,
        "no TLS with",
        "ssl-mode",
    );
    unready(&site, &url, "certificate", "ssl-mode").await;
}

#[tokio::test]
#[ignore = "needs MySQL: make matrix"]
async fn without_tls_an_account_is_let_in_only_while_the_server_remembers_it() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    migrate(&site).await;
    let url = new_account(&site).await;
    let without = plain(&url);
    assert_refused(&check_with(&site, &without, &[]).await, NEEDS_TLS, REMEDY);
    let mut sidecar = unready(&site, &without, NEEDS_TLS, REMEDY).await;

    log_in_with_tls(&url).await;
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    serves(&sidecar, "remembered@example.com").await;
    let outcome = check_with(&site, &without, &[]).await;
    outcome.assert_only_failed(&[]);
    outcome.assert("encryption", "warning", "after the server's next restart");
    let remedy = outcome.of("encryption")[0]["remedy"].to_string();
    assert!(remedy.contains(REMEDY), "{remedy}");

    // As the warning says.
    server.restart().await.unwrap();
    eventually(async || {
        let call = sidecar
            .client
            .call(PLAIN_HOOK, &[("email", "x@example.com")]);
        assert_eq!(call.await.status, 503);
        let log = sidecar.log();
        let named = log.lines().filter(|line| {
            line.contains("not ready: ") && line.contains(NEEDS_TLS) && line.contains(REMEDY)
        });
        // Once at the start, and now again.
        (named.count() == 2).then_some(()).ok_or(log)
    })
    .await;
    assert_refused(&check_with(&site, &without, &[]).await, NEEDS_TLS, REMEDY);
    // With the remedy.
    check_with(&site, &format!("{url}?{REMEDY}"), &[])
        .await
        .assert_only_failed(&[]);
}

#[tokio::test]
#[ignore = "needs MySQL: make matrix"]
async fn on_a_socket_too_an_account_needs_tls_the_first_time() {
    let site = migrated("71").await;
    let url = new_account(&site).await;
    let socket = site.server.socket();
    let on_socket = format!(
        "{}?socket={}",
        url.replace(&format!("127.0.0.1:{}", site.server.port()), "localhost"),
        socket.display()
    );
    let without = format!("{on_socket}&ssl-mode=DISABLED");
    assert_refused(
        &check_with(&site, &without, &[]).await,
        "access denied",
        "needs TLS",
    );
    let outcome = check_with(&site, &on_socket, &[]).await;
    outcome.assert_only_failed(&[]);
    outcome.assert("encryption", "ok", "TLS with ");
}

#[tokio::test]
#[ignore = "needs MySQL: make matrix"]
async fn a_server_that_insists_on_tls_gets_it_unless_the_operator_turned_it_off() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    migrate(&site).await;
    let url = new_account(&site).await;
    log_in_with_tls(&url).await;
    site.execute("SET GLOBAL require_secure_transport = ON")
        .await;
    let without = plain(&url);
    assert_refused(
        &check_with(&site, &without, &[]).await,
        INSISTS_ON_TLS,
        REMEDY,
    );
    let mut refused = unready(&site, &without, INSISTS_ON_TLS, REMEDY).await;

    for url in [url.clone(), format!("{url}?{REMEDY}")] {
        check_with(&site, &url, &[]).await.assert_only_failed(&[]);
        let sidecar = Sidecar::start_with(&site, &[(URL, &url)]).await;
        sidecar.client.record(&[PASSWORD.to_owned()]);
        serves(&sidecar, "secure@example.com").await;
    }
    site.execute("SET GLOBAL require_secure_transport = OFF")
        .await;
    assert!(refused.becomes_ready().await, "{}", refused.log());
    serves(&refused, "plain@example.com").await;
}

#[tokio::test]
#[ignore = "needs MySQL: make matrix"]
async fn a_server_without_tls_is_told_to_offer_it() {
    let options = Options {
        arguments: vec!["--tls-version=".to_owned()],
        ..server_options()
    };
    let server = Arc::new(PrivateServer::start(options).await.unwrap());
    let site = Site::on(server, "71").await;
    let url = new_account(&site).await;
    let offer = "let the server offer TLS";
    assert_refused(&check_with(&site, &url, &[]).await, NEEDS_TLS, offer);
    unready(&site, &url, NEEDS_TLS, offer).await;
    let required = format!("{url}?{REMEDY}");
    assert_refused(
        &check_with(&site, &required, &[]).await,
        "does not support TLS",
        offer,
    );
    unready(&site, &required, "does not support TLS", offer).await;
}
