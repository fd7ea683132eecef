//! What the import of a list asks of the database, and when it asks nothing.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fcom_sidecar::sample::server::PrivateServer;
use serde_json::json;

use super::import::{Folder, RUNS, import, prepare};
use crate::harness::eventually::{time_passes, until};
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{Site, server_options};

fn list(lines: u64) -> String {
    let mut list = "email\n".to_owned();
    for number in 0..lines {
        writeln!(list, "member{number}@example.com").unwrap();
    }
    list
}

/// What is the same for many lines is asked once for all of them. A server of its own, because everything is logged.
#[tokio::test]
async fn ids_and_keys_are_not_looked_at_line_by_line() {
    const LINES: u64 = 400;
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = prepare(&site).await;
    let folder = Folder::new();
    let file = folder.file("members.csv", list(LINES).as_bytes());
    site.execute("SET GLOBAL log_output = 'TABLE', general_log = ON")
        .await;
    let (code, told) = import(&sidecar, &[&file]);
    site.execute("SET GLOBAL general_log = OFF").await;
    assert_eq!(
        (code, &told["summary"]["created"]),
        (0, &json!(LINES)),
        "{told}"
    );
    let executed = async |words: &str| {
        let log = "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Execute' \
            AND CONVERT(argument USING utf8mb4) LIKE";
        site.number(&format!("{log} '{words}'")).await
    };
    assert!(executed("%FROM wp_users%").await >= LINES);
    for (what, words) in [("ids", "%LAST_INSERT_ID()%"), ("keys", "%idempotency_key%")] {
        let count = executed(words).await;
        assert!(
            count < LINES / 2,
            "{count} {what} were looked at by themselves"
        );
    }
    invariants::assert_hold(&site).await;
}

/// Either learns at its start that no line was carried out before, which holds no longer when a line's turn comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_imports_of_one_list_carry_it_out_once() {
    const LINES: u64 = 60;
    let site = Site::new("71").await;
    let sidecar = prepare(&site).await;
    let (folder, machine) = (Folder::new(), Folder::new());
    let files =
        [&folder, &machine].map(|folder| folder.file("members.csv", list(LINES).as_bytes()));
    let mut commands = files
        .each_ref()
        .map(|file| sidecar.background(&["import", file, "--webhook", "3"]));
    for command in &mut commands {
        assert!(command.wait().unwrap().success(), "{}", sidecar.log());
    }
    assert_eq!(site.number(RUNS).await, LINES);
    let results = [&folder, &machine].map(|folder| folder.result("members.result.csv"));
    assert_eq!(results[0].len() as u64, LINES);
    assert_eq!(results[0], results[1]);
    assert!(results[0].iter().all(|line| line[3] == "created"));
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// As calls do: what is carried out meanwhile is lost with the table that is restored next.
#[tokio::test]
async fn lines_wait_while_a_dump_is_restored() {
    let site = Site::new("71").await;
    let pause = [("FCOM_SIDECAR__DATABASE__RESTORE_PAUSE_SECONDS", "4")];
    let sidecar = Sidecar::unstarted(&site, &pause).await;
    assert!(sidecar.run(&["migrate"]).success());
    let folder = Folder::new();
    let file = folder.file("members.csv", list(10_000).as_bytes());
    let mut command = sidecar.background(&["import", &file, "--webhook", "3", "--rate", "50"]);
    until("the import does not begin", async || {
        site.number(RUNS).await > 3
    })
    .await;
    let mut waiting = 0;
    until("the lines do not wait", async || {
        site.execute("ALTER TABLE wp_users FORCE").await;
        // Those that were begun end.
        time_passes(Duration::from_secs(1)).await;
        waiting = site.number(RUNS).await;
        time_passes(Duration::from_secs(1)).await;
        site.number(RUNS).await == waiting
    })
    .await;
    until("the lines do not go on", async || {
        site.number(RUNS).await > waiting
    })
    .await;
    command.kill().unwrap();
    command.wait().unwrap();
}
