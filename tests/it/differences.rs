//! Where the daemon is better than PHP on purpose, as far as the recorded cases do not show it.

use crate::invariants;
use crate::passwords;
use crate::sidecar::Sidecar;
use crate::site::{PLAIN_HOOK, SPACES_HOOK, Site};

/// With a welcome mail WordPress writes the user back and so escapes the address a second time.
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

/// A site whose PHP session is latin1 keeps UTF-8 bytes in latin1 columns; counting must not convert them.
#[tokio::test]
async fn a_record_in_another_character_set_keeps_its_bytes() {
    let site = Site::new("71").await;
    let record = "a:2:{s:5:\"title\";s:5:\"Café\";s:21:\"send_wp_welcome_email\";s:2:\"no\";}";
    let hexadecimal = record
        .bytes()
        .fold(String::new(), |text, byte| text + &format!("{byte:02X}"));
    site.execute(&format!(
        "DELETE FROM wp_fcom_meta WHERE id = 9; ALTER TABLE wp_fcom_meta MODIFY value longtext CHARACTER SET latin1; \
         UPDATE wp_fcom_meta SET value = CONVERT(0x{hexadecimal} USING latin1) WHERE id = 3"
    ))
    .await;
    let sidecar = Sidecar::start(&site).await;
    for _ in 0..2 {
        sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", "cafe@example.com")])
            .await;
    }
    let stored = site
        .text("SELECT HEX(value) FROM wp_fcom_meta WHERE id = 3")
        .await
        .unwrap();
    assert!(stored.contains("436166C3A9"), "{stored}");
    assert!(
        stored.ends_with("693A323B7D"),
        "running_count is not 2: {stored}"
    );
}

/// PHP takes no lock: it may commit the profile while the call is about to insert it.
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
    while site.number(&waits).await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
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
