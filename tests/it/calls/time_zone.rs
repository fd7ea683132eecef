//! Independence of the database's time zone: PHP writes the site's wall clock as literals into TIMESTAMP columns,
//! through whatever time zone the server has, and reads the same literals back.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use fcom_sidecar::clock::Clock;
use fcom_sidecar::sample::server::{Options, PrivateServer};

use crate::harness::compare::Tokens;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, Site, server_options};

/// America/Phoenix, which has no daylight saving time.
const PHOENIX: i64 = -7 * 3600;

#[tokio::test]
async fn the_literals_are_the_sites_wall_clock_whatever_the_servers_zone() {
    let site = Site::new("71").await;
    let zone = site.text("SELECT @@session.time_zone").await;
    assert_eq!(zone.as_deref(), Some("+03:00"));
    site.execute("UPDATE wp_options SET option_value = 'America/Phoenix' WHERE option_name = 'timezone_string'")
        .await;
    let sidecar = Sidecar::start(&site).await;
    let since = site.now().await;
    let response = sidecar
        .client
        .call(MEMBERS_HOOK, &[("email", "ann@example.com")])
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    let tokens = Tokens {
        since,
        until: site.now().await,
        wordpress: site.wordpress,
        password: None,
    };
    for (sql, offset, count) in [
        ("SELECT user_registered FROM wp_users WHERE ID = 13", 0, 1),
        (
            "SELECT created_at FROM wp_fcom_xprofile WHERE user_id = 13",
            PHOENIX,
            1,
        ),
        (
            "SELECT updated_at FROM wp_fcom_xprofile WHERE user_id = 13",
            PHOENIX,
            1,
        ),
        (
            "SELECT created_at FROM wp_fcom_space_user WHERE user_id = '13'",
            PHOENIX,
            4,
        ),
        (
            "SELECT updated_at FROM wp_fcom_space_user WHERE user_id = '13'",
            PHOENIX,
            4,
        ),
        (
            "SELECT updated_at FROM wp_fcom_meta WHERE id = 4",
            PHOENIX,
            1,
        ),
    ] {
        let literals = site.column(sql).await;
        assert_eq!(literals.len(), count, "{sql}");
        for literal in literals {
            assert!(tokens.is_now(&literal, offset), "{sql}: {literal}");
        }
    }
}

#[tokio::test]
async fn an_old_users_profile_begins_when_the_user_registered_in_the_sites_zone() {
    let site = Site::new("71").await;
    site.execute("UPDATE wp_options SET option_value = '5.5' WHERE option_name = 'gmt_offset'")
        .await;
    site.execute("UPDATE wp_users SET user_registered = '2020-02-29 20:00:00' WHERE ID = 2")
        .await;
    let sidecar = Sidecar::start(&site).await;
    let known = [("email", "existing@example.com")];
    let response = sidecar.client.call(MEMBERS_HOOK, &known).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let created = site
        .text("SELECT created_at FROM wp_fcom_xprofile WHERE user_id = 2")
        .await;
    assert_eq!(created.as_deref(), Some("2020-03-01 01:30:00"));
}

/// The content of a TIMESTAMP column after PHP, whose sessions are not strict, has written each of these literals.
async fn stored_by_php(site: &Site, literals: &[String]) -> Vec<String> {
    let rows: Vec<String> = literals
        .iter()
        .map(|literal| format!("('{literal}')"))
        .collect();
    site.execute(&format!(
        "SET @mode = @@sql_mode, SESSION sql_mode = ''; CREATE TABLE lax (id int AUTO_INCREMENT PRIMARY KEY, at timestamp NULL); \
         INSERT INTO lax (at) VALUES {}; SET SESSION sql_mode = @mode",
        rows.join(", ")
    ))
    .await;
    let stored = site.column("SELECT at FROM lax ORDER BY id").await;
    site.execute("DROP TABLE lax").await;
    stored
}

/// Unix seconds as a literal in UTC.
fn literal(seconds: u64) -> String {
    let time = DateTime::<Utc>::from_timestamp(seconds.try_into().unwrap(), 0).unwrap();
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A `TZ` with UTC as standard time that moved an hour forward half an hour ago: the present wall clock time is
/// skipped.
fn zone_in_its_gap(now: DateTime<Utc>) -> String {
    let start = now - TimeDelta::minutes(30);
    let end = start + TimeDelta::days(100);
    let time = start.format("%H:%M:%S");
    format!("AAA0BBB-1,{}/{time},{}", start.ordinal0(), end.ordinal0())
}

#[tokio::test]
async fn a_time_that_the_servers_clock_leaves_out_is_stored_as_php_stores_it() {
    let options = Options {
        environment: vec![("TZ".to_owned(), zone_in_its_gap(Clock.now()))],
        default_time_zone: None,
        ..server_options()
    };
    let server = Arc::new(PrivateServer::start(options).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = Sidecar::start(&site).await;
    let since = site.now().await;
    // A new user, and one whose memberships are resumed.
    for email in ["ann@example.com", "memberships@example.com"] {
        sidecar
            .client
            .execute(MEMBERS_HOOK, &[("email", email)])
            .await;
    }
    let literals: Vec<String> = (since..=site.now().await).map(literal).collect();
    let stored = stored_by_php(&site, &literals).await;
    assert_ne!(stored, literals, "the server's clock has no gap now");
    let stored: BTreeSet<String> = stored.into_iter().collect();
    for (sql, count) in [
        (
            "SELECT created_at FROM wp_fcom_xprofile WHERE user_id = 13",
            1,
        ),
        (
            "SELECT updated_at FROM wp_fcom_xprofile WHERE user_id = 13",
            1,
        ),
        (
            "SELECT created_at FROM wp_fcom_space_user WHERE user_id = '13'",
            4,
        ),
        (
            "SELECT updated_at FROM wp_fcom_space_user WHERE user_id = '13'",
            4,
        ),
        ("SELECT updated_at FROM wp_fcom_space_user WHERE id = 6", 1),
        ("SELECT updated_at FROM wp_fcom_meta WHERE id = 4", 1),
    ] {
        let found = site.column(sql).await;
        assert_eq!(found.len(), count, "{sql}");
        for literal in found {
            assert!(
                stored.contains(&literal),
                "{sql}: {literal}, not one of {stored:?}"
            );
        }
    }
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_registration_that_no_timestamp_can_hold_begins_the_profile_with_the_zero_date() {
    let site = Site::new("71").await;
    site.execute("UPDATE wp_options SET option_value = '-2' WHERE option_name = 'gmt_offset'")
        .await;
    // As stored, and as PHP writes it into the profile: in the site's zone.
    let cases = [
        ("0000-00-00 00:00:00", "-0001-11-29 22:00:00"),
        ("1969-07-20 20:17:40", "1969-07-20 18:17:40"),
        // The epoch on a server three hours east of UTC: the earliest storable second is later.
        ("1970-01-01 05:00:00", "1970-01-01 03:00:00"),
        ("1970-01-01 05:00:01", "1970-01-01 03:00:01"),
        ("2038-01-19 08:14:07", "2038-01-19 06:14:07"),
        ("2038-01-19 08:14:08", "2038-01-19 06:14:08"),
        ("9999-12-31 23:59:59", "9999-12-31 21:59:59"),
    ];
    let literals = cases.map(|(_, literal)| literal.to_owned());
    let expected = stored_by_php(&site, &literals).await;
    assert_eq!(expected[..3], ["0000-00-00 00:00:00"; 3]);
    let sidecar = Sidecar::start(&site).await;
    for ((registered, _), expected) in cases.into_iter().zip(expected) {
        site.execute(&format!(
            "DELETE FROM wp_fcom_xprofile WHERE user_id = 2; \
             SET @mode = @@sql_mode, SESSION sql_mode = ''; \
             UPDATE wp_users SET user_registered = '{registered}' WHERE ID = 2; \
             SET SESSION sql_mode = @mode"
        ))
        .await;
        let known = [("email", "existing@example.com")];
        assert_eq!(sidecar.client.execute(MEMBERS_HOOK, &known).await, 2);
        let created = "SELECT created_at FROM wp_fcom_xprofile WHERE user_id = 2";
        assert_eq!(site.text(created).await.unwrap(), expected, "{registered}");
    }
}
