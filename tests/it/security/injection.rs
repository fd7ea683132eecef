//! Injection: SQL and PHP data in every field of a call and in what the site has stored, mail headers in names.

use fcom_sidecar::sample::mailbox::{Mailbox, Received};
use mailparse::{MailHeaderMap, parse_mail};

use crate::harness::client::FORM;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site, target};

/// Texts that end a string, a statement or a placeholder, in SQL and in our own statement files.
const PAYLOADS: [&str; 10] = [
    "x'); DROP TABLE wp_users; --",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "\\' OR 1=1 #",
    "\\\\'); DELETE FROM wp_usermeta; /*",
    "' UNION SELECT user_pass FROM wp_users -- ",
    "? {prefix}users {each: ?} :name @@version",
    "%' AND SLEEP(60) AND '%'='",
    "\u{bf}' OR 1=1 -- \u{ff07}\u{2019}",
    "a:1:{i:0;O:8:\"stdClass\":0:{}}",
];

/// Everything that the site contained before: users and their metadata, options, profiles, spaces.
async fn before(site: &Site) -> Vec<Vec<Option<String>>> {
    let last = site.last_user;
    let mut rows = Vec::new();
    for sql in [
        format!("SELECT ID, user_login, user_pass, user_nicename, user_email, user_status, display_name, user_url \
                 FROM wp_users WHERE ID <= {last} ORDER BY ID"),
        format!("SELECT * FROM wp_usermeta WHERE user_id <= {last} ORDER BY umeta_id"),
        "SELECT * FROM wp_options WHERE option_name <> 'user_count' ORDER BY option_id".to_owned(),
        format!("SELECT user_id, username FROM wp_fcom_xprofile WHERE user_id <= {last} ORDER BY id"),
        "SELECT id, title FROM wp_fcom_spaces ORDER BY id".to_owned(),
        "SELECT id, meta_key FROM wp_fcom_meta ORDER BY id".to_owned(),
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1".to_owned(),
    ] {
        rows.extend(site.rows(&sql).await);
    }
    rows
}

/// A MySQL literal for any text.
fn literal(text: &str) -> String {
    let mut digits = String::new();
    for byte in text.bytes() {
        digits.push_str(&format!("{byte:02x}"));
    }
    format!("_utf8mb4 0x{digits}")
}

#[tokio::test]
async fn sql_in_a_field_is_text() {
    let site = Site::new("71").await;
    let environment = [(
        "FCOM_SIDECAR__LIMITS__UNKNOWN_KEYS_PER_MINUTE_PER_CLIENT",
        "0",
    )];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let before_calls = before(&site).await;
    for (number, payload) in PAYLOADS.iter().enumerate() {
        let email = format!("a'or'1'='1'--{number}@example.com");
        let fields = [
            ("email", email.as_str()),
            ("first_name", payload),
            ("last_name", payload),
            ("user_login", payload),
            ("user_password", payload),
            (payload, payload),
        ];
        let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
        assert_eq!(id, site.last_user + 1 + number as u64);
        let stored = format!("SELECT user_email FROM wp_users WHERE ID = {id}");
        assert_eq!(site.text(&stored).await.as_deref(), Some(&*email));
        // Names are stored as posted, but WordPress trims them, and wraps text that would unserialise in a serialised
        // string.
        let names = format!(
            "SELECT COUNT(*) FROM wp_usermeta WHERE user_id = {id} AND meta_key IN ('first_name', 'last_name') \
             AND (meta_value = {0} OR meta_value = CONCAT('s:', LENGTH({0}), ':\"', {0}, '\";'))",
            literal(payload.trim())
        );
        assert_eq!(site.number(&names).await, 2, "{payload}");
        // A second call finds the same user.
        assert_eq!(sidecar.client.execute(PLAIN_HOOK, &fields).await, id);

        let encoded: String = serde_urlencoded::to_string([("webhook", payload)]).unwrap();
        let target = format!("/portal/?fcom_action=incoming_webhook&{encoded}");
        let body = b"email=nobody%40example.com";
        let headers = [("Content-Type", FORM), ("X-Forwarded-For", "' OR 1=1")];
        let response = sidecar
            .client
            .request("POST", &target, &headers, body)
            .await;
        assert_eq!(response.status, 404, "{payload}: {}", response.text());
        let invalid = sidecar
            .client
            .call(PLAIN_HOOK, &[("email", *payload)])
            .await;
        assert_eq!(invalid.status, 423, "{payload}: {}", invalid.text());
    }
    assert_eq!(before(&site).await, before_calls);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn sql_that_the_site_has_stored_is_text() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for (number, payload) in PAYLOADS.iter().enumerate() {
        let text = literal(payload);
        let title = format!("{payload}{number}");
        site.execute(&format!(
            "UPDATE wp_options SET option_value = {text} \
               WHERE option_name IN ('blogname', 'default_role', 'timezone_string', 'gmt_offset', 'WPLANG'); \
             UPDATE wp_usermeta SET meta_value = {text} \
               WHERE user_id IN (4, 7) AND meta_key IN ('first_name', 'last_name', 'nickname', 'description', 'locale', '_fcom_space_ids'); \
             UPDATE wp_users SET display_name = {text}, user_nicename = CONCAT('n', {number}) WHERE ID = 4; \
             UPDATE wp_users SET user_login = LEFT({text}, 60) WHERE ID = 2; \
             UPDATE wp_fcom_spaces SET title = {text}, slug = {text}; \
             UPDATE wp_fcom_meta SET value = CONCAT('a:3:{{s:5:\"title\";s:', LENGTH({title}), ':\"', {title}, \
               '\";s:9:\"space_ids\";a:2:{{i:0;s:3:\"1''#\";i:1;i:2;}}s:16:\"remove_space_ids\";a:1:{{i:0;i:3;}}}}') WHERE id = 4; \
             DELETE FROM wp_fcom_xprofile WHERE user_id IN (2, 4)",
            title = literal(&title),
        ))
        .await;
        let before_calls = before(&site).await;
        for email in [
            "described@example.com",
            "memberships@example.com",
            "existing@example.com",
        ] {
            for hook in [MEMBERS_HOOK, PLAIN_HOOK] {
                sidecar.client.execute(hook, &[("email", email)]).await;
            }
        }
        let fresh = format!("fresh{number}@example.com");
        let id = sidecar
            .client
            .execute(MEMBERS_HOOK, &[("email", &fresh)])
            .await;
        // The role is a key of a serialised array: whatever it contains, it is one string with its own length.
        let role = format!(
            "SELECT COUNT(*) FROM wp_usermeta WHERE user_id = {id} AND meta_key = 'wp_capabilities' \
             AND meta_value = CONCAT('a:1:{{s:', LENGTH({text}), ':\"', {text}, '\";b:1;}}')"
        );
        assert_eq!(site.number(&role).await, 1, "{payload}");
        let record = site
            .text("SELECT value FROM wp_fcom_meta WHERE id = 4")
            .await;
        assert!(record.unwrap().contains(&title), "{payload}");
        let mut after_calls = before(&site).await;
        // The calls add missing profiles, and the list of spaces that is maintained when a member leaves.
        let is_old = |row: &Vec<Option<String>>| before_calls.contains(row);
        assert!(
            before_calls
                .iter()
                .filter(|row| row.get(2).and_then(Option::as_deref) != Some("_fcom_space_ids"))
                .all(|row| after_calls.contains(row)),
            "{payload}"
        );
        after_calls.retain(|row| !is_old(row));
        assert!(after_calls.len() <= 5, "{payload}: {after_calls:?}");
    }
}

/// All mails that arrive until no promised mail is left.
async fn mails(site: &Site, mailbox: &mut Mailbox) -> Vec<Received> {
    let pending = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state = 'pending'";
    site.goes(pending).await;
    std::iter::from_fn(|| mailbox.take()).collect()
}

/// The one mail to the member, with the usual header fields and no other.
#[track_caller]
fn assert_untouched(mail: &Received, to: &str) {
    assert_eq!(mail.to, [to]);
    let parsed = parse_mail(mail.message.as_bytes()).unwrap();
    let mut fields: Vec<_> = parsed
        .headers
        .iter()
        .map(mailparse::MailHeader::get_key)
        .collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "Content-Transfer-Encoding",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To"
        ],
        "{}",
        mail.message
    );
    assert_eq!(parsed.headers.get_first_value("To").as_deref(), Some(to));
    assert_eq!(parsed.subparts.len(), 0);
    let body = parsed.get_body().unwrap();
    assert!(body.contains("/wp-login.php?"), "{body}");
}

const MAIL_PAYLOADS: [&str; 6] = [
    "Shop\r\nBcc: evil@example.net",
    "Shop\nBcc: evil@example.net\n\nNo mail at all",
    "Shop\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\n",
    "=?utf-8?q?Shop=0D=0ABcc:_evil@example.net?=",
    "Sh\u{f6}p\r\n Bcc: evil@example.net\u{2028}Bcc: evil@example.net",
    "<evil@example.net>, \"x\" <evil@example.net>\0\u{b}\u{85}Bcc: evil@example.net",
];

#[tokio::test]
async fn names_and_the_blog_s_name_make_no_mail_headers() {
    let site = Site::new("71").await;
    let mut mailbox = Mailbox::open().await.unwrap();
    let url = format!("smtp://127.0.0.1:{}", mailbox.port());
    let templates = tempfile::tempdir().unwrap();
    std::fs::write(
        templates.path().join("welcome.subject.txt"),
        "{{ site_name }} {{ display_name }} {{ login }}",
    )
    .unwrap();
    std::fs::write(
        templates.path().join("welcome.body.txt"),
        "{{ display_name }}\n{{ site_name }}\n{{ set_password_url }}\n",
    )
    .unwrap();
    let folder = templates.path().display().to_string();
    for with_templates in [false, true] {
        let mut environment = vec![("FCOM_SIDECAR__SMTP__URL", url.as_str())];
        if with_templates {
            environment.push(("FCOM_SIDECAR__MAIL__TEMPLATES", &folder));
        }
        let sidecar = Sidecar::start_with(&site, &environment).await;
        for (number, payload) in MAIL_PAYLOADS.iter().enumerate() {
            let text = literal(payload);
            site.execute(&format!(
                "UPDATE wp_options SET option_value = {text} WHERE option_name = 'blogname'"
            ))
            .await;
            let email = format!("member{number}{with_templates}@example.com");
            let fields = [
                ("email", email.as_str()),
                ("first_name", payload),
                ("last_name", payload),
                ("user_login", payload),
            ];
            sidecar.client.execute(PLAIN_HOOK, &fields).await;
            // A value that another plugin may have stored, unfiltered; the mail may have been sent before.
            let raw =
                format!("UPDATE wp_users SET display_name = {text} WHERE user_email = '{email}'");
            site.execute(&raw).await;
            let mails = mails(&site, &mut mailbox).await;
            assert_eq!(mails.len(), 1, "{payload:?}");
            assert_untouched(&mails[0], &email);
        }
    }
}

/// An address that would amount to two, or to a header, is invalid: in a call, and as stored by another plugin.
#[tokio::test]
async fn an_address_makes_no_mail_header() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for email in [
        "a@example.com\r\nBcc: evil@example.net",
        "a@example.com, evil@example.net",
        "\"a\r\nBcc: evil\"@example.net",
        "<a@example.com>",
        "a@example.com\0",
        "=?utf-8?q?a=0D=0ABcc?= <a@example.com>",
    ] {
        let response = sidecar.client.call(PLAIN_HOOK, &[("email", email)]).await;
        assert_eq!(response.status, 423, "{email:?}: {}", response.text());
    }
    drop(sidecar);
    let mut mailbox = Mailbox::open().await.unwrap();
    let url = format!("smtp://127.0.0.1:{}", mailbox.port());
    let nowhere = [("FCOM_SIDECAR__SMTP__URL", "smtp://127.0.0.1:1")];
    let sidecar = Sidecar::start_with(&site, &nowhere).await;
    let id = sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "a@example.com")])
        .await;
    drop(sidecar);
    let stored = literal("a@example.com>\r\nRCPT TO:<evil@example.net");
    site.execute(&format!(
        "UPDATE wp_users SET user_email = {stored} WHERE ID = {id}"
    ))
    .await;
    site.execute("UPDATE wp_fcom_sidecar_mail SET next_attempt_at = created_at")
        .await;
    let environment = [("FCOM_SIDECAR__SMTP__URL", url.as_str())];
    let _sidecar = Sidecar::start_with(&site, &environment).await;
    assert!(mails(&site, &mut mailbox).await.is_empty());
    let state = "SELECT state FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
    assert_eq!(site.text(state).await.as_deref(), Some("skipped"));
}

/// An answer must not echo the path, either.
#[tokio::test]
async fn nothing_of_a_target_is_repeated_in_an_answer() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let target = target("<script>alert(1)</script>").replace("/portal/", "/<script>/");
    let response = sidecar
        .client
        .post(&target, FORM, b"email=a%40example.com")
        .await;
    assert!([400, 404].contains(&response.status));
    assert!(!response.text().contains("script"), "{}", response.text());
}
