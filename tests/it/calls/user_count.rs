//! The option `user_count`, which WordPress writes anew with every user as long as there are few.

use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

const COUNT: &str = "FROM wp_options WHERE option_name = 'user_count'";

/// Makes a user and returns the count and its autoload flag.
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
    // Nobody is made.
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
