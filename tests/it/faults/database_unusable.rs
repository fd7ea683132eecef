//! A database that answers but cannot work: it is full, its tables are not as expected, or it accepts no connection.
//! After the operator has fixed the cause, the daemon recovers by itself.

use std::sync::Arc;

use fcom_sidecar::sample::server::{Options, PrivateServer};
use sqlx::{ConnectOptions, Connection, MySqlConnection};

use crate::harness::agreement::not_ready;
use crate::harness::eventually::eventually;
use crate::harness::http::Response;
use crate::harness::invariants;
use crate::harness::metrics;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, server_options};
use crate::harness::tables::numbers;

#[track_caller]
fn assert_refused(response: &Response) {
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    let said = response.text();
    assert!(said.contains("nothing was changed"), "{said}");
}

/// Calls until the daemon executes the call, which it does by itself once the fault is fixed.
async fn heals(sidecar: &Sidecar, email: &str) {
    eventually(async || {
        let response = sidecar.client.call(PLAIN_HOOK, &[("email", email)]).await;
        if response.status == 200 {
            return Ok(());
        }
        assert_refused(&response);
        Err(format!("it does not heal: {}", sidecar.log()))
    })
    .await;
}

/// The daemon's log messages at level ERROR.
fn errors(sidecar: &Sidecar) -> Vec<String> {
    let log = sidecar.log();
    let errors = log.lines().filter(|line| line.contains("ERROR"));
    errors.map(str::to_owned).collect()
}

#[track_caller]
fn assert_says(sidecar: &Sidecar, words: &str) {
    let errors = errors(sidecar);
    let says = errors.iter().any(|line| line.contains(words));
    assert!(says, "{errors:#?}");
}

/// The database is not away: no refusal is counted or logged as such.
async fn assert_needs_operator(sidecar: &Sidecar) {
    let scrape = metrics::scrape(&sidecar.client).await;
    let calls = |outcome: &str| {
        let series = format!("fcom_sidecar_calls_total{{outcome=\"{outcome}\"}}");
        metrics::value(&scrape, &series)
    };
    assert!(calls("needs_operator") > 0.5, "{scrape}");
    assert!(calls("database_unavailable") < 0.5, "{scrape}");
    let log = sidecar.log();
    assert!(log.contains("outcome=\"needs_operator\""), "{log}");
}

/// A server whose tables share files that cannot grow.
fn small_server() -> Options {
    let arguments = [
        "--innodb-file-per-table=0",
        "--innodb-data-file-path=ibdata1:12M;ibdata2:24M",
    ];
    Options {
        arguments: arguments.map(str::to_owned).to_vec(),
        ..server_options()
    }
}

#[tokio::test]
async fn a_full_disk_undoes_whole_calls_and_heals_when_there_is_room_again() {
    let server = Arc::new(PrivateServer::start(small_server()).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = Sidecar::start(&site).await;
    heals(&sidecar, "before@example.com").await;
    // Rows that stay within their pages: the server does not survive a larger one that finds no space.
    site.execute("CREATE TABLE ballast (data VARCHAR(3000))")
        .await;
    for rows in [500, 20, 1] {
        let numbers = numbers(rows);
        let insert = format!("INSERT INTO ballast SELECT REPEAT('x', 3000) FROM {numbers}");
        while site.try_execute(&insert).await.is_ok() {}
    }
    // The tables' own pages have some free space left.
    let mut executed = 0;
    let name = "n".repeat(200);
    let refused = loop {
        let email = format!("user{executed}@example.com");
        let fields = [("email", email.as_str()), ("first_name", &name)];
        let response = sidecar.client.call(MEMBERS_HOOK, &fields).await;
        if response.status != 200 {
            break response;
        }
        executed += 1;
        assert!(executed < 2000, "the disk is never full");
    };
    assert_refused(&refused);
    let users = "SELECT COUNT(*) FROM wp_users WHERE ID > 12";
    assert_eq!(site.number(users).await, executed + 1);
    // Now that the tables' pages are full, too, every new member meets it.
    let mut refused = 0;
    eventually(async || {
        refused += 1;
        let email = format!("refused{refused}@example.com");
        let fields = [("email", email.as_str()), ("first_name", &name)];
        sidecar.client.call(MEMBERS_HOOK, &fields).await;
        let status = sidecar.client.admin_status("/readyz").await;
        (status == 503).then_some(()).ok_or(status)
    })
    .await;
    not_ready(&sidecar, "is full", Some("make room for the database")).await;
    assert_needs_operator(&sidecar).await;
    site.execute("DROP TABLE ballast").await;
    heals(&sidecar, "after@example.com").await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_table_that_lacks_a_column_is_named_and_needs_no_restart() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for (table, column) in [
        ("wp_fcom_sidecar_runs", "changes"),
        ("wp_fcom_xprofile", "short_description"),
    ] {
        let rename = |from, to| format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}");
        site.execute(&rename(column, "gone")).await;
        let fields = [("email", "new@example.com")];
        assert_refused(&sidecar.client.call(MEMBERS_HOOK, &fields).await);
        sidecar.says(&format!("Unknown column '{column}'")).await;
        let remedy = "Remedy: the tables are not what they should be";
        sidecar.says(remedy).await;
        assert_needs_operator(&sidecar).await;
        let nobody = "SELECT COUNT(*) FROM wp_users WHERE user_email = 'new@example.com'";
        assert_eq!(site.number(nobody).await, 0);
        site.execute(&rename("gone", column)).await;
    }
    heals(&sidecar, "new@example.com").await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn tables_of_a_newer_release_serve_this_one_too() {
    let site = Site::new("71").await;
    drop(Sidecar::start(&site).await);
    let mut newer = "INSERT INTO wp_fcom_sidecar_schema (version, description, success, checksum, execution_time) \
        VALUES (9001, 'later', TRUE, 'x', 1)"
        .to_owned();
    for table in ["claims", "runs", "mail"] {
        newer.push_str(&format!(
            "; ALTER TABLE wp_fcom_sidecar_{table} ADD COLUMN later INT NOT NULL DEFAULT 7, ADD INDEX later (later)"
        ));
    }
    site.execute(&newer).await;
    let sidecar = Sidecar::start(&site).await;
    for hook in [MEMBERS_HOOK, SPACES_HOOK] {
        let fields = [("email", "new@example.com")];
        sidecar.client.execute(hook, &fields).await;
    }
    assert_eq!(sidecar.client.admin_status("/readyz").await, 200);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Connections of other programs, until the server accepts no more.
async fn take_all(site: &Site) -> Vec<MySqlConnection> {
    let options: sqlx::mysql::MySqlConnectOptions = site.url().parse().unwrap();
    let mut taken = Vec::new();
    while let Ok(connection) = options.connect().await {
        taken.push(connection);
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_free_connections_is_waited_for() {
    let few = Options {
        arguments: vec!["--max-connections=30".to_owned()],
        ..server_options()
    };
    let server = Arc::new(PrivateServer::start(few).await.unwrap());
    let site = Site::on(server, "71").await;
    // An administrator may use a reserved connection, and the test has one itself.
    site.make_the_account_an_ordinary_one().await;
    let taken = take_all(&site).await;
    assert!(!taken.is_empty());
    let mut sidecar = Sidecar::start_unready(&site).await;
    assert_says(&sidecar, "Too many connections");
    let fields = [("email", "early@example.com")];
    let response = sidecar.client.call(PLAIN_HOOK, &fields).await;
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    assert_eq!(sidecar.client.admin_status("/readyz").await, 503);
    for connection in taken {
        connection.close().await.unwrap();
    }
    assert!(sidecar.becomes_ready().await);
    heals(&sidecar, "early@example.com").await;

    // While the daemon works, others take the connections that it does not hold.
    let taken = take_all(&site).await;
    let calls = (0..60).map(|n| {
        let client = &sidecar.client;
        async move {
            let email = format!("user{n}@example.com");
            client.call(SPACES_HOOK, &[("email", &email)]).await.status
        }
    });
    let answers = futures_util::future::join_all(calls).await;
    assert!(
        answers.iter().all(|status| [200, 503].contains(status)),
        "{answers:?}"
    );
    drop(taken);
    heals(&sidecar, "late@example.com").await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
