//! A persistent object cache keeps its entries until the event of a change.

use std::fs;
use std::path::Path;

use fcom_sidecar::sample::mailbox::Mailbox;
use serde_json::{Value, json};

use super::{PREFIX, Relayed};
use crate::harness::site::{LEAVING_HOOK, PLAIN_HOOK};

/// A member of several spaces.
const MEMBER: u64 = 7;

async fn cached() -> Relayed {
    let relayed = Relayed::new().await;
    let drop_in =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/php/mu-plugins/object-cache.php");
    let folder = relayed.installation.root().join("wp-content");
    fs::copy(drop_in, folder.join("object-cache.php")).unwrap();
    relayed
}

async fn seen(relayed: &Relayed, id: u64) -> Value {
    let seen = relayed.php("through_cache", json!({ "id": id })).await;
    assert_eq!(seen["persistent"], true);
    seen
}

#[tokio::test]
async fn copies_of_a_member_who_leaves_are_gone_after_the_event() {
    let relayed = cached().await;
    let sidecar = relayed.sidecar(&[]).await;
    relayed
        .site
        .execute(&format!(
            "DELETE FROM {PREFIX}usermeta WHERE user_id = {MEMBER} AND meta_key = '_fcom_space_ids'; \
             INSERT INTO {PREFIX}usermeta (user_id, meta_key, meta_value) \
             VALUES ({MEMBER}, '_fcom_space_ids', 'a:1:{{i:0;i:999;}}')"
        ))
        .await;
    assert_eq!(seen(&relayed, MEMBER).await["spaces"], json!([999]));
    let fields = [("email", "memberships@example.com")];
    assert_eq!(sidecar.client.execute(LEAVING_HOOK, &fields).await, MEMBER);
    let stale = seen(&relayed, MEMBER).await;
    assert_eq!(stale["spaces"], json!([999]), "nothing is cached");

    relayed.run().await;
    let fresh = seen(&relayed, MEMBER).await;
    assert_ne!(fresh["spaces"], json!([999]));
    assert!(fresh["spaces"].is_array(), "{fresh}");
    // Cached lists of users have the time of the last change in their key.
    assert_ne!(fresh["changed"], stale["changed"]);
}

#[tokio::test]
async fn the_key_in_a_welcome_mail_is_known_to_wordpress() {
    let relayed = cached().await;
    let mut mailbox = Mailbox::open().await.unwrap();
    let smtp = format!("smtp://127.0.0.1:{}", mailbox.port());
    let environment = [
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "smtp"),
        ("FCOM_SIDECAR__MAIL__MAILS_PER_SECOND", "1"),
        ("FCOM_SIDECAR__SMTP__URL", smtp.as_str()),
    ];
    let sidecar = relayed.sidecar(&environment).await;
    let fields = [("email", "ann@example.com")];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    mailbox.next().await;
    let stored = format!("SELECT user_activation_key FROM {PREFIX}users WHERE ID = {id}");
    let key = relayed.site.text(&stored).await.unwrap();
    assert!(!key.is_empty());
    // Like a copy from before the mail.
    relayed
        .site
        .execute(&format!(
            "UPDATE {PREFIX}users SET user_activation_key = '' WHERE ID = {id}"
        ))
        .await;
    assert_eq!(seen(&relayed, id).await["key"], "");
    relayed
        .site
        .execute(&format!(
            "UPDATE {PREFIX}users SET user_activation_key = '{key}' WHERE ID = {id}"
        ))
        .await;
    assert_eq!(seen(&relayed, id).await["key"], "", "nothing is cached");
    relayed.run().await;
    let changed = relayed
        .count("kind = 'user_changed' AND state = 'done'")
        .await;
    assert_eq!(changed, 1);
    let fresh = seen(&relayed, id).await;
    assert_eq!(fresh["key"], key.as_str());
    // WordPress has counted its users itself.
    let users = relayed
        .site
        .number(&format!("SELECT COUNT(*) FROM {PREFIX}users"))
        .await;
    assert_eq!(fresh["count"], users.to_string());
}
