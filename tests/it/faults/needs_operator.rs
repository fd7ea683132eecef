//! Faults that an operator has to mend. All that tells whether calls can be carried out agrees, names the remedy, and
//! tells the end by itself.

use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;

use crate::harness::agreement::{check, not_ready, ready_again};
use crate::harness::check_report::PASSWORD;
use crate::harness::eventually::eventually;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site, server_options};

/// A daemon with an account that is no administrator, as on most hosts.
async fn start(site: &Site) -> (Sidecar, String) {
    let account = format!("'ordinary_{}'@'%'", site.database);
    let database = &site.database;
    site.execute(&format!(
        "CREATE USER {account} IDENTIFIED BY '{PASSWORD}'; \
         GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON `{database}`.* TO {account}"
    ))
    .await;
    let port = site.server.port();
    let url = format!("mysql://ordinary_{database}:{PASSWORD}@127.0.0.1:{port}/{database}");
    let sidecar = Sidecar::start_with(site, &[("FCOM_SIDECAR__DATABASE__URL", &url)]).await;
    sidecar.client.record(&[PASSWORD.to_owned()]);
    (sidecar, account)
}

/// What breaks it, what mends it, and words of the reason and of the remedy.
type Fault = (String, String, String, &'static str);

/// Plays each fault, mends it, and asserts that all agree at every time.
async fn play(site: &Site, sidecar: &Sidecar, faults: &[Fault]) {
    for (number, (fault, mending, what, remedy)) in faults.iter().enumerate() {
        site.execute(fault).await;
        not_ready(sidecar, what, Some(remedy)).await;
        // The examination finds it without the daemon's help.
        check(sidecar).assert("readiness", "failed", what);
        site.execute(mending).await;
        ready_again(sidecar, number + 1).await;
    }
    invariants::wait_for_tally(site).await;
    invariants::assert_hold(site).await;
}

#[tokio::test]
async fn an_account_that_is_refused_is_told_by_all_and_let_in_again() {
    let site = Site::new("71").await;
    let (sidecar, account) = start(&site).await;
    let set = |password: &str| format!("ALTER USER {account} IDENTIFIED BY '{password}'");
    let faults = [(
        set("changed-meanwhile"),
        set(PASSWORD),
        "Access denied".to_owned(),
        "correct user, password and database",
    )];
    play(&site, &sidecar, &faults).await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_told_by_all_and_written_to_again() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    let (sidecar, _) = start(&site).await;
    let faults = [(
        "SET GLOBAL read_only = 1".to_owned(),
        "SET GLOBAL read_only = 0".to_owned(),
        "read-only".to_owned(),
        "the server takes no writes",
    )];
    play(&site, &sidecar, &faults).await;
}

#[tokio::test]
async fn tables_that_calls_cannot_use_are_told_by_all_and_used_again() {
    let site = Site::new("71").await;
    let (sidecar, _) = start(&site).await;
    let rename = |table: &str, from: &str, to: &str| {
        format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}")
    };
    let move_table = |from: &str, to: &str| format!("RENAME TABLE {from} TO {to}");
    let missing = "the tables are not what they should be";
    let mut faults = Vec::new();
    for (table, column) in [
        ("wp_fcom_xprofile", "short_description"),
        ("wp_fcom_space_user", "role"),
        ("wp_usermeta", "meta_value"),
    ] {
        faults.push((
            rename(table, column, "gone"),
            rename(table, "gone", column),
            format!("Unknown column '{column}'"),
            missing,
        ));
    }
    for table in ["wp_fcom_xprofile", "wp_users", "wp_fcom_spaces"] {
        faults.push((
            move_table(table, "wp_elsewhere"),
            move_table("wp_elsewhere", table),
            format!("{table}' doesn't exist"),
            missing,
        ));
    }
    play(&site, &sidecar, &faults).await;
}

#[tokio::test]
async fn a_privilege_that_is_revoked_is_told_by_all() {
    let site = Site::new("71").await;
    let (mut sidecar, account) = start(&site).await;
    // The server tells open sessions of a privilege on a table at once, on a database only later.
    let database = &site.database;
    let tables = site.column("SHOW TABLES").await;
    let each: Vec<String> = tables
        .iter()
        .map(|table| {
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON `{database}`.{table} TO {account}")
        })
        .collect();
    site.execute(&each.join(";")).await;
    site.execute(&format!("REVOKE INSERT ON `{database}`.* FROM {account}"))
        .await;
    sidecar.restart().await;
    let on = |verb: &str, direction: &str| {
        format!("{verb} INSERT ON `{database}`.wp_usermeta {direction} {account}")
    };
    site.execute(&on("REVOKE", "FROM")).await;
    not_ready(
        &sidecar,
        "INSERT command denied",
        Some("tells what to grant"),
    )
    .await;
    let outcome = check(&sidecar);
    outcome.assert("privileges", "failed", "INSERT on wp_usermeta");
    outcome.assert("readiness", "failed", "wp_usermeta");
    site.execute(&on("GRANT", "TO")).await;
    ready_again(&sidecar, 1).await;
}

/// A tablespace that is gone, as after a crash of the disk.
#[tokio::test]
async fn a_damaged_table_is_told_by_all() {
    let site = Site::new("71").await;
    let (sidecar, _) = start(&site).await;
    site.execute("CREATE TABLE spare LIKE wp_fcom_space_user; INSERT INTO spare SELECT * FROM wp_fcom_space_user")
        .await;
    site.execute("ALTER TABLE wp_fcom_space_user DISCARD TABLESPACE")
        .await;
    not_ready(
        &sidecar,
        "wp_fcom_space_user",
        Some("CHECK TABLE or restore it"),
    )
    .await;
    check(&sidecar).assert("readiness", "failed", "wp_fcom_space_user");
    site.execute("DROP TABLE wp_fcom_space_user; RENAME TABLE spare TO wp_fcom_space_user")
        .await;
    ready_again(&sidecar, 1).await;
}

/// What no test write meets shows in the calls.
#[tokio::test]
async fn calls_that_all_fail_make_the_daemon_not_ready() {
    let site = Site::new("71").await;
    let (sidecar, _) = start(&site).await;
    site.execute(
        "CREATE TRIGGER full BEFORE INSERT ON wp_usermeta FOR EACH ROW \
         SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'",
    )
    .await;
    for n in 0..3 {
        let email = format!("refused{n}@example.com");
        let fields = [("email", email.as_str())];
        let response = sidecar.client.call(MEMBERS_HOOK, &fields).await;
        assert_eq!(response.status, 503, "{}", response.text());
    }
    not_ready(&sidecar, "calls fail: ", Some("make room for the database")).await;
    site.execute("DROP TRIGGER full").await;
    // Calls are still tried, and so notice the end.
    let mut number = 0;
    eventually(async || {
        number += 1;
        let email = format!("tried{number}@example.com");
        sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", &email)])
            .await;
        match sidecar.client.admin_status("/readyz").await {
            200 => Ok(()),
            status => Err(status),
        }
    })
    .await;
    ready_again(&sidecar, 1).await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// A fault that concerns some calls only is no reason to send all of them elsewhere; the log tells it once.
#[tokio::test]
async fn a_fault_of_some_calls_is_told_once_and_leaves_the_daemon_ready() {
    let site = Site::new("71").await;
    let (sidecar, _) = start(&site).await;
    site.execute(
        r#"UPDATE wp_fcom_spaces SET settings = 'a:1:{s:11:"course_type";s:10:"structured";}' WHERE type = 'course'"#,
    )
    .await;
    site.execute("RENAME TABLE wp_fcom_posts TO wp_elsewhere")
        .await;
    for n in 0..2 {
        let email = format!("refused{n}@example.com");
        let fields = [("email", email.as_str())];
        let response = sidecar.client.call(MEMBERS_HOOK, &fields).await;
        assert_eq!(response.status, 503, "{}", response.text());
    }
    sidecar.says("calls fail, though not most: ").await;
    assert_eq!(sidecar.client.admin_status("/readyz").await, 200);
    let fields = [("email", "plain@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let log = sidecar.log();
    let errors: Vec<&str> = log.lines().filter(|l| l.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].contains("Remedy: "), "{errors:#?}");
    site.execute("RENAME TABLE wp_elsewhere TO wp_fcom_posts")
        .await;
}
