//! MySQL as it is installed: REPEATABLE READ, a binary log, a `sql_mode` that refuses zero dates, `utf8mb4_0900_ai_ci`.

use fcom_sidecar::sample::server::Family;
use futures_util::future::join_all;

use crate::harness::check_report::{check, migrate, migrated};
use crate::harness::invariants;
use crate::harness::recording::Recording;
use crate::harness::replay::replay_on;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, Site};

/// Otherwise the other tests would not run with them.
#[tokio::test]
#[ignore = "needs MySQL: make matrix"]
async fn the_tests_run_with_the_defaults_that_mysql_ships() {
    let site = migrated("71").await;
    assert_eq!(site.server.family(), Family::MySql);
    for (variable, value) in [
        ("transaction_isolation", "REPEATABLE-READ"),
        ("log_bin", "1"),
        ("binlog_format", "ROW"),
        ("gtid_mode", "ON"),
        (
            "sql_mode",
            "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
             NO_ENGINE_SUBSTITUTION",
        ),
        ("collation_server", "utf8mb4_0900_ai_ci"),
        ("default_collation_for_utf8mb4", "utf8mb4_0900_ai_ci"),
        ("require_secure_transport", "0"),
    ] {
        let found = site.text(&format!("SELECT @@GLOBAL.{variable}")).await;
        assert_eq!(found.as_deref(), Some(value), "{variable}");
    }
    let outcome = check(&site).await;
    outcome.assert_only_failed(&[]);
    outcome.assert("session", "ok", "READ-COMMITTED");
    outcome.assert("binary-log", "ok", "");
    outcome.assert("encryption", "ok", "none needed");
}

/// A site whose tables were made without a collation, as `DB_COLLATE` and other programs do.
async fn with_the_default_collation(fixture: &str) -> Site {
    const TABLES: &str =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
    const OTHERS: &str = "SELECT COUNT(*) FROM information_schema.columns \
        WHERE table_schema = DATABASE() AND collation_name NOT IN ('utf8mb4_0900_ai_ci', 'utf8mb4_bin')";
    let site = Site::new(fixture).await;
    let mut sql = format!(
        "ALTER DATABASE {} COLLATE utf8mb4_0900_ai_ci;",
        site.database
    );
    for table in site.column(TABLES).await {
        sql.push_str(&format!(
            "ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;"
        ));
    }
    site.execute(&sql).await;
    assert_eq!(site.number(OTHERS).await, 0);
    site
}

#[tokio::test]
#[ignore = "needs MySQL: make matrix"]
async fn every_case_happens_as_recorded_in_tables_of_mysqls_default_collation() {
    let site = with_the_default_collation("71").await;
    replay_on(&site, &Recording::of("71"), &[]).await;
}

/// The claims take the collation of the table of users, where these names are equal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MySQL: make matrix"]
async fn calls_that_collide_in_that_collation_make_one_user_for_each_address() {
    let site = with_the_default_collation("71").await;
    migrate(&site).await;
    check(&site).await.assert_only_failed(&[]);
    let sidecars = [Sidecar::start(&site).await, Sidecar::start(&site).await];
    let call = |n: usize| {
        let client = &sidecars[n % 2].client;
        let email = format!("{}{}@example.com", ["zoe", "ZOE"][n / 2 % 2], n % 5);
        let login = ["zoe", "Zoë", "ZOE"][n % 3];
        async move {
            let fields = [("email", email.as_str()), ("user_login", login)];
            client.execute(MEMBERS_HOOK, &fields).await
        }
    };
    join_all((0..60).map(call)).await;
    let users = "SELECT COUNT(*) FROM wp_users WHERE ID > 12";
    assert_eq!(site.number(users).await, 5);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
