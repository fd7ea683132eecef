//! The mails that users of a network get.

use std::fs;

use serde_json::{Value, json};

use super::super::create_over_http;
use super::super::php::sent_mail;
use super::super::release;
use super::super::welcome_mail::same_mail;
use super::{BLOG_ID, MAIN, PREFIX, TWO, network};
use crate::harness::outbox::becomes;
use crate::harness::site::PLAIN_HOOK;
use crate::harness::smtp_peer::Closed;

#[tokio::test]
async fn wordpress_sends_the_same_mail_on_either_site() {
    let real = network().await;
    for blog in [MAIN, TWO] {
        let (sidecar, mut mailbox) = real.sidecar_with_mail(&[(BLOG_ID, blog.id)]).await;
        for https in [false, true] {
            let email = format!("u{}{https}@example.com", blog.id);
            let fields = [("email", email.as_str())];
            let id = if https {
                sidecar.client.execute(PLAIN_HOOK, &fields).await
            } else {
                create_over_http(&sidecar.client, PLAIN_HOOK, &fields).await
            };
            let input = json!({ "https": https, "path": blog.path });
            let ours = same_mail(&real, &mut mailbox, id, input).await;
            let body = ours["body"].as_str().unwrap();
            let address = real.server.address;
            // Users set their passwords at the main site; older mails end with where they log in.
            let reset = format!("{address}{}wp-login.php?", MAIN.path);
            assert!(body.contains(&reset), "{body}");
            if !release::is_since(7, 0) {
                let login = format!("{address}{}wp-login.php", blog.path);
                assert!(body.ends_with(&login), "{body}");
            }
        }
    }
}

/// WordPress creates no reset key for such a user, and so sends no mail.
#[tokio::test]
async fn who_is_marked_as_spam_before_the_mail_has_left_gets_none() {
    let real = network().await;
    let closed = Closed::new();
    let url = format!("smtp://{}", closed.address());
    let environment = [(BLOG_ID, TWO.id), ("FCOM_SIDECAR__SMTP__URL", &url)];
    let sidecar = real.sidecar_with(&environment).await;
    let fields = [("email", "ann@example.com")];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let sql = format!("UPDATE {PREFIX}users SET spam = 1 WHERE ID = {id}");
    real.site.execute(&sql).await;
    // The mail about the new site.
    let _ = fs::remove_file(sent_mail(real.installation.root()));
    let input = json!({ "id": id, "key": "unused", "path": TWO.path });
    assert_eq!(real.php("notify", input).await, Value::Null);
    assert!(!sent_mail(real.installation.root()).exists());
    let peer = closed.open();
    let state = "SELECT CONCAT(state, ': ', last_error) FROM wpx_2_fcom_sidecar_mail";
    becomes(&real.site, state, "skipped: the user is marked as spam").await;
    assert_eq!(peer.messages(), [""; 0]);
}
