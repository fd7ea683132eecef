//! The hash formats of WordPress 6.8 and later, checked by PHP's own functions, and those of the installed release.

use serde_json::json;

use super::{RealSite, create_over_http};
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK};

const PASSWORD_HASH: (&str, &str) = ("FCOM_SIDECAR__WORDPRESS__PASSWORD_HASH", "wordpress");
const BCRYPT_COST: &str = "FCOM_SIDECAR__WORDPRESS__BCRYPT_COST";

#[tokio::test]
async fn php_accepts_the_password_and_the_reset_key_of_newer_releases() {
    let real = RealSite::install().await;
    for (release, cost, passwords) in [
        ("6.8", 10_u64, ["correct horse", r#" it's \ a "pass" "#]),
        ("7.1", 12, ["pässwörd 😀 密码", &"long ".repeat(40)]),
    ] {
        let environment = [
            ("FCOM_SIDECAR__WORDPRESS__VERSION", release),
            (BCRYPT_COST, &*cost.to_string()),
            PASSWORD_HASH,
        ];
        let (sidecar, mut mailbox) = real.sidecar_with_mail(&environment).await;
        for (number, password) in passwords.iter().enumerate() {
            let email = format!("u{number}.{release}@example.com");
            let fields = [("email", email.as_str()), ("user_password", password)];
            let id = create_over_http(&sidecar.client, PLAIN_HOOK, &fields).await;
            let mail = mailbox.next().await.unwrap();
            let mail = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
            let body = mail.get_body().unwrap();
            let key = body.split_once("key=").unwrap().1;
            let input = json!({
                "hash": real.column("user_pass", id).await,
                "password": password,
                "key": &key[..20],
                "stored": real.column("user_activation_key", id).await,
            });
            let verdict = real.php("verify", input).await;
            let default_cost = &verdict["default_cost"];
            let expected = json!({
                "prefix": "$wp", "password": true, "other": false, "key": true,
                "needs_rehash": *default_cost != cost, "default_cost": default_cost,
            });
            assert_eq!(verdict, expected, "{release}: {password}");
        }
    }
}

/// The part before the salt.
fn form(hash: &str) -> &str {
    match hash.strip_prefix("$wp$2y$") {
        Some(_) => &hash[..10],
        None => &hash[..4],
    }
}

#[tokio::test]
async fn a_password_is_stored_as_this_wordpress_on_this_php_stores_its_own() {
    let real = RealSite::install().await;
    // The administrator's hash, written by WordPress's installer.
    let theirs = real.column("user_pass", 1).await;
    let cost = theirs
        .strip_prefix("$wp$2y$")
        .map_or("10", |rest| &rest[..2]);
    let sidecar = real
        .sidecar_with(&[PASSWORD_HASH, (BCRYPT_COST, cost)])
        .await;
    for (email, password) in [
        ("ann@example.com", "correct horse"),
        ("bob@example.com", ""),
    ] {
        let fields = [("email", email), ("user_password", password)];
        let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
        let ours = real.column("user_pass", id).await;
        assert_eq!((form(&ours), ours.len()), (form(&theirs), theirs.len()));
        // WordPress rehashes a password that it would have hashed differently.
        if !password.is_empty() {
            assert!(real.browser().log_in(email, password).await);
            assert_eq!(real.column("user_pass", id).await, ours);
        }
    }
}
