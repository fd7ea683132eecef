//! The formats of WordPress 6.8 and later, judged by PHP's own functions.

use serde_json::json;

use super::{RealSite, create_over_http};
use crate::harness::site::PLAIN_HOOK;

#[tokio::test]
async fn php_accepts_the_password_and_the_reset_key_of_newer_releases() {
    let real = RealSite::install().await;
    for (release, passwords) in [
        ("6.8", ["correct horse", r#" it's \ a "pass" "#]),
        ("7.1", ["pässwörd 😀 密码", &"long ".repeat(40)]),
    ] {
        let environment = [
            ("FCOM_SIDECAR__WORDPRESS__VERSION", release),
            ("FCOM_SIDECAR__WORDPRESS__PASSWORD_HASH", "wordpress"),
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
            let expected = json!({
                "prefix": "$wp", "password": true, "other": false, "needs_rehash": false, "key": true,
            });
            assert_eq!(verdict, expected, "{release}: {password}");
        }
    }
}
