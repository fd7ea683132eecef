//! `sql/grants.sql`: it grants exactly what is used, and all recorded cases pass under it.

use std::fmt::Write;

use fcom_sidecar::db::{OWN_TABLES, Privilege, SITE_TABLES, SiteTable, TableNames};

use crate::harness::check_report::{PASSWORD, check_with, migrate_with};
use crate::harness::recording::Recording;
use crate::harness::replay::replay_on;
use crate::harness::site::{PREFIX, Site};

const SHIPPED: &str = include_str!("../../../sql/grants.sql");
/// The beginning of the serving account's list.
const SERVING: &str = "GRANT SELECT (";

/// The privileges that the serving account needs, from `site_tables.rs`.
fn needed() -> String {
    let names = TableNames::new(PREFIX, None, None).unwrap();
    let mut sql = String::new();
    let mut grant = |table: &SiteTable, what: &str| {
        let name = table.full_name(&names);
        writeln!(
            sql,
            "GRANT {what} ON `wordpress`.`{name}` TO 'fcom_sidecar'@'localhost';"
        )
        .unwrap();
    };
    for table in SITE_TABLES {
        let privileges = table.privileges().into_iter();
        let privileges: Vec<String> = privileges
            .map(|(privilege, columns)| match privilege {
                Privilege::Delete => "DELETE".to_owned(),
                _ => format!("{} ({})", privilege.keyword(), columns.join(", ")),
            })
            .collect();
        grant(table, &privileges.join(", "));
    }
    for table in OWN_TABLES {
        let privileges = table.privileges().into_iter();
        let privileges: Vec<&str> = privileges.map(|(one, _)| one.keyword()).collect();
        grant(table, &privileges.join(", "));
    }
    sql
}

#[test]
fn exactly_what_the_statements_use_is_granted() {
    let (before, granted) = SHIPPED.split_at(SHIPPED.find(SERVING).unwrap());
    let needed = needed();
    if granted != needed {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/target/grants.sql");
        std::fs::write(file, format!("{before}{needed}")).unwrap();
        panic!("sql/grants.sql is not what site_tables.rs says: {file} is");
    }
}

/// The two parts of the file, adapted to a test's site: the migrating account and the serving one.
fn adapted(site: &Site) -> [String; 2] {
    let adapted = SHIPPED
        .replace("`wordpress`", &format!("`{}`", site.database))
        .replace("`wp_", &format!("`{}", site.prefix))
        .replace("'localhost'", "'%'")
        .replace("'fcom_sidecar", &format!("'fcom_{}", site.database))
        .replace("a password", PASSWORD)
        .replace("another password", PASSWORD);
    let (migrating, serving) = adapted.split_once("-- Part 2").unwrap();
    [migrating.to_owned(), format!("-- {serving}")]
}

/// Makes both accounts and the daemon's tables; returns the URL of the serving account.
pub(super) async fn least_account(site: &Site) -> String {
    let [migrating, serving] = adapted(site);
    let url = |account: &str| {
        let (port, database) = (site.server.port(), &site.database);
        format!("mysql://fcom_{database}{account}:{PASSWORD}@127.0.0.1:{port}/{database}")
    };
    site.execute(&migrating).await;
    migrate_with(site, &url("_migrate")).await;
    site.execute(&serving).await;
    url("")
}

async fn replay(fixture: &str) {
    let site = Site::new(fixture).await;
    let url = least_account(&site).await;
    let outcome = check_with(&site, &url, &[]).await;
    outcome.assert_only_failed(&[]);
    outcome.assert("privileges", "ok", "all that is needed");
    outcome.assert("optional-privileges", "ok", "all that is needed");
    outcome.assert("migrate-privileges", "ok", "may not create tables");
    let environment = [("FCOM_SIDECAR__DATABASE__URL", &*url)];
    replay_on(&site, &Recording::of(fixture), &environment).await;
}

#[tokio::test]
async fn the_cases_of_wordpress_6_1_pass_under_them() {
    replay("61").await;
}

#[tokio::test]
async fn the_cases_of_wordpress_6_7_pass_under_them() {
    replay("67").await;
}

#[tokio::test]
async fn the_cases_of_wordpress_6_8_pass_under_them() {
    replay("68").await;
}

#[tokio::test]
async fn the_cases_of_wordpress_7_0_pass_under_them() {
    replay("70").await;
}

#[tokio::test]
async fn the_cases_of_wordpress_7_1_pass_under_them() {
    replay("71").await;
}
