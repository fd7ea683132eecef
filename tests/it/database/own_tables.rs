//! The daemon's own tables: created once, whichever instance comes first; old runs are pruned, uncounted ones counted.

use std::process::ExitStatus;

use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{LEAVING_HOOK, PLAIN_HOOK, Site};
use crate::harness::webhook_record::running_count;

/// Webhooks that no longer run because their record is missing or broken.
const DELETED: u64 = 3;
const BROKEN: u64 = 5;
/// Has run 41 times.
const LEAVING: u64 = 6;

/// Inserts runs of this age from an instance that has died.
async fn insert_runs(site: &Site, webhook_id: u64, count: u64, age: &str, tallied: bool) {
    let tallied = u8::from(tallied);
    let rows: Vec<String> = (0..count)
        .map(|_| {
            format!(
                "(UNHEX(REPLACE(UUID(), '-', '')), {webhook_id}, 2, 'found', '{{}}', {tallied}, 1, UTC_TIMESTAMP() - INTERVAL {age})"
            )
        })
        .collect();
    site.execute(&format!(
        "INSERT INTO wp_fcom_sidecar_runs \
         (call_id, webhook_id, user_id, outcome, changes, tallied, duration_ms, created_at) VALUES {}",
        rows.join(", ")
    ))
    .await;
}

async fn record(site: &Site, webhook_id: u64) -> Option<String> {
    let sql = format!("SELECT value FROM wp_fcom_meta WHERE id = {webhook_id}");
    site.text(&sql).await
}

async fn wait_until_none(site: &Site, rows: &str) {
    site.goes(&format!("SELECT COUNT(*) FROM {rows}")).await;
}

/// Names and definitions of our tables, and the migration ledger.
async fn own_tables(site: &Site) -> Vec<Vec<Option<String>>> {
    let sql = r"SELECT table_name, column_name, column_type, collation_name, column_key
        FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name LIKE 'wp\_fcom\_sidecar\_%' ORDER BY 1, ordinal_position";
    let mut tables = site.rows(sql).await;
    let ledger = "SELECT version, description, installed_on, HEX(checksum) FROM wp_fcom_sidecar_schema ORDER BY 1";
    tables.extend(site.rows(ledger).await);
    tables
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let site = Site::new("61").await;
    let sidecar = Sidecar::start(&site).await;
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    let before = own_tables(&site).await;
    assert!(before.len() > 20, "{before:?}");
    assert!(sidecar.run(&["migrate"]).success(), "{}", sidecar.log());
    assert_eq!(own_tables(&site).await, before);
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_processes_may_migrate_at_once() {
    let site = Site::new("71").await;
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(Sidecar::unstarted(&site, &[]).await);
    }
    let migrate = |sidecar: &Sidecar| -> ExitStatus { sidecar.run(&["migrate"]) };
    std::thread::scope(|scope| {
        let runs: Vec<_> = processes
            .iter()
            .map(|one| scope.spawn(move || migrate(one)))
            .collect();
        for (run, process) in runs.into_iter().zip(&processes) {
            assert!(run.join().unwrap().success(), "{}", process.log());
        }
    });
    let twice = "SELECT version FROM wp_fcom_sidecar_schema GROUP BY version HAVING COUNT(*) > 1 OR MIN(success) = 0";
    assert_eq!(site.column(twice).await, [""; 0]);
    let sidecar = Sidecar::start(&site).await;
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn the_daemon_makes_its_tables_itself_also_beside_another_one() {
    let site = Site::new("71").await;
    let mut one = Sidecar::unstarted(&site, &[]).await;
    let mut two = Sidecar::unstarted(&site, &[]).await;
    one.spawn();
    two.spawn();
    assert!(one.becomes_ready().await, "{}", one.log());
    assert!(two.becomes_ready().await, "{}", two.log());
    for sidecar in [&one, &two] {
        let id = sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
            .await;
        assert_eq!(id, 13);
    }
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn counted_runs_are_forgotten_after_their_retention() {
    for (days, environment) in [
        (90, &[][..]),
        (7, &[("FCOM_SIDECAR__RUNS__RETENTION_DAYS", "7")]),
    ] {
        let site = Site::new("71").await;
        let sidecar = Sidecar::unstarted(&site, environment).await;
        assert!(sidecar.run(&["migrate"]).success());
        // More than one batch.
        insert_runs(
            &site,
            LEAVING,
            1200,
            &format!("{} HOUR", days * 24 + 1),
            true,
        )
        .await;
        insert_runs(&site, LEAVING, 3, &format!("{} HOUR", days * 24 - 1), true).await;
        let old = format!(
            "wp_fcom_sidecar_runs WHERE created_at < UTC_TIMESTAMP() - INTERVAL {days} DAY"
        );
        let mut sidecar = sidecar;
        sidecar.spawn();
        wait_until_none(&site, &old).await;
        let left = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";
        assert_eq!(site.number(left).await, 3);
        // A record keeps its number of runs, whether the runs are still stored or not.
        assert_eq!(running_count(&record(&site, LEAVING).await.unwrap()), 41);
        assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    }
}

/// Two instances sweep at their start, first concurrently, then in turns.
#[tokio::test]
async fn runs_that_a_dead_instance_left_are_counted_once() {
    const FIRST: u64 = 700;
    const LATER: u64 = 30;
    let site = Site::new("71").await;
    let mut one = Sidecar::unstarted(&site, &[]).await;
    let mut two = Sidecar::unstarted(&site, &[]).await;
    assert!(one.run(&["migrate"]).success());
    // Old enough to be pruned, but they must be counted first.
    insert_runs(&site, LEAVING, FIRST, "1 HOUR", false).await;
    insert_runs(&site, LEAVING, 1, "100 DAY", false).await;
    site.execute(
        "UPDATE wp_fcom_sidecar_runs SET outcome = 'created' WHERE id = 1; \
         UPDATE wp_options SET option_value = '5' WHERE option_name = 'user_count'",
    )
    .await;
    one.spawn();
    two.spawn();
    assert!(one.becomes_ready().await, "{}", one.log());
    assert!(two.becomes_ready().await, "{}", two.log());
    let count = async || running_count(&record(&site, LEAVING).await.unwrap());
    // Calls continue meanwhile.
    for sidecar in [&one, &two] {
        sidecar
            .client
            .execute(LEAVING_HOOK, &[("email", "existing@example.com")])
            .await;
    }
    let untallied = "wp_fcom_sidecar_runs WHERE NOT tallied";
    // What exceeds one sweep is left to the next.
    insert_runs(&site, LEAVING, LATER, "1 MINUTE", false).await;
    wait_until_none(&site, untallied).await;
    assert_eq!(count().await, 41 + FIRST + 1 + 2 + LATER);
    let users = "SELECT option_value FROM wp_options WHERE option_name = 'user_count'";
    assert_eq!(site.number(users).await, site.last_user);
}

#[tokio::test]
async fn runs_of_a_webhook_that_is_gone_or_broken_hinder_nobody() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::unstarted(&site, &[]).await;
    assert!(sidecar.run(&["migrate"]).success());
    for webhook in [DELETED, BROKEN, LEAVING] {
        insert_runs(&site, webhook, 4, "1 HOUR", false).await;
    }
    let broken = r#"a:1:{s:5:"title";s:4:"Ho"#;
    site.execute(&format!(
        "DELETE FROM wp_fcom_meta WHERE id = {DELETED}; \
         UPDATE wp_fcom_meta SET value = '{broken}', updated_at = '2020-01-01 00:00:00' WHERE id = {BROKEN}"
    ))
    .await;
    sidecar.spawn();
    wait_until_none(&site, "wp_fcom_sidecar_runs WHERE NOT tallied").await;
    assert_eq!(running_count(&record(&site, LEAVING).await.unwrap()), 45);
    assert_eq!(record(&site, DELETED).await, None);
    assert_eq!(record(&site, BROKEN).await.as_deref(), Some(broken));
    let touched = format!("SELECT updated_at FROM wp_fcom_meta WHERE id = {BROKEN}");
    assert_eq!(
        site.text(&touched).await.as_deref(),
        Some("2020-01-01 00:00:00")
    );
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
}

/// A process that dies in a migration leaves its table without a ledger entry, or an entry without a table.
#[tokio::test]
async fn a_migration_that_was_cut_off_is_done_again() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::unstarted(&site, &[]).await;
    for left_behind in [
        "UPDATE wp_fcom_sidecar_schema SET success = 0 WHERE version = 2",
        "UPDATE wp_fcom_sidecar_schema SET success = 0 WHERE version = 3; DROP TABLE wp_fcom_sidecar_mail",
        "DELETE FROM wp_fcom_sidecar_schema WHERE version > 1",
    ] {
        assert!(sidecar.run(&["migrate"]).success(), "{}", sidecar.log());
        site.execute(left_behind).await;
    }
    sidecar.spawn();
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    let unfinished = "SELECT COUNT(*) FROM wp_fcom_sidecar_schema WHERE NOT success";
    assert_eq!(site.number(unfinished).await, 0);
}
