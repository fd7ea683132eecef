//! The link in the welcome mail.

use super::browser::field;
use super::{RealSite, create_over_http};
use crate::harness::site::PLAIN_HOOK;

#[tokio::test]
async fn the_link_sets_a_password_once() {
    let real = RealSite::install().await;
    let (sidecar, mut mailbox) = real.sidecar_with_mail(&[]).await;
    for (login, email, password) in [
        ("ann lee", "ann@example.com", r#"new "pass" \ 'word'"#),
        ("Bob@Work.example", "b+o_b@example.com", "pässwörd 😀"),
    ] {
        let fields = [("email", email), ("user_login", login)];
        create_over_http(&sidecar.client, PLAIN_HOOK, &fields).await;
        let mail = mailbox.next().await.unwrap();
        assert_eq!(mail.to, [email]);
        let link = link(&mail.message);

        let mut browser = real.browser();
        let response = browser.open(&link).await;
        assert_eq!(response.status, 302);
        let form = response.header("location").unwrap().to_owned();
        assert!(form.ends_with("/wp-login.php?action=rp"), "{form}");
        let page = browser.open(&form).await.text();
        let key = field(&page, "rp_key");
        let fields = [
            ("pass1", password),
            ("pass2", password),
            ("rp_key", &key),
            ("wp-submit", "Save Password"),
        ];
        let done = browser
            .submit("/wp-login.php?action=resetpass", &fields)
            .await;
        let page = done.text();
        assert!(page.contains("Your password has been reset."), "{page}");

        assert!(real.browser().log_in(login, password).await, "{login}");
        assert!(!real.browser().log_in(login, "other").await);
        let mut browser = real.browser();
        browser.open(&link).await;
        let response = browser.open(&form).await;
        let target = response.header("location").unwrap_or_default();
        assert!(target.contains("error=invalidkey"), "{target}");
    }
}

/// The first address of the mail.
fn link(message: &str) -> String {
    let mail = mailparse::parse_mail(message.as_bytes()).unwrap();
    let body = mail.get_body().unwrap();
    let link = body.lines().find(|line| line.starts_with("http://"));
    link.unwrap_or_else(|| panic!("no link: {body}")).to_owned()
}
