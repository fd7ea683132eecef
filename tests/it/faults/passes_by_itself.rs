//! Faults that pass by themselves: another program locks or changes a table, or the server is frozen or ends sessions.
//! One line says what calls wait for, nothing is lost, and all is well within seconds of the end.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fcom_sidecar::sample::server::{Family, Options, PrivateServer};
use futures_util::future::join_all;
use sqlx::{ConnectOptions, Connection, Executor, MySqlConnection};

use crate::harness::agreement::{not_ready, readiness, ready_again};
use crate::harness::eventually::{time_passes, until};
use crate::harness::http::Response;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site, server_options};

/// How soon the daemon is ready again.
const SOON: Duration = Duration::from_secs(10);
const LOCK_WAIT: (&str, &str) = ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "1");

/// A session of another program.
async fn session(site: &Site) -> MySqlConnection {
    let options = site.server.connect_options(Some(&site.database));
    options.connect().await.unwrap()
}

/// Calls for new members that begin now, several at once.
fn calls(
    sidecar: &Sidecar,
    what: &'static str,
    count: u32,
) -> tokio::task::JoinHandle<Vec<(String, Response)>> {
    let client = sidecar.client.clone();
    tokio::spawn(async move {
        let call = |n: u32| {
            let client = client.clone();
            async move {
                let email = format!("{what}{n}@example.com");
                let hook = [PLAIN_HOOK, MEMBERS_HOOK][n as usize % 2];
                let response = client.call(hook, &[("email", &email)]).await;
                (email, response)
            }
        };
        join_all((0..count).map(call)).await
    })
}

/// Who was answered 200 is a member, once; who was told that nothing was changed is none.
async fn assert_answers_hold(site: &Site, answers: &[(String, Response)]) {
    for (email, response) in answers {
        let members = format!("SELECT COUNT(*) FROM wp_users WHERE user_email = '{email}'");
        let members = site.number(&members).await;
        let said = response.text();
        match response.status {
            200 => assert_eq!(members, 1, "{email}"),
            503 if said.contains("nothing was changed") => assert_eq!(members, 0, "{email}"),
            503 => assert!(said.contains("Nobody can say"), "{said}"),
            status => panic!("{email}: {status}: {said}"),
        }
    }
}

/// Asserts that all is well again soon, and that nothing was lost.
async fn assert_recovers(site: &Site, sidecar: &Sidecar, times: usize) {
    let ended = Instant::now();
    sidecar.client.readiness_becomes(200).await;
    assert!(ended.elapsed() < SOON, "{:?}", ended.elapsed());
    ready_again(sidecar, times).await;
    invariants::wait_for_tally(site).await;
    invariants::assert_hold(site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backups_locks_are_waited_for_and_named() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    for (name, lock, table) in [
        ("global", "FLUSH TABLES WITH READ LOCK", "wp_users"),
        ("read", "LOCK TABLES wp_usermeta READ", "wp_usermeta"),
        (
            "write",
            "LOCK TABLES wp_fcom_xprofile WRITE",
            "wp_fcom_xprofile",
        ),
        (
            "own",
            "LOCK TABLES wp_fcom_sidecar_runs WRITE",
            "wp_fcom_sidecar_runs",
        ),
    ] {
        let sidecar = Sidecar::start_with(&site, &[LOCK_WAIT]).await;
        let mut backup = session(&site).await;
        backup.execute(lock).await.unwrap();
        let answers = calls(&sidecar, name, 8);
        not_ready(&sidecar, &format!("{table} is locked"), None).await;
        backup.execute("UNLOCK TABLES").await.unwrap();
        backup.close().await.unwrap();
        assert_recovers(&site, &sidecar, 1).await;
        assert_answers_hold(&site, &answers.await.unwrap()).await;
    }
}

/// `mariadb-backup` lets writes go on until its last stage, which keeps commits waiting for a moment. MySQL's backups only
/// keep tables from being changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stages_of_a_backup_lose_nothing_and_only_delay() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let stages: &[(&'static str, &str)] = match server.family() {
        Family::MariaDb => &[
            ("start", "BACKUP STAGE START"),
            ("flush", "BACKUP STAGE FLUSH"),
            ("tables", "BACKUP STAGE BLOCK_DDL"),
            ("commits", "BACKUP STAGE BLOCK_COMMIT"),
        ],
        Family::MySql => &[("instance", "LOCK INSTANCE FOR BACKUP")],
    };
    let site = Site::on(server, "71").await;
    let sidecar = Sidecar::start_with(&site, &[LOCK_WAIT]).await;
    let mut backup = session(&site).await;
    for (name, stage) in stages {
        backup.execute(*stage).await.unwrap();
        let called = calls(&sidecar, name, 8);
        if *name == "commits" {
            let waits = "SELECT COUNT(*) > 0 FROM information_schema.processlist WHERE state = 'Waiting for backup lock'";
            until("no commit waits", async || site.number(waits).await > 0).await;
            // Longer than a commit waits for one attempt.
            time_passes(Duration::from_secs(3)).await;
            backup.execute("BACKUP STAGE END").await.unwrap();
        }
        let answers = called.await.unwrap();
        for (email, response) in &answers {
            assert_eq!(
                response.status,
                200,
                "{stage}: {email}: {}",
                response.text()
            );
        }
        assert_answers_hold(&site, &answers).await;
    }
    backup.close().await.unwrap();
    assert_eq!(readiness(&sidecar).await.0, 200);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Changes of tables that take a moment each delay calls, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_executed_while_tables_are_changed() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let mut answers = Vec::new();
    for (name, change) in [
        (
            "optimize",
            "OPTIMIZE TABLE wp_users, wp_usermeta, wp_fcom_xprofile, wp_fcom_space_user",
        ),
        ("rebuild", "ALTER TABLE wp_users ENGINE = InnoDB"),
        ("add", "ALTER TABLE wp_usermeta ADD COLUMN later INT NULL"),
        (
            "index",
            "ALTER TABLE wp_fcom_space_user ADD INDEX later (role, user_id)",
        ),
        (
            "copy",
            "ALTER TABLE wp_fcom_sidecar_runs ADD COLUMN later INT NULL, ALGORITHM = COPY",
        ),
        ("analyze", "ANALYZE TABLE wp_users, wp_usermeta, wp_options"),
    ] {
        let called = calls(&sidecar, name, 24);
        let mut program = session(&site).await;
        while !called.is_finished() {
            // The same column again is refused, after the same locks.
            let _ = program.execute(change).await;
        }
        answers.extend(called.await.unwrap());
    }
    for (email, response) in &answers {
        assert_eq!(
            response.status,
            200,
            "{email}: {}\n{}",
            response.text(),
            sidecar.log()
        );
    }
    assert_answers_hold(&site, &answers).await;
    assert_eq!(readiness(&sidecar).await.0, 200);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_frozen_loses_nothing() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let sidecar = Sidecar::start_with(&site, &[LOCK_WAIT]).await;
    let signal = |name: &str| {
        let process = server.process_id().unwrap().to_string();
        let sent = Command::new("kill").args([name, &process]).status();
        assert!(sent.unwrap().success());
    };
    let before = calls(&sidecar, "before", 8);
    signal("-STOP");
    let during = calls(&sidecar, "during", 8);
    until("the daemon does not notice it", async || {
        readiness(&sidecar).await.0 == 503
    })
    .await;
    let (_, said) = readiness(&sidecar).await;
    let reason = said["reason"].as_str().unwrap();
    assert!(reason.starts_with("the database does not answer"), "{said}");
    // Longer than a call is retried.
    time_passes(Duration::from_secs(20)).await;
    signal("-CONT");
    assert_recovers(&site, &sidecar, 1).await;
    for answers in [before, during] {
        assert_answers_hold(&site, &answers.await.unwrap()).await;
    }
    let log = sidecar.log();
    let lines = log.lines().filter(|line| line.contains("not ready: "));
    assert_eq!(lines.count(), 1, "{log}");
}

/// The session's own `wait_timeout` holds, so a server that ends idle sessions early does not end the daemon's.
#[tokio::test]
async fn a_server_that_ends_idle_sessions_is_not_noticed() {
    let options = Options {
        // The driver says that it is interactive, and the other limit becomes the session's then.
        arguments: ["--wait-timeout=2", "--interactive-timeout=2"]
            .map(str::to_owned)
            .to_vec(),
        ..server_options()
    };
    let server = Arc::new(PrivateServer::start(options).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = Sidecar::start(&site).await;
    for n in 0..3 {
        let email = format!("idle{n}@example.com");
        sidecar
            .client
            .execute(MEMBERS_HOOK, &[("email", &email)])
            .await;
        time_passes(Duration::from_secs(4)).await;
    }
    let log = sidecar.log();
    assert!(!log.contains("not ready: "), "{log}");
    assert!(!log.contains("trying the call again"), "{log}");
}

/// A call that does not fit into a packet of the server loses its longest names, not its member.
#[tokio::test]
async fn a_call_larger_than_the_servers_packets_still_makes_a_member() {
    let options = Options {
        arguments: vec!["--max-allowed-packet=1M".to_owned()],
        ..server_options()
    };
    let server = Arc::new(PrivateServer::start(options).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = Sidecar::start(&site).await;
    for (name, length) in [("small", 10), ("large", 300_000), ("huge", 700_000)] {
        let email = format!("{name}@example.com");
        let first_name = "n".repeat(length);
        let fields = [("email", email.as_str()), ("first_name", &first_name)];
        sidecar.client.execute(MEMBERS_HOOK, &fields).await;
    }
    assert_eq!(readiness(&sidecar).await.0, 200);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
