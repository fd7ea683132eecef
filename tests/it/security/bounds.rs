//! What strangers, callers and members may send or store is bounded: neither its size nor what it contains costs the daemon
//! its memory.

use crate::harness::client::FORM;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, target};

/// What the daemon may occupy at most, whatever others do.
const MEMORY: u64 = 96 << 20;

#[tokio::test]
async fn what_members_wrote_about_themselves_costs_no_memory() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    // Key and value, each as SQL.
    let written = [
        ("description", "REPEAT('a\\n', 1250000)"),
        ("description", "REPEAT('&amp;', 1600000)"),
        ("description", "CONCAT(REPEAT('> ', 3900), 'x')"),
        ("description", "REPEAT('[x](', 100000)"),
        ("first_name", "REPEAT('<', 500000)"),
        ("last_name", "REPEAT('é', 500000)"),
        (
            "_fluent_cover_photo",
            "CONCAT('s:7000000:\"', REPEAT('x', 7000000), '\";')",
        ),
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
    let peak = sidecar.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn names_are_read_up_to_a_length() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
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
