//! Deliberate improvements on PHP that the recorded cases do not cover.

use crate::harness::invariants;
use crate::harness::passwords;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site};

/// When it sends a welcome mail, WordPress writes the user back and so escapes the address a second time.
#[tokio::test]
async fn an_address_that_wordpress_stores_escaped_is_found_again() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let cases = [
        (13, SPACES_HOOK, "a&b@example.com", "a&amp;b@example.com"),
        (14, PLAIN_HOOK, "c&d@example.com", "c&amp;ampd@example.com"),
    ];
    for (user_id, hook, given, expected) in cases {
        for _ in 0..2 {
            let response = sidecar.client.call(hook, &[("email", given)]).await;
            assert_eq!(response.status, 200, "{}", response.text());
            assert_eq!(response.json()["user_id"], user_id);
        }
        let stored = format!("SELECT user_email FROM wp_users WHERE ID = {user_id}");
        assert_eq!(site.text(&stored).await.as_deref(), Some(expected));
    }
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_password_that_wordpress_could_never_verify_is_replaced() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for (email, length, is_kept) in [
        ("fits@example.com", 4096, true),
        ("long@example.com", 4097, false),
    ] {
        let password = "x".repeat(length);
        let fields = [("email", email), ("user_password", &password)];
        let response = sidecar.client.call(PLAIN_HOOK, &fields).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let hash = format!("SELECT user_pass FROM wp_users WHERE user_email = '{email}'");
        let hash = site.text(&hash).await.unwrap();
        assert!(passwords::has_known_shape(&hash, site.wordpress), "{hash}");
        assert_eq!(
            passwords::accepts(&hash, &password, site.wordpress),
            is_kept,
            "{length}"
        );
    }
}

/// Where WordPress refuses the user altogether, the daemon drops the characters that the tables cannot store.
#[tokio::test]
async fn characters_that_old_tables_cannot_hold_are_left_out_of_names() {
    let site = Site::new("71").await;
    for table in ["wp_users", "wp_usermeta"] {
        let convert = format!("ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb3");
        site.execute(&convert).await;
    }
    // A column of a plugin, which calls do not use.
    site.execute("ALTER TABLE wp_users ADD uuid char(36) CHARACTER SET ascii NULL")
        .await;
    let sidecar = Sidecar::start(&site).await;
    let (_, checked, _) = sidecar.outcome(&["check", "--json"]);
    assert!(!checked.contains("wp_users.uuid"), "{checked}");
    let fields = [
        ("email", "emoji@example.com"),
        ("first_name", "Zo\u{eb} \u{1f600}"),
        ("last_name", "\u{1f600}\u{17d}"),
    ];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let names = format!(
        "SELECT meta_value FROM wp_usermeta WHERE user_id = {id} AND meta_key LIKE '%t_name' ORDER BY umeta_id"
    );
    assert_eq!(site.column(&names).await, ["Zo\u{eb}", "\u{17d}"]);
    let shown = format!("SELECT display_name FROM wp_users WHERE ID = {id}");
    assert_eq!(site.text(&shown).await.as_deref(), Some("Zo\u{eb} \u{17d}"));
}

#[tokio::test]
async fn a_time_zone_that_does_not_exist_stops_nobody() {
    let site = Site::new("71").await;
    site.execute(
        "UPDATE wp_options SET option_value = 'Atlantis/Capital' WHERE option_name = 'timezone_string'; \
         UPDATE wp_options SET option_value = '5.5' WHERE option_name = 'gmt_offset'",
    )
    .await;
    let sidecar = Sidecar::start(&site).await;
    let id = sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    let offset = format!(
        "SELECT TIMESTAMPDIFF(MINUTE, user_registered, created_at) FROM wp_users JOIN wp_fcom_xprofile ON user_id = wp_users.ID
         WHERE user_id = {id}"
    );
    assert_eq!(site.number(&offset).await, 330);
}

#[tokio::test]
async fn tables_that_cannot_be_written_to_safely_are_refused() {
    for (damage, said) in [
        (
            "ALTER TABLE wp_usermeta ENGINE = MyISAM",
            "wp_usermeta is MyISAM, which knows no transactions",
        ),
        (
            "ALTER TABLE wp_fcom_xprofile CONVERT TO CHARACTER SET latin1",
            "holds latin1 text",
        ),
    ] {
        let site = Site::new("71").await;
        // Our own tables already exist: they alone must not make the daemon ready.
        drop(Sidecar::start(&site).await);
        site.execute(damage).await;
        let before = site.text("CHECKSUM TABLE wp_users").await;
        let sidecar = Sidecar::start_unready(&site).await;
        assert!(sidecar.log().contains(said), "{}", sidecar.log());
        assert_eq!(sidecar.client.admin_status("/readyz").await, 503);
        let fields = [("email", "refused@example.com")];
        let refused = sidecar.client.call(PLAIN_HOOK, &fields).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert_eq!(site.text("CHECKSUM TABLE wp_users").await, before);
    }
}

/// PHP takes no lock, so it may commit the profile just before the call inserts it.
#[tokio::test]
async fn a_profile_that_php_makes_at_the_same_moment_is_taken_as_it_is() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let pool = sqlx::MySqlPool::connect(&site.url()).await.unwrap();
    let mut php = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO wp_fcom_xprofile (user_id, username) VALUES (2, 'php')")
        .execute(&mut *php)
        .await
        .unwrap();
    let client = sidecar.client.clone();
    let call = tokio::spawn(async move {
        client
            .execute(PLAIN_HOOK, &[("email", "existing@example.com")])
            .await;
    });
    let waits = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'INSERT INTO wp_fcom_xprofile%'",
        site.database
    );
    site.comes(&waits).await;
    php.commit().await.unwrap();
    call.await.unwrap();
    let names = site
        .column("SELECT username FROM wp_fcom_xprofile WHERE user_id = 2")
        .await;
    assert_eq!(names, ["php"]);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
            .await,
        1
    );
}
