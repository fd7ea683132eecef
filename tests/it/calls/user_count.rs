//! The option `user_count`, which WordPress rewrites with every new user while the site has few users.

use fcom_sidecar::sample::server::{Options, PrivateServer};

use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, server_options};
use crate::harness::tables::make_network;
use crate::harness::webhook_record::running_count;

const COUNT: &str = "FROM wp_options WHERE option_name = 'user_count'";

/// Creates a user and returns the count and its autoload flag.
async fn count_after(site: &Site, sidecar: &Sidecar, name: &str) -> Vec<String> {
    let email = format!("{name}@example.com");
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", &email)])
        .await;
    site.column(&format!(
        "SELECT CONCAT_WS(' ', option_value, autoload) {COUNT}"
    ))
    .await
}

#[tokio::test]
async fn the_users_are_counted_unless_there_are_more_than_ten_thousand() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for (number, (before, after)) in [
        ("5", "13 off"),
        ("10000", "14 off"),
        ("10001", "10001 off"),
        ("", "16 off"),
        ("nonsense", "17 off"),
    ]
    .into_iter()
    .enumerate()
    {
        site.execute(&format!(
            "UPDATE wp_options SET option_value = '{before}' WHERE option_name = 'user_count'"
        ))
        .await;
        let name = format!("user{number}");
        assert_eq!(
            count_after(&site, &sidecar, &name).await,
            [after],
            "{before}"
        );
    }
    site.execute("UPDATE wp_options SET option_value = '5' WHERE option_name = 'user_count'")
        .await;
    // No user is created.
    assert_eq!(count_after(&site, &sidecar, "existing").await, ["5 off"]);
}

#[tokio::test]
async fn a_missing_count_is_inserted_as_the_release_inserts_options() {
    for (fixture, expected) in [("61", "13 no"), ("67", "13 off"), ("71", "13 off")] {
        let site = Site::new(fixture).await;
        site.execute(&format!("DELETE {COUNT}")).await;
        let sidecar = Sidecar::start(&site).await;
        assert_eq!(
            count_after(&site, &sidecar, "ann").await,
            [expected],
            "{fixture}"
        );
    }
}

/// 6.5 is the last release that writes `no`, and 5.9 counts nothing.
#[tokio::test]
async fn the_release_decides_whether_and_how() {
    for (version, expected) in [
        ("5.9.3", &[][..]),
        ("6.0", &["13 no"]),
        ("6.5.5", &["13 no"]),
        ("6.6", &["13 off"]),
    ] {
        let site = Site::new("67").await;
        site.execute(&format!("DELETE {COUNT}")).await;
        let environment = [("FCOM_SIDECAR__WORDPRESS__VERSION", version)];
        let sidecar = Sidecar::start_with(&site, &environment).await;
        assert_eq!(
            count_after(&site, &sidecar, "ann").await,
            expected,
            "{version}"
        );
    }
}

/// The webhook's number of runs.
async fn runs_of_plain_hook(site: &Site) -> u64 {
    let record = format!("SELECT value FROM wp_fcom_meta WHERE meta_key = '{PLAIN_HOOK}'");
    running_count(&site.text(&record).await.unwrap())
}

/// MariaDB 11.6 and later rolls back the transaction if a row has changed since the statement began (error 1020).
#[tokio::test]
async fn a_count_that_changes_meanwhile_counts_no_run_twice() {
    let site = Site::new("71").await;
    make_network(&site).await;
    site.execute(
        "INSERT INTO wp_sitemeta (site_id, meta_key, meta_value) VALUES (1, 'user_count', '5')",
    )
    .await;
    let sidecar = Sidecar::start_with(&site, &[("FCOM_SIDECAR__WORDPRESS__BLOG_ID", "1")]).await;
    let before = runs_of_plain_hook(&site).await;
    // As PHP does it, without taking claims.
    let php = site
        .lock("UPDATE wp_sitemeta SET meta_value = 6 WHERE meta_key = 'user_count'")
        .await;
    let meanwhile = async {
        let waiting = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'UPDATE wp_sitemeta%'",
            site.database
        );
        site.comes(&waiting).await;
        php.commit().await.unwrap();
    };
    let call = sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")]);
    tokio::join!(call, meanwhile);
    invariants::wait_for_tally(&site).await;
    assert_eq!(runs_of_plain_hook(&site).await, before + 1);
    let counted = "SELECT meta_value FROM wp_sitemeta WHERE meta_key = 'user_count'";
    let users = site.number("SELECT COUNT(*) FROM wp_users").await;
    assert_eq!(site.number(counted).await, users);
}

#[tokio::test]
async fn a_count_that_cannot_be_written_takes_no_run_with_it() {
    let options = Options {
        arguments: vec!["--innodb-rollback-on-timeout".to_owned()],
        ..server_options()
    };
    let server = PrivateServer::start(options).await.unwrap();
    let site = Site::on(server.into(), "71").await;
    let lock_wait = ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "1");
    let sidecar = Sidecar::start_with(&site, &[lock_wait]).await;
    let before = runs_of_plain_hook(&site).await;
    let locked = site
        .lock("SELECT option_id FROM wp_options WHERE option_name = 'user_count' FOR UPDATE")
        .await;
    let call = |name: &str| {
        let email = format!("{name}@example.com");
        let client = &sidecar.client;
        async move { client.execute(PLAIN_HOOK, &[("email", &email)]).await }
    };
    call("ann").await;
    invariants::wait_for_tally(&site).await;
    assert_eq!(runs_of_plain_hook(&site).await, before + 1);
    locked.rollback().await.unwrap();
    // The next new user is counted together with the first one.
    call("bob").await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
