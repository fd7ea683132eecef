//! An account that may have few connections at once, as on shared hosts (error 1226). Everything that uses connections
//! shares them, and nothing is lost.

use std::sync::Arc;

use fcom_sidecar::sample::mailbox::Mailbox;
use fcom_sidecar::sample::server::{Options, PrivateServer};
use futures_util::StreamExt;
use futures_util::stream::iter;
use sqlx::{Connection, MySqlConnection};

use crate::harness::check_report::{PASSWORD, check_with, run};
use crate::harness::eventually::{eventually, until};
use crate::harness::http;
use crate::harness::invariants;
use crate::harness::management::{PATH, TOKEN};
use crate::harness::metrics::{scrape, value};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, server_options};

const MEMBERS: u32 = 300;
const AT_ONCE: usize = 60;
const LIMIT: &str = "fcom_sidecar_database_connections_limit";

/// A site whose database has an account with this limit, and the account's URL.
async fn limited_site(limit: u32) -> (Site, String) {
    let counting = Options {
        // MariaDB counts connections per account only if there is a limit from the start.
        arguments: vec!["--max-user-connections=500".to_owned()],
        ..server_options()
    };
    let site = Site::on(
        Arc::new(PrivateServer::start(counting).await.unwrap()),
        "71",
    )
    .await;
    let database = &site.database;
    site.execute(&format!(
        "CREATE USER 'few'@'%' IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS {limit}; \
         GRANT ALL ON {database}.* TO 'few'@'%'"
    ))
    .await;
    let port = site.server.port();
    let url = format!("mysql://few:{PASSWORD}@127.0.0.1:{port}/{database}");
    (site, url)
}

async fn start(site: &Site, url: &str, mailbox: &Mailbox) -> Sidecar {
    let mail = format!("smtp://127.0.0.1:{}", mailbox.port());
    let environment = [
        ("FCOM_SIDECAR__DATABASE__URL", url),
        ("FCOM_SIDECAR__SMTP__URL", &mail),
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
    ];
    let sidecar = Sidecar::start_with(site, &environment).await;
    let secrets = [TOKEN, PASSWORD].map(str::to_owned);
    sidecar.client.record(&secrets);
    sidecar
}

/// Creates members, many at once; returns the statuses other than 200.
async fn create_members(sidecar: &Sidecar, prefix: &str, count: u32) -> Vec<u16> {
    let calls = (0..count).map(|n| async move {
        let email = format!("{prefix}{n}@example.com");
        let fields = [("email", email.as_str())];
        sidecar.client.call(PLAIN_HOOK, &fields).await.status
    });
    let statuses: Vec<u16> = iter(calls).buffer_unordered(AT_ONCE).collect().await;
    statuses
        .into_iter()
        .filter(|status| *status != 200)
        .collect()
}

/// What operators use meanwhile: the admin listener and commands, each with connections of its own.
async fn operate(site: &Site, sidecar: &Sidecar, url: &str) {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("Authorization", authorization.as_str())];
    for _ in 0..10 {
        let listed = http::request(sidecar.client.admin, "GET", PATH, &headers, b"");
        assert_eq!(listed.await.unwrap().status, 200);
        assert_eq!(sidecar.client.admin_status("/readyz").await, 200);
    }
    for arguments in [&["runs", "list"][..], &["webhook", "list"]] {
        let listed = run(site, url, arguments).await;
        assert_eq!(listed.code, Some(0), "{arguments:?}: {}", listed.output);
    }
}

async fn nothing_is_lost_with(limit: u32) {
    let (site, url) = limited_site(limit).await;
    let mailbox = Mailbox::open().await.unwrap();
    let sidecar = start(&site, &url, &mailbox).await;
    let (refused, ()) = futures_util::join!(
        create_members(&sidecar, "burst", MEMBERS),
        operate(&site, &sidecar, &url)
    );
    assert_eq!(refused, [0_u16; 0], "{}", sidecar.log());
    let created = "SELECT COUNT(*) FROM wp_users WHERE user_email LIKE 'burst%'";
    assert_eq!(site.number(created).await, u64::from(MEMBERS));
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
    site.goes("SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state <> 'sent'")
        .await;

    sidecar.says("the database allows fewer connections").await;
    let log = sidecar.log();
    assert!(!log.contains("ERROR"), "{log}");
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    let [warning] = warnings.as_slice() else {
        panic!("not one warning: {warnings:#?}");
    };
    for words in ["database.max_connections = 16", "error 1226"] {
        assert!(warning.contains(words), "{warning}");
    }
    // One is left to others, except in the moment after a trial while the pool had fewer open.
    let used = value(&scrape(&sidecar.client).await, LIMIT);
    assert!(
        (1.0..=f64::from(limit)).contains(&used),
        "{used} of {limit}"
    );
    let outcome = check_with(&site, &url, &[]).await;
    outcome.assert("connections", "warning", "database.max_connections is 16");
    let remedy = outcome.of("connections")[0]["remedy"].clone();
    let advised = format!("set database.max_connections to {} or less", (limit - 2));
    assert!(remedy.as_str().unwrap().contains(&advised), "{remedy}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_three_connections_nothing_is_lost() {
    nothing_is_lost_with(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_ten_connections_nothing_is_lost() {
    nothing_is_lost_with(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fifteen_connections_nothing_is_lost() {
    nothing_is_lost_with(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_was_raised_is_forgotten_once_more_connections_are_wanted() {
    let (site, url) = limited_site(3).await;
    let mailbox = Mailbox::open().await.unwrap();
    let sidecar = start(&site, &url, &mailbox).await;
    assert_eq!(create_members(&sidecar, "before", 100).await, [0_u16; 0]);
    sidecar.says("the database allows fewer connections").await;
    site.execute("ALTER USER 'few'@'%' WITH MAX_USER_CONNECTIONS 100; FLUSH PRIVILEGES; FLUSH USER_RESOURCES")
        .await;
    let mut rounds = 0;
    eventually(async || {
        rounds += 1;
        let refused = create_members(&sidecar, &format!("round{rounds}n"), 100).await;
        assert_eq!(refused, [0_u16; 0], "{}", sidecar.log());
        let log = sidecar.log();
        let is_forgotten = log.contains("the database allows 16 connections again");
        is_forgotten.then_some(()).ok_or("the limit is kept")
    })
    .await;
    let used = value(&scrape(&sidecar.client).await, LIMIT);
    assert!((used - 16.0).abs() < 0.5, "{used}");
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Servers notice a moment late that a connection was closed, such as those of a command that ran just before.
#[tokio::test]
async fn a_server_that_is_full_for_a_moment_only_delays_the_start() {
    let (site, url) = limited_site(3).await;
    let environment = [("FCOM_SIDECAR__DATABASE__URL", url.as_str())];
    let mut sidecar = Sidecar::unstarted(&site, &environment).await;
    assert!(sidecar.run(&["migrate"]).success(), "{}", sidecar.log());
    let mut held = Vec::new();
    while held.len() < 3 {
        held.push(eventually(async || MySqlConnection::connect(&url).await).await);
    }
    let connections = async || {
        let status = site.rows("SHOW GLOBAL STATUS LIKE 'Connections'").await;
        let count = status[0][1].as_ref().unwrap();
        count.parse::<u64>().unwrap()
    };
    let before = connections().await;
    sidecar.spawn();
    // The first attempt has been refused by then.
    until("no second attempt", async || {
        connections().await >= before + 2
    })
    .await;
    drop(held);
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    let log = sidecar.log();
    assert!(!log.contains("not ready"), "{log}");
}
