//! Users log in through `wp-login.php` with the passwords that were posted to the webhook.

use super::RealSite;
use crate::harness::site::SPACES_HOOK;

/// Typed in the form exactly as posted.
fn passwords() -> Vec<String> {
    let long: String = "pass-wörd'\\ ".chars().cycle().take(199).collect();
    [
        "correct horse",
        r#"it's \ a "pass" 'word'"#,
        r"ends with a backslash\",
        r"\'\\\",
        "  spaces  around  ",
        "pässwörd 😀 密码 كلمة",
        "<b>&amp;%41%</b> + = &",
    ]
    .map(String::from)
    .into_iter()
    .chain([format!("{long}.")])
    .collect()
}

#[tokio::test]
async fn the_login_form_takes_every_posted_password_and_no_other() {
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    for (number, password) in passwords().iter().enumerate() {
        let (login, email) = (format!("user {number}"), format!("u{number}@example.com"));
        let fields = [
            ("email", email.as_str()),
            ("user_login", &login),
            ("user_password", password),
        ];
        let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
        let hash = real.column("user_pass", id).await;
        assert!(hash.starts_with("$P$B"), "{hash}");

        let wrong = format!("{password}x");
        assert!(!real.browser().log_in(&login, &wrong).await, "{wrong}");
        let mut browser = real.browser();
        assert!(browser.log_in(&login, password).await, "{password}");
        let profile = browser.open("/wp-admin/profile.php").await;
        assert_eq!(profile.status, 200);
        assert!(profile.text().contains(&email), "{}", profile.text());
        // The form accepts an address as a name, and ignores spaces around a password.
        let trimmed = password.trim();
        assert!(real.browser().log_in(&email, trimmed).await, "{trimmed}");
    }
}
