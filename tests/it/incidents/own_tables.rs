//! The daemon's own tables are lost, whole or in part, while the ledger says that they are there.

use fcom_sidecar::db::TableNames;

use crate::harness::check_report;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, PREFIX, Site};
use crate::harness::tables::make_network;

const TABLES: [&str; 8] = [
    "schema", "claims", "runs", "mail", "events", "old_keys", "signed", "kept",
];

/// Two rows in every table: one that is done, one that is not.
const ROWS: &str = "
    INSERT INTO wp_fcom_sidecar_runs (call_id, webhook_id, user_id, outcome, duration_ms, created_at, tallied)
        VALUES (UNHEX(REPEAT('a1', 16)), 6, 2, 'found', 1, '2026-01-01', 1),
               (UNHEX(REPEAT('a2', 16)), 6, 2, 'found', 1, '2026-01-01', 1);
    INSERT INTO wp_fcom_sidecar_mail (user_id, webhook_id, state, next_attempt_at, tried_since, created_at, finished_at)
        VALUES (2, 6, 'sent', '2026-01-01', '2026-01-01', '2026-01-01', '2026-01-01'),
               (2, 6, 'pending', '2026-01-01', '2026-01-01', '2026-01-01', NULL);
    INSERT INTO wp_fcom_sidecar_events (user_id, kind, state, due_at, created_at, finished_at)
        VALUES (2, 'user_register', 'done', '2026-01-01', '2026-01-01', '2026-01-01'),
               (2, 'user_register', 'pending', '2026-01-01', '2026-01-01', NULL);
    INSERT INTO wp_fcom_sidecar_old_keys (key_hash, webhook_id, valid_until)
        VALUES (UNHEX(REPEAT('a1', 32)), 6, '2026-01-01'), (UNHEX(REPEAT('a2', 32)), 6, '2026-01-01');
    INSERT INTO wp_fcom_sidecar_signed (id_hash, webhook_id, fields_hash, user_id, outcome, executed_at, created_at)
        VALUES (UNHEX(REPEAT('a1', 32)), 6, '', 2, 'found', '2026-01-01', '2026-01-01'),
               (UNHEX(REPEAT('a2', 32)), 6, '', 2, 'found', '2026-01-01', '2026-01-01');
    INSERT INTO wp_fcom_sidecar_kept (refused_id, webhook_id, created_at, run_id)
        VALUES (1, 6, '2026-01-01', NULL), (2, 6, '2026-01-01', 7);
    INSERT INTO wp_fcom_sidecar_claims (kind, value, call_id) VALUES ('email', 'a', UNHEX(REPEAT('a1', 16)))";

const COLUMNS: &str = r"SELECT table_name, column_name, column_type, is_nullable, column_default, collation_name, extra
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name LIKE 'wp\_%fcom\_sidecar\_%' ORDER BY table_name, ordinal_position";
const INDEXES: &str = r"SELECT table_name, index_name, non_unique, seq_in_index, column_name
    FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name LIKE 'wp\_%fcom\_sidecar\_%' ORDER BY 1, 2, 4";

type Rows = Vec<Vec<Option<String>>>;

/// All columns in order, and all indexes.
async fn structure(site: &Site) -> Rows {
    let mut rows = site.rows(COLUMNS).await;
    rows.extend(site.rows(INDEXES).await);
    rows
}

fn single() -> TableNames {
    TableNames::new(PREFIX, None, None).unwrap()
}

async fn migrate(site: &Site) {
    site.migrate(&site.database, &single()).await;
}

/// Drops a column with the indexes that it is a part of, as a server does where it is their only column.
async fn drop_column(site: &Site, table: &str, column: &str) {
    let of_column = format!(
        "SELECT DISTINCT index_name FROM information_schema.statistics \
         WHERE table_schema = DATABASE() AND table_name = '{table}' AND column_name = '{column}'"
    );
    let mut changes = Vec::new();
    for index in site.column(&of_column).await {
        changes.push(if index == "PRIMARY" {
            "DROP PRIMARY KEY".to_owned()
        } else {
            format!("DROP KEY {index}")
        });
    }
    changes.push(format!("DROP COLUMN {column}"));
    site.execute(&format!("ALTER TABLE {table} {}", changes.join(", ")))
        .await;
}

#[tokio::test]
async fn every_table_column_and_index_that_is_missing_is_made_again() {
    let site = Site::new("71").await;
    migrate(&site).await;
    let whole = structure(&site).await;
    for table in TABLES {
        site.execute(&format!("DROP TABLE wp_fcom_sidecar_{table}"))
            .await;
        migrate(&site).await;
        assert_eq!(structure(&site).await, whole, "{table}");
    }
    site.execute(ROWS).await;
    // The version identifies a row of the ledger; without it nothing can be said about the others.
    let columns = site.rows(COLUMNS).await;
    let known = |row: &&Vec<Option<String>>| row[1].as_deref() != Some("version");
    for row in columns.iter().filter(known) {
        let (table, column) = (row[0].as_deref().unwrap(), row[1].as_deref().unwrap());
        drop_column(&site, table, column).await;
        migrate(&site).await;
        assert_eq!(structure(&site).await, whole, "{table}.{column}");
    }
    for row in site.rows(INDEXES).await {
        let [table, index, _, place, _] = <[_; 5]>::try_from(row).unwrap().map(Option::unwrap);
        if place == "1" && index != "PRIMARY" {
            site.execute(&format!("ALTER TABLE {table} DROP KEY {index}"))
                .await;
            migrate(&site).await;
            assert_eq!(structure(&site).await, whole, "{table}.{index}");
        }
    }
    for change in [
        "TRUNCATE wp_fcom_sidecar_schema",
        "ALTER TABLE wp_fcom_sidecar_runs MODIFY id bigint unsigned NOT NULL",
        "ALTER TABLE wp_fcom_sidecar_mail DROP KEY due, ADD KEY due (next_attempt_at)",
        "ALTER TABLE wp_fcom_sidecar_runs DROP COLUMN changes, DROP COLUMN user_id, DROP COLUMN created_at",
        "ALTER TABLE wp_fcom_sidecar_mail ADD COLUMN restoring_state varchar(16) CHARACTER SET ascii \
         COLLATE ascii_bin NOT NULL DEFAULT 'sent' AFTER https, DROP KEY due, DROP COLUMN state",
    ] {
        site.execute(change).await;
        migrate(&site).await;
        assert_eq!(structure(&site).await, whole, "{change}");
    }
}

/// A default would count every run and send every mail once more.
#[tokio::test]
async fn a_column_that_comes_back_repeats_nothing() {
    let site = Site::new("71").await;
    migrate(&site).await;
    site.execute(ROWS).await;
    for (table, column) in [("runs", "tallied"), ("runs", "call_id")] {
        drop_column(&site, &format!("wp_fcom_sidecar_{table}"), column).await;
    }
    for table in ["mail", "events"] {
        drop_column(&site, &format!("wp_fcom_sidecar_{table}"), "state").await;
    }
    drop_column(&site, "wp_fcom_sidecar_mail", "tried_since").await;
    migrate(&site).await;
    let states = async |table: &str| {
        let sql = format!("SELECT state FROM wp_fcom_sidecar_{table} ORDER BY id");
        site.column(&sql).await
    };
    assert_eq!(states("mail").await, ["sent", "pending"]);
    assert_eq!(states("events").await, ["done", "pending"]);
    for (what, count) in [
        ("wp_fcom_sidecar_runs WHERE tallied = 1", 2),
        (
            "wp_fcom_sidecar_mail WHERE tried_since > UTC_TIMESTAMP() - INTERVAL 1 HOUR",
            2,
        ),
    ] {
        let sql = format!("SELECT COUNT(*) FROM {what}");
        assert_eq!(site.number(&sql).await, count, "{what}");
    }
    // Without the time of the end, too, nothing says which of them are still to be sent.
    for column in ["state", "finished_at"] {
        drop_column(&site, "wp_fcom_sidecar_mail", column).await;
    }
    migrate(&site).await;
    assert_eq!(states("mail").await, ["sent", "sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_processes_may_mend_at_once() {
    let site = Site::new("71").await;
    migrate(&site).await;
    let whole = structure(&site).await;
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(Sidecar::unstarted(&site, &[]).await);
    }
    site.execute("DROP TABLE wp_fcom_sidecar_runs, wp_fcom_sidecar_claims")
        .await;
    drop_column(&site, "wp_fcom_sidecar_mail", "state").await;
    std::thread::scope(|scope| {
        let runs: Vec<_> = processes
            .iter()
            .map(|one| scope.spawn(|| one.run(&["migrate"])))
            .collect();
        for (run, process) in runs.into_iter().zip(&processes) {
            assert!(run.join().unwrap().success(), "{}", process.log());
        }
    });
    assert_eq!(structure(&site).await, whole);
}

#[tokio::test]
async fn a_site_of_a_network_gets_its_tables_and_those_that_all_sites_share() {
    let site = Site::new("71").await;
    let second = make_network(&site).await;
    let main = single().of_blog(1, PREFIX).unwrap();
    for tables in [&main, &second] {
        site.migrate(&site.database, tables).await;
    }
    let whole = structure(&site).await;
    site.execute("DROP TABLE wp_fcom_sidecar_claims, wp_2_fcom_sidecar_mail")
        .await;
    drop_column(&site, "wp_2_fcom_sidecar_runs", "tallied").await;
    site.migrate(&site.database, &second).await;
    assert_eq!(structure(&site).await, whole);
}

/// What `check` says about our tables under an account that may only serve.
#[tokio::test]
async fn check_names_what_is_missing_and_the_command_that_makes_it() {
    let site = Site::new("71").await;
    migrate(&site).await;
    for (damage, found) in [
        (
            "DROP TABLE wp_fcom_sidecar_runs",
            "wp_fcom_sidecar_runs is missing",
        ),
        (
            "ALTER TABLE wp_fcom_sidecar_mail DROP COLUMN lease",
            "wp_fcom_sidecar_mail lacks the column lease, the index lease",
        ),
        (
            "ALTER TABLE wp_fcom_sidecar_events DROP KEY of_user",
            "wp_fcom_sidecar_events lacks the index of_user",
        ),
        (
            "ALTER TABLE wp_fcom_sidecar_schema DROP COLUMN success",
            "wp_fcom_sidecar_schema lacks the column success",
        ),
    ] {
        site.execute(damage).await;
        let outcome = check_report::check(&site).await;
        outcome.assert("own-tables", "failed", found);
        let remedy = &outcome.of("own-tables")[0]["remedy"];
        let remedy = remedy.as_str().unwrap();
        assert!(
            remedy.starts_with("run \"fcom-sidecar migrate\""),
            "{remedy}"
        );
        check_report::migrate(&site).await;
        let outcome = check_report::check(&site).await;
        outcome.assert("own-tables", "ok", "are up to date");
    }
}

#[tokio::test]
async fn a_start_mends_what_was_lost_meanwhile() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    sidecar.kill();
    site.execute("DROP TABLE wp_fcom_sidecar_claims, wp_fcom_sidecar_mail")
        .await;
    drop_column(&site, "wp_fcom_sidecar_runs", "changes").await;
    sidecar.restart().await;
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    sidecar
        .says("made what was missing: wp_fcom_sidecar_mail is missing")
        .await;
}
