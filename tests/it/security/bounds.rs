//! What strangers, callers and members may send or store is bounded: neither its size nor what it contains costs the daemon
//! its memory.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::client::FORM;
use crate::harness::http;
use crate::harness::invariants;
use crate::harness::management::PATH;
use crate::harness::site::{LEAVING_HOOK, PLAIN_HOOK, Site, target};
use crate::harness::watched::Watched;

#[tokio::test]
async fn what_members_wrote_about_themselves_costs_no_memory() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    // Key and value, each as SQL.
    let written = [
        ("description", "REPEAT('a\\n', 1250000)"),
        ("description", "REPEAT('&amp;', 1600000)"),
        ("description", "CONCAT(REPEAT('> ', 3900), 'x')"),
        ("description", "REPEAT('[x](', 100000)"),
        ("first_name", "REPEAT('<', 8000000)"),
        ("last_name", "REPEAT('é', 4000000)"),
        ("nickname", "REPEAT('n', 8000000)"),
        ("wp_capabilities", "REPEAT('a:1:{i:0;', 900000)"),
        (
            "_fluent_cover_photo",
            "CONCAT('s:7000000:\"', REPEAT('x', 7000000), '\";')",
        ),
        ("_fluent_cover_photo", "REPEAT('p', 8000000)"),
    ];
    for (id, (key, value)) in (500_u64..).zip(written) {
        let email = format!("user{id}@example.com");
        site.execute(&format!(
            "INSERT INTO wp_users (ID, user_login, user_nicename, user_email, display_name) \
             VALUES ({id}, 'user{id}', 'user{id}', '{email}', 'User {id}')"
        ))
        .await;
        site.execute(&format!(
            "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES ({id}, '{key}', {value})"
        ))
        .await;
        let found = sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", &email)])
            .await;
        assert_eq!(found, id);
        let profile = format!("SELECT COUNT(*) FROM wp_fcom_xprofile WHERE user_id = {id}");
        assert_eq!(site.number(&profile).await, 1, "{key} = {value}");
    }
    let cut = "SELECT SUM(LENGTH(short_description) > 65535 OR CHAR_LENGTH(display_name) > 192 OR LENGTH(meta) > 300000) \
               FROM wp_fcom_xprofile WHERE user_id >= 500";
    assert_eq!(site.number(cut).await, 0);
}

/// Roles, the list that leaving rewrites, and what courses and their sections have in addition.
#[tokio::test]
async fn what_is_stored_about_members_and_courses_costs_no_memory() {
    let site = Site::new("71").await;
    let passwords = ("FCOM_SIDECAR__ADMIN__APPLICATION_PASSWORDS", "on");
    let sidecar = Watched::start_with(&site, &[passwords]).await;
    let huge = "REPEAT('a:1:{i:0;s:5:\"admin\";}', 380000)";
    site.execute(&format!(
        "INSERT INTO wp_users (ID, user_login, user_nicename, user_email, user_url, display_name) VALUES
            (500, 'huge', 'huge', 'huge@example.com', REPEAT('u', 100), REPEAT('d', 250));
        INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES
            (500, 'wp_capabilities', {huge}), (500, '_application_passwords', {huge}), (500, '_fcom_space_ids', {huge});
        INSERT INTO wp_fcom_meta (object_type, object_id, meta_key, value) VALUES ('user', 500, '_user_community_roles', {huge});
        UPDATE wp_fcom_spaces SET type = 'course', settings = CONCAT('a:2:{{s:11:\"course_type\";s:10:\"structured\";', {huge})
            WHERE id IN (1, 2, 3, 4, 5, 6);
        INSERT INTO wp_fcom_posts (type, space_id, meta) SELECT 'course_section', id, {huge} FROM wp_fcom_spaces WHERE id < 7;
        INSERT INTO wp_fcom_space_user (space_id, user_id, status, role)
            SELECT id, '500', 'active', 'student' FROM wp_fcom_spaces WHERE id < 7"
    ))
    .await;
    let email = [("email", "huge@example.com")];
    assert_eq!(sidecar.client.execute(LEAVING_HOOK, &email).await, 500);
    let left = "SELECT COUNT(*) FROM wp_fcom_space_user WHERE user_id = '500'";
    assert_eq!(site.number(left).await, 0);
    let ids =
        "SELECT meta_value FROM wp_usermeta WHERE user_id = 500 AND meta_key = '_fcom_space_ids'";
    let ids = site.text(ids).await.unwrap();
    assert!(ids.starts_with("a:") && ids.len() < 200, "{ids}");

    let basic = format!("Basic {}", STANDARD.encode("huge:ABCDEFGHIJKLMNOPQRST"));
    sidecar.client.record(&["ABCDEFGHIJKLMNOPQRST".to_owned()]);
    let headers = [("Authorization", basic.as_str())];
    let listed = http::request(sidecar.client.admin, "GET", PATH, &headers, b"");
    assert_eq!(listed.await.unwrap().status, 401);
}

#[tokio::test]
async fn names_are_read_up_to_a_length() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    // Cut between characters: 4,096 is not a multiple of three.
    let (first, last) = ("a".repeat(300_000), "€".repeat(3_000));
    let fields = [
        ("email", "long@example.com"),
        ("first_name", &first),
        ("last_name", &last),
        ("user_login", &first),
        ("user_password", &last),
    ];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    for (key, expected) in [
        ("first_name", "a".repeat(4096)),
        ("last_name", "€".repeat(1365)),
    ] {
        let sql = format!(
            "SELECT meta_value FROM wp_usermeta WHERE user_id = {id} AND meta_key = '{key}'"
        );
        assert_eq!(site.text(&sql).await, Some(expected));
    }
    let login = format!("SELECT user_login FROM wp_users WHERE ID = {id}");
    assert_eq!(site.text(&login).await.as_deref(), Some("long"));

    let address = format!("email={}@example.com", "a".repeat(900_000));
    let target = target(PLAIN_HOOK);
    let answer = sidecar.client.post(&target, FORM, address.as_bytes()).await;
    assert_eq!(answer.status, 423);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
