//! Columns that others have added to the site's tables and that have no default: our rows get there what WordPress's
//! session, which is not strict, would store.

use fcom_sidecar::db::{SITE_TABLES, TableNames, implicit_default};
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, ConnectOptions, MySqlConnection, Row};

use crate::harness::check_report::check;
use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::invariants;
use crate::harness::management::{PATH, TOKEN};
use crate::harness::metrics::{scrape, value};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, PREFIX, SPACES_HOOK, Site};

const TYPES: [&str; 41] = [
    "tinyint",
    "tinyint(1)",
    "smallint unsigned",
    "mediumint",
    "int",
    "bigint unsigned",
    "decimal(10,3)",
    "float",
    "double",
    "bit(1)",
    "bit(13)",
    "year",
    "char(3)",
    "char(36) CHARACTER SET ascii",
    "varchar(20)",
    "varchar(20) CHARACTER SET latin1",
    "tinytext",
    "text",
    "mediumtext",
    "longtext",
    "binary(4)",
    "varbinary(20)",
    "tinyblob",
    "blob",
    "mediumblob",
    "longblob",
    "enum('b','a')",
    "enum('','a')",
    "enum('3','2','1')",
    "set('x','y')",
    "date",
    "time",
    "time(3)",
    "datetime",
    "datetime(6)",
    "timestamp",
    "timestamp(3)",
    "json",
    "uuid",
    "inet4",
    "inet6",
];

async fn connect(site: &Site, sql_mode: &str) -> MySqlConnection {
    let options = site.server.connect_options(Some(&site.database));
    let mut connection = options.connect().await.unwrap();
    let mode = format!("SET SESSION sql_mode = '{sql_mode}'");
    run(&mut connection, &mode).await.unwrap();
    connection
}

async fn run(connection: &mut MySqlConnection, sql: &str) -> Result<(), sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection);
    done.await.map(drop)
}

#[tokio::test]
async fn of_every_type_the_servers_own_implicit_default_is_stored() {
    let site = Site::new("71").await;
    // What WordPress leaves of a server's modes.
    let mut lax = connect(&site, "NO_ENGINE_SUBSTITUTION").await;
    let mut strict = connect(&site, fcom_sidecar::db::SQL_MODE).await;
    let mut compared = 0;
    for column_type in TYPES {
        let create = format!(
            "DROP TABLE IF EXISTS typed; CREATE TABLE typed (id int AUTO_INCREMENT PRIMARY KEY, c {column_type} NOT NULL)"
        );
        if run(&mut lax, &create).await.is_err() {
            // Not a type of this server.
            continue;
        }
        let described = "SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME = 'typed' AND COLUMN_NAME = 'c' AND COLUMN_DEFAULT IS NULL";
        let Some(data_type) = site.text(described).await else {
            // The server gives it a default by itself.
            continue;
        };
        let of_server = run(&mut lax, "INSERT INTO typed (id) VALUES (NULL)").await;
        let ours = match implicit_default(&data_type) {
            Some(value) => {
                let insert = format!("INSERT INTO typed (id, c) VALUES (NULL, {value})");
                run(&mut strict, &insert).await
            }
            None => run(&mut strict, "INSERT INTO typed (id) VALUES (NULL)").await,
        };
        assert_eq!(
            ours.is_ok(),
            of_server.is_ok(),
            "{column_type}: {of_server:?}, {ours:?}"
        );
        if ours.is_err() {
            continue;
        }
        let stored = sqlx::raw_sql("SELECT HEX(CAST(c AS CHAR)), HEX(c) FROM typed ORDER BY id");
        let stored = stored.fetch_all(&mut strict).await.unwrap();
        let texts: Vec<[Option<String>; 2]> = stored
            .iter()
            .map(|row| [0, 1].map(|index| row.try_get_unchecked(index).unwrap()))
            .collect();
        assert_eq!(texts.len(), 2, "{column_type}");
        assert_eq!(texts[0], texts[1], "{column_type}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

/// Tables of the site into which a call or the management inserts rows.
fn written_tables() -> Vec<String> {
    let names = TableNames::new(PREFIX, None, None).unwrap();
    let written = SITE_TABLES.iter().filter(|table| !table.inserts.is_empty());
    written.map(|table| table.full_name(&names)).collect()
}

async fn alter_all(site: &Site, change: &str) {
    for table in written_tables() {
        site.execute(&format!(
            "SET SESSION sql_mode = ''; ALTER TABLE {table} {change}; \
             SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
        ))
        .await;
    }
}

async fn start(site: &Site) -> Sidecar {
    let environment = [
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "wordpress"),
    ];
    let sidecar = Sidecar::start_with(site, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    sidecar
}

/// New members who write into every table, many at once, and a webhook.
async fn write_everywhere(sidecar: &Sidecar, round: &str) {
    let calls = (0..20).map(|n| {
        let client = &sidecar.client;
        async move {
            let email = format!("{round}{n}@example.com");
            let hook = [PLAIN_HOOK, MEMBERS_HOOK, SPACES_HOOK][n % 3];
            client.execute(hook, &[("email", &email)]).await
        }
    });
    join_all(calls).await;
    let fields = [("email", "existing@example.com")];
    sidecar.client.execute(MEMBERS_HOOK, &fields).await;
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = format!("{{\"title\":\"{round}\"}}");
    let created = http::request(
        sidecar.client.admin,
        "POST",
        PATH,
        &headers,
        body.as_bytes(),
    );
    let created = created.await.unwrap();
    assert_eq!(created.status, 200, "{}", created.text());
    let key = created.json()["webhook"]["meta_key"]
        .as_str()
        .unwrap()
        .to_owned();
    sidecar.client.record(&[key]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_others_without_a_default_are_filled_as_wordpress_fills_them() {
    let site = Site::new("71").await;
    // The user count is inserted, too.
    site.execute("DELETE FROM wp_options WHERE option_name = 'user_count'")
        .await;
    let sidecar = start(&site).await;
    write_everywhere(&sidecar, "before").await;

    // While the daemon runs.
    alter_all(
        &site,
        "ADD account_ref varchar(20) NOT NULL, ADD `their kind` enum('basic','gold') NOT NULL FIRST, \
         ADD since datetime NOT NULL",
    )
    .await;
    write_everywhere(&sidecar, "added").await;
    let added = "SELECT DISTINCT CONCAT_WS('|', account_ref, `their kind`, since) FROM wp_users";
    assert_eq!(site.column(added).await, ["|basic|0000-00-00 00:00:00"]);
    let counted = "SELECT option_value FROM wp_options WHERE option_name = 'user_count'";
    let users = site.number("SELECT COUNT(*) FROM wp_users").await;
    eventually(async || {
        let stored = site.number(counted).await;
        (stored == users)
            .then_some(())
            .ok_or_else(|| format!("{stored} of {users}"))
    })
    .await;
    let outcome = check(&site).await;
    outcome.assert_only_failed(&[]);
    let notes = outcome.of("columns");
    assert_eq!(notes.len(), 3 * written_tables().len(), "{notes:#?}");
    assert!(
        notes.iter().all(|note| note["status"] == "ok"),
        "{notes:#?}"
    );
    let note = "wp_users.account_ref has no default: new rows get '' there";
    assert!(
        notes
            .iter()
            .any(|found| found["found"].as_str().unwrap().contains(note))
    );

    // They change their type, then are gone again.
    alter_all(&site, "MODIFY account_ref int NOT NULL").await;
    write_everywhere(&sidecar, "changed").await;
    alter_all(&site, "DROP account_ref, DROP since, DROP `their kind`").await;
    write_everywhere(&sidecar, "dropped").await;
    let metrics = scrape(&sidecar.client).await;
    for outcome in ["needs_operator", "database_error", "database_unavailable"] {
        let calls = format!("fcom_sidecar_calls_total{{outcome=\"{outcome}\"}}");
        assert!(value(&metrics, &calls) < 0.5, "{outcome}");
    }
    assert!(!sidecar.log().contains(" ERROR "), "{}", sidecar.log());
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
