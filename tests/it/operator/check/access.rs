//! `fcom-sidecar check` when the database is down, or its account or its binary log causes trouble, and that the lists
//! that it checks against are complete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fcom_sidecar::db::{self, OWN_TABLES, Privilege, TableNames};
use fcom_sidecar::sample::machine::free_port;
use fcom_sidecar::sample::server::{Family, Options, PrivateServer};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Executor};

use crate::harness::agreement::not_ready;
use crate::harness::check_report::{PASSWORD, check, check_with, migrate, migrated};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PREFIX, Site, server_options};
use crate::harness::tables::{make_network, statements_for};

/// The URL for another account of the site's server.
fn url_for(site: &Site, account: &str) -> String {
    let (port, database) = (site.server.port(), &site.database);
    format!("mysql://{account}:{PASSWORD}@127.0.0.1:{port}/{database}")
}

/// Creates an account without privileges, named after the database.
async fn create_account(site: &Site) -> String {
    let account = format!("limited_{}", site.database);
    site.execute(&format!(
        "CREATE USER '{account}'@'%' IDENTIFIED BY '{PASSWORD}'"
    ))
    .await;
    account
}

/// Grants exactly what `check` requires, column by column where possible.
fn grants(site: &Site, names: &TableNames, account: &str) -> Vec<String> {
    let to = format!("`{}`", site.database);
    let mut grants = Vec::new();
    for table in db::site_tables(names) {
        let name = table.full_name(names);
        for (privilege, columns) in table.privileges() {
            let columns = match privilege {
                Privilege::Delete => String::new(),
                _ => format!(" ({})", columns.join(", ")),
            };
            let keyword = privilege.keyword();
            grants.push(format!(
                "GRANT {keyword}{columns} ON {to}.{name} TO '{account}'@'%'"
            ));
        }
    }
    for table in OWN_TABLES {
        let name = table.full_name(names);
        for (privilege, _) in table.privileges() {
            let keyword = privilege.keyword();
            grants.push(format!("GRANT {keyword} ON {to}.{name} TO '{account}'@'%'"));
        }
    }
    grants
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_told_in_words() {
    let site = migrated("71").await;
    let all = check(&site).await.names();
    let (right, port, name) = (site.url(), site.server.port(), &site.database);
    for (url, found) in [
        (
            right.replace(&format!(":{port}/"), &format!(":{}/", free_port())),
            "nothing listens at 127.0.0.1:",
        ),
        (
            right.replace("127.0.0.1", "no-such-host.invalid"),
            "unknown host \"no-such-host.invalid\"",
        ),
        (
            right.replace(site.server.password(), "another-secret"),
            "access denied",
        ),
        (
            right.replace(name.as_str(), "no_such_database"),
            "unknown database",
        ),
        (
            right.replace(&format!("127.0.0.1:{port}"), "localhost") + "?socket=/nowhere/s.sock",
            "no socket at /nowhere/s.sock",
        ),
    ] {
        let outcome = check_with(&site, &url, &[]).await;
        outcome.assert("database", "failed", found);
        outcome.assert_only_failed(&["database"]);
        assert!(
            !outcome.output.contains("another-secret"),
            "{}",
            outcome.output
        );
        assert_eq!(outcome.names(), all, "{url}");
        outcome.assert("privileges", "skipped", "cannot be reached");
        outcome.assert("wordpress-version", "ok", "7.1, from wordpress.version");
        let mail = check_with(&site, &url, &["--set", "mail.transport=wordpress"]).await;
        mail.assert("welcome-mail", "skipped", "");
    }
}

#[tokio::test]
async fn an_account_with_just_the_privileges_that_check_asks_for_serves_calls() {
    let site = migrated("71").await;
    let account = create_account(&site).await;
    let names = TableNames::new(PREFIX, None, None).unwrap();
    site.execute(&grants(&site, &names, &account).join(";"))
        .await;
    let url = url_for(&site, &account);
    let outcome = check_with(&site, &url, &[]).await;
    outcome.assert_only_failed(&[]);
    outcome.assert("privileges", "ok", "all that is needed");
    outcome.assert("migrate-privileges", "ok", "may not create tables");
    // What is missing is granted for the columns that need it: no other column of the users may be changed.
    let of_users = format!(
        "UPDATE (user_activation_key) ON `{}`.wp_users",
        site.database
    );
    site.execute(&format!("REVOKE {of_users} FROM '{account}'@'%'"))
        .await;
    let outcome = check_with(&site, &url, &[]).await;
    let remedy = outcome.of("privileges")[0]["remedy"].clone();
    let remedy = remedy.as_str().unwrap();
    assert!(
        remedy.starts_with("GRANT UPDATE (user_activation_key) ON"),
        "{remedy}"
    );
    site.execute(remedy).await;
    check_with(&site, &url, &[]).await.assert_only_failed(&[]);

    // What an earlier release did not ask for.
    let of_users = format!(
        "SELECT (user_pass, user_activation_key) ON `{}`.wp_users",
        site.database
    );
    site.execute(&format!("REVOKE {of_users} FROM '{account}'@'%'"))
        .await;
    let outcome = check_with(&site, &url, &[]).await;
    outcome.assert(
        "optional-privileges",
        "warning",
        "needed for welcome mails that leave late",
    );
    let finding = outcome.of("optional-privileges")[0].clone();
    assert!(
        !finding["found"].to_string().contains("courses"),
        "{finding}"
    );
    site.execute(finding["remedy"].as_str().unwrap()).await;
    let outcome = check_with(&site, &url, &[]).await;
    outcome.assert("optional-privileges", "ok", "all that is needed");

    let url: &'static str = url.leak();
    for transport in ["smtp", "wordpress"] {
        let environment = [
            ("FCOM_SIDECAR__DATABASE__URL", url),
            ("FCOM_SIDECAR__MAIL__TRANSPORT", transport),
        ];
        let sidecar = Sidecar::start_with(&site, &environment).await;
        let uncounted = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE tallied = 0";
        for email in [&format!("{transport}@example.com"), "existing@example.com"] {
            let fields = [("email", email), ("first_name", "Ann")];
            let response = sidecar.client.call(MEMBERS_HOOK, &fields).await;
            assert_eq!(
                response.status,
                200,
                "{}\n{}",
                response.text(),
                sidecar.log()
            );
            assert_eq!(site.number(uncounted).await, 0, "{}", sidecar.log());
        }
    }
}

#[tokio::test]
async fn such_an_account_serves_a_site_of_a_network() {
    let site = Site::new("71").await;
    let names = make_network(&site).await;
    site.migrate(&site.database, &names).await;
    let account = create_account(&site).await;
    site.execute(&grants(&site, &names, &account).join(";"))
        .await;
    let url = url_for(&site, &account);
    let outcome = check_with(&site, &url, &["--set", "wordpress.blog_id=2"]).await;
    outcome.assert_only_failed(&[]);
    outcome.assert("multisite", "ok", "site 2 (example.org/two/) of network 1");
    let undeclared = check(&site).await;
    undeclared.assert("multisite", "failed", "wp_blogs, wp_sitemeta");

    let environment = [
        ("FCOM_SIDECAR__DATABASE__URL", &*url),
        ("FCOM_SIDECAR__WORDPRESS__BLOG_ID", "2"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let settled = "SELECT (SELECT meta_value FROM wp_sitemeta WHERE meta_key = 'user_count') \
                   + (SELECT COUNT(*) FROM wp_2_fcom_sidecar_runs WHERE tallied = 0)";
    // The fixture's users have no role on the second site.
    for email in ["new@example.com", "existing@example.com"] {
        let id = sidecar
            .client
            .execute(MEMBERS_HOOK, &[("email", email)])
            .await;
        let role = format!(
            "SELECT COUNT(*) FROM wp_usermeta WHERE user_id = {id} AND meta_key = 'wp_2_capabilities'"
        );
        assert_eq!(site.number(&role).await, 1, "{email}");
        assert_eq!(site.number(settled).await, 13, "{}", sidecar.log());
    }
}

#[tokio::test]
async fn a_missing_privilege_is_named_with_the_statement_that_grants_it() {
    let site = migrated("71").await;
    let account = create_account(&site).await;
    let database = site.database.clone();
    site.execute(&format!(
        "GRANT SELECT, INSERT, UPDATE ON `{}`.* TO '{account}'@'%'",
        database.replace('_', "\\_")
    ))
    .await;
    let url = url_for(&site, &account);
    let outcome = check_with(&site, &url, &[]).await;
    outcome.assert(
        "privileges",
        "failed",
        "missing: DELETE on wp_fcom_meta; DELETE on wp_fcom_space_user; DELETE on wp_fcom_sidecar_claims",
    );
    outcome.assert_only_failed(&["privileges"]);
    let remedy = outcome.of("privileges")[0]["remedy"].clone();
    site.execute(remedy.as_str().unwrap()).await;
    check_with(&site, &url, &[]).await.assert_only_failed(&[]);
}

#[tokio::test]
async fn privileges_count_when_they_come_from_an_active_role() {
    let site = migrated("71").await;
    let account = create_account(&site).await;
    let (role, database) = (format!("role_{}", site.database), &site.database);
    site.execute(&format!(
        "CREATE ROLE {role}; GRANT ALL PRIVILEGES ON `{database}`.* TO {role}; GRANT {role} TO '{account}'@'%';
        GRANT SELECT ON `{database}`.wp_options TO '{account}'@'%'"
    ))
    .await;
    let url = url_for(&site, &account);
    let outcome = check_with(&site, &url, &[]).await;
    outcome.assert("privileges", "failed", "SELECT, INSERT, UPDATE on wp_users");
    let remedy = outcome.of("privileges")[0]["remedy"].to_string();
    assert!(
        remedy.contains("SET DEFAULT ROLE") && remedy.contains(&role),
        "{remedy}"
    );
    let preposition = match site.server.family() {
        Family::MariaDb => "FOR",
        Family::MySql => "TO",
    };
    let set = format!("SET DEFAULT ROLE {role} {preposition} '{account}'@'%'");
    site.execute(&set).await;
    check_with(&site, &url, &[]).await.assert_only_failed(&[]);
}

#[tokio::test]
async fn an_account_that_may_do_nothing_gets_answers_all_the_same() {
    let site = migrated("71").await;
    let account = create_account(&site).await;
    site.execute(&format!(
        "GRANT SELECT (ID) ON `{}`.wp_users TO '{account}'@'%'",
        site.database
    ))
    .await;
    let outcome = check_with(&site, &url_for(&site, &account), &[]).await;
    let failed = [
        "tables",
        "columns",
        "own-tables",
        "privileges",
        "options",
        "webhooks",
    ];
    outcome.assert_only_failed(&failed);
    outcome.assert("tables", "failed", "wp_usermeta");
    outcome.assert("session", "ok", "READ-COMMITTED");
}

#[tokio::test]
async fn a_binary_log_of_statements_is_refused_by_check_and_by_serve() {
    let log = format!("--log-bin=fcom-sidecar-{}", std::process::id());
    let options = Options {
        arguments: vec![log, "--binlog-format=ROW".to_owned()],
        ..server_options()
    };
    let server = Arc::new(PrivateServer::start(options).await.unwrap());
    let site = Site::on(server, "71").await;
    migrate(&site).await;
    check(&site).await.assert("binary-log", "ok", "");
    let sidecar = Sidecar::start(&site).await;
    site.execute("SET GLOBAL binlog_format = 'STATEMENT'").await;
    let outcome = check(&site).await;
    outcome.assert("binary-log", "failed", "format STATEMENT");
    outcome.assert_only_failed(&["binary-log"]);
    // The format of a session is fixed when it begins, but the daemon examines the database over new ones.
    not_ready(&sidecar, "format STATEMENT", Some("ROW or MIXED")).await;
    drop(sidecar);
    let refused = Sidecar::start_unready(&site).await;
    assert_eq!(refused.client.admin_status("/readyz").await, 503);
    assert!(
        refused.log().contains("set binlog_format to ROW or MIXED"),
        "{}",
        refused.log()
    );
    site.execute("SET GLOBAL binlog_format = 'ROW'").await;
}

/// Every statement finds its columns in tables that have only the listed ones.
#[tokio::test]
async fn the_listed_columns_are_all_that_statements_name() {
    let site = Site::new("71").await;
    let single = TableNames::new(PREFIX, None, None).unwrap();
    let of_network = single.clone().of_blog(2, "wp_2_").unwrap();
    for (kind, names) in [("single", single), ("network", of_network)] {
        let database = format!("{}_{kind}", site.database);
        site.server.create_database(&database).await.unwrap();
        let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for table in db::site_tables(&names) {
            let columns = tables.entry(table.full_name(&names)).or_default();
            let listed = table.columns();
            columns.extend(listed.iter().map(|name| format!("{name} VARCHAR(100)")));
            if listed.contains(&table.id) {
                columns.insert(format!("PRIMARY KEY ({})", table.id));
            }
        }
        for (name, columns) in tables {
            let columns: Vec<String> = columns.into_iter().collect();
            let sql = format!("CREATE TABLE {name} ({})", columns.join(", "));
            site.server.load_sql(&database, &sql).await.unwrap();
        }
        let options: MySqlConnectOptions = site.server.url(&database).parse().unwrap();
        site.migrate(&database, &names).await;
        let mut connection = options.connect().await.unwrap();
        for (name, statement) in statements_for(&names) {
            let prepared = (&mut connection).prepare(statement.sql()).await;
            assert!(prepared.is_ok(), "{name}: {}", prepared.unwrap_err());
        }
    }
}
