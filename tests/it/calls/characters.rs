//! Any text in any field, on tables of any Unicode character set and collation: what a column cannot hold is left out or
//! matches nothing, and nothing that a caller sends becomes an error of the database.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::client::FORM;
use crate::harness::http::{self, Response};
use crate::harness::invariants;
use crate::harness::management::{PATH, TOKEN};
use crate::harness::metrics::{scrape, value};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site};

/// All tables that hold text of people or of callers.
const TABLES: [&str; 9] = [
    "wp_users",
    "wp_usermeta",
    "wp_options",
    "wp_fcom_meta",
    "wp_fcom_xprofile",
    "wp_fcom_spaces",
    "wp_fcom_space_user",
    "wp_actionscheduler_actions",
    "wp_actionscheduler_logs",
];

/// Texts beyond the Basic Multilingual Plane, texts that are no UTF-8, control characters, and long ones.
fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [
        &b"ann\xf0\x9f\x8e\x89"[..],
        b"\xf0\x9f\x8e\x89",
        b"0\xf0\x9f\x8e\x89",
        b"\xf0\x90\x8d\x88 \xf4\x8f\xbf\xbf",
        b"a\0b",
        b"\x01\x7f\r\n\t",
        b"\xff\xfe",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\x80",
        b"Ren\xe9",
        b"\xef\xbc\xa1\xef\xbc\xae\xef\xbc\xae",
        b"e\xcc\x81\xe2\x80\x8b\xc3\x9f\xc4\xb0",
        b"\xef\xbf\xbd",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    texts.push(b"x".repeat(70_000));
    texts.push("\u{1f389}".repeat(300).into_bytes());
    texts.push("\u{e9}".repeat(300).into_bytes());
    texts
}

fn encoded(bytes: &[u8]) -> String {
    let escape = |byte: &u8| format!("%{byte:02x}");
    bytes.iter().map(escape).collect()
}

/// The collation that this server knows under one of two names: `utf8` became `utf8mb3`.
async fn old_collation(site: &Site, suffix: &str) -> String {
    let named = format!(
        "SELECT COLLATION_NAME FROM information_schema.COLLATIONS \
         WHERE COLLATION_NAME IN ('utf8mb3_{suffix}', 'utf8_{suffix}')"
    );
    site.text(&named).await.unwrap()
}

async fn convert(site: &Site, table: &str, collation: &str) {
    let charset = collation.split('_').next().unwrap();
    site.execute(&format!(
        "ALTER TABLE {table} CONVERT TO CHARACTER SET {charset} COLLATE {collation}"
    ))
    .await;
}

/// Whether all of the database's work succeeded, as operators see it.
async fn assert_no_complaints(sidecar: &Sidecar, layout: &str) {
    let log = sidecar.log();
    let complaints: Vec<_> = log
        .lines()
        .filter(|line| line.contains(" ERROR ") || line.contains(" WARN "))
        .collect();
    assert!(complaints.is_empty(), "{layout}: {:#?}", complaints.first());
    let metrics = scrape(&sidecar.client).await;
    for outcome in [
        "database_error",
        "database_unavailable",
        "needs_operator",
        "unstorable",
        "failed",
    ] {
        let calls = format!("fcom_sidecar_calls_total{{outcome=\"{outcome}\"}}");
        assert!(value(&metrics, &calls) < 0.5, "{layout}: {outcome}");
    }
    for reason in ["other", "needs_operator"] {
        let errors = format!("fcom_sidecar_database_errors_total{{reason=\"{reason}\"}}");
        assert!(value(&metrics, &errors) < 0.5, "{layout}: {reason}");
    }
}

async fn post(
    sidecar: &Sidecar,
    key: &[u8],
    headers: &[(&str, &str)],
    fields: &[(&str, &[u8])],
) -> Response {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let body = fields.join("&");
    let target = format!(
        "/portal/?fcom_action=incoming_webhook&webhook={}",
        encoded(key)
    );
    let headers = [&[("Content-Type", FORM)], headers].concat();
    sidecar
        .client
        .request("POST", &target, &headers, body.as_bytes())
        .await
}

/// Every field of a call, for new and for known members, and its key.
async fn call_with_everything(sidecar: &Sidecar, layout: &str) {
    let mut members = 0;
    let mut new_email = || {
        members += 1;
        format!("member{members}@example.com").into_bytes()
    };
    for text in texts() {
        let shown = format!(
            "{layout}: {}",
            String::from_utf8_lossy(&text[..text.len().min(20)])
        );
        for field in [
            "first_name",
            "last_name",
            "user_login",
            "user_password",
            "other",
        ] {
            let email = new_email();
            let fields = [("email", &email[..]), (field, &text)];
            for _ in 0..2 {
                let response = post(sidecar, MEMBERS_HOOK.as_bytes(), &[], &fields).await;
                assert_eq!(
                    response.status,
                    200,
                    "{shown} as {field}: {}",
                    response.text()
                );
            }
        }
        let known: [(&str, &[u8]); 5] = [
            ("email", b"existing@example.com"),
            ("first_name", &text),
            ("last_name", &text),
            ("user_login", &text),
            ("user_password", &text),
        ];
        let response = post(sidecar, PLAIN_HOOK.as_bytes(), &[], &known).await;
        assert_eq!(response.status, 200, "{shown}: {}", response.text());

        let of_address = [text.as_slice(), b"@example.com"].concat();
        for email in [&text, &of_address] {
            let response = post(sidecar, PLAIN_HOOK.as_bytes(), &[], &[("email", email)]).await;
            let is_long = text.len() > 60_000;
            let is_refused = response.status == 423;
            assert!(is_refused || is_long, "{shown}: {}", response.text());
        }
        // A head has no room for the longest one.
        let key = &text[..text.len().min(2_000)];
        for fields in [
            &known[..1],
            &[("email", &new_email()), ("user_login", &text)],
        ] {
            let response = post(sidecar, key, &[], fields).await;
            assert_eq!(
                response.status,
                404,
                "{shown} as a key: {}",
                response.text()
            );
        }
    }
    // Refused before the key is looked up, and recorded.
    let header = [("Idempotency-Key", "\u{e9}")];
    let fields = [("email", &b"existing@example.com"[..])];
    for key in ["\u{1f389}", PLAIN_HOOK] {
        let response = post(sidecar, key.as_bytes(), &header, &fields).await;
        assert_eq!(response.status, 400, "{layout}: {}", response.text());
    }
    for header in [
        "Idempotency-Key",
        "X-Request-Id",
        "webhook-id",
        "webhook-signature",
    ] {
        for text in ["ann\u{1f389}", "\u{e9}"] {
            let fields = [("email", &b"existing@example.com"[..])];
            let response = post(sidecar, PLAIN_HOOK.as_bytes(), &[(header, text)], &fields).await;
            let expected = if header == "Idempotency-Key" {
                400
            } else {
                200
            };
            assert_eq!(response.status, expected, "{layout}: {header}");
        }
    }
}

/// What operators search for, and log in with.
async fn manage_with_everything(sidecar: &Sidecar, layout: &str) {
    let authorization = format!("Bearer {TOKEN}");
    let login = format!("Basic {}", STANDARD.encode("ann\u{1f389}:abcd"));
    for (path, authorization, status) in [
        (format!("{PATH}?search=%f0%9f%8e%89"), &authorization, 200),
        ("/runs?user=ann%f0%9f%8e%89".to_owned(), &authorization, 404),
        (
            "/runs?user=%f0%9f%8e%89@example.com".to_owned(),
            &authorization,
            404,
        ),
        ("/runs?webhook=%f0%9f%8e%89".to_owned(), &authorization, 404),
        (PATH.to_owned(), &login, 401),
    ] {
        let headers = [("Authorization", authorization.as_str())];
        let answer = http::request(sidecar.client.admin, "GET", &path, &headers, b"").await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, status, "{layout}: {path}: {}", answer.text());
    }
    for sought in ["\u{1f389}", "\u{e9}", "\u{1f389}@example.com"] {
        let (succeeded, _, errors) = sidecar.output(&["find", sought]);
        assert!(
            !succeeded && errors.is_empty(),
            "{layout}: {sought}: {errors}"
        );
    }
    for (arguments, said) in [
        (&["webhook", "list", "--search", "\u{1f389}"][..], ""),
        (
            &["runs", "list", "--user", "\u{1f389}"],
            "no user has this login",
        ),
        (
            &["runs", "list", "--webhook", "\u{1f389}"],
            "no webhook has this title",
        ),
    ] {
        let (succeeded, _, errors) = sidecar.output(arguments);
        assert_eq!(
            succeeded,
            said.is_empty(),
            "{layout}: {arguments:?}: {errors}"
        );
        assert!(errors.contains(said), "{layout}: {arguments:?}: {errors}");
    }
}

async fn start(site: &Site) -> Sidecar {
    let environment = [
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "off"),
        (
            "FCOM_SIDECAR__ADMIN__FAILURES_PER_MINUTE_PER_CLIENT",
            "1000",
        ),
        (
            "FCOM_SIDECAR__LIMITS__UNKNOWN_KEYS_PER_MINUTE_PER_CLIENT",
            "0",
        ),
    ];
    let sidecar = Sidecar::start_with(site, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    sidecar
}

/// All of it on tables of these collations; returns the site.
async fn no_text_is_an_error(layout: &str, collations: &[(&str, &str)]) {
    let site = Site::new("71").await;
    for (table, collation) in collations {
        let tables: &[&str] = if table.is_empty() { &TABLES } else { &[table] };
        for table in tables {
            let collation = match collation.strip_prefix("old_") {
                Some(suffix) => old_collation(&site, suffix).await,
                None => (*collation).to_owned(),
            };
            convert(&site, table, &collation).await;
        }
    }
    let sidecar = start(&site).await;
    call_with_everything(&sidecar, layout).await;
    assert_no_complaints(&sidecar, layout).await;
    manage_with_everything(&sidecar, layout).await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

macro_rules! layouts {
    ($($name:ident: $collations:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            no_text_is_an_error(stringify!($name), &$collations).await;
        })*
    };
}

layouts! {
    no_text_is_an_error_on_utf8mb4_general_ci: [("", "utf8mb4_general_ci")];
    no_text_is_an_error_on_utf8mb4_bin: [("", "utf8mb4_bin")];
    no_text_is_an_error_on_utf8mb3: [("", "old_general_ci")];
    no_text_is_an_error_on_utf8mb3_bin: [("", "old_bin")];
    no_text_is_an_error_where_only_users_are_old: [("wp_users", "old_general_ci")];
    no_text_is_an_error_where_only_metadata_and_webhooks_are_old: [
        ("wp_usermeta", "old_unicode_ci"), ("wp_fcom_meta", "old_general_ci")
    ];
    no_text_is_an_error_where_only_profiles_are_old: [("wp_fcom_xprofile", "old_bin")];
    no_text_is_an_error_on_mixed_collations: [
        ("wp_users", "utf8mb4_unicode_ci"), ("wp_usermeta", "utf8mb4_bin"), ("wp_options", "old_general_ci"),
        ("wp_fcom_meta", "utf8mb4_unicode_520_ci"), ("wp_fcom_xprofile", "utf8mb4_general_ci"),
        ("wp_fcom_spaces", "utf8mb4_bin"), ("wp_fcom_space_user", "utf8mb4_unicode_ci")
    ];
}

#[tokio::test]
async fn a_login_with_a_character_that_the_users_table_lacks_becomes_one_without_it() {
    let site = Site::new("71").await;
    let old = old_collation(&site, "general_ci").await;
    let sidecar = start(&site).await;
    // Also while the daemon runs.
    convert(&site, "wp_users", &old).await;
    for (number, (wished, login)) in [
        ("ann\u{1f389}", "ann"),
        ("ann\u{1f389}", "second"),
        ("\u{1f389}", "third"),
        ("0\u{1f389}", "fourth"),
    ]
    .iter()
    .enumerate()
    {
        let name = ["first", "second", "third", "fourth"][number];
        let email = format!("{name}@example.com");
        let fields = [("email", email.as_str()), ("user_login", wished)];
        let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
        let stored = format!("SELECT user_login FROM wp_users WHERE ID = {id}");
        assert_eq!(
            site.text(&stored).await.as_deref(),
            Some(*login),
            "{wished}"
        );
    }
    // Once the table can hold it again, so it does.
    convert(&site, "wp_users", "utf8mb4_unicode_520_ci").await;
    let fields = [
        ("email", "fifth@example.com"),
        ("first_name", "Zo\u{1f389}"),
    ];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let shown = format!("SELECT display_name FROM wp_users WHERE ID = {id}");
    assert_eq!(site.text(&shown).await.as_deref(), Some("Zo\u{1f389}"));
    assert_no_complaints(&sidecar, "converted").await;
}

#[tokio::test]
async fn a_profile_table_that_lacks_a_character_of_a_members_name_gets_the_rest() {
    let site = Site::new("71").await;
    let old = old_collation(&site, "general_ci").await;
    convert(&site, "wp_fcom_xprofile", &old).await;
    site.execute(
        "DELETE FROM wp_fcom_xprofile WHERE user_id = 2; \
         UPDATE wp_users SET display_name = 'Zo\u{1f389}e', user_login = 'zo\u{1f389}e' WHERE ID = 2; \
         UPDATE wp_usermeta SET meta_value = CONCAT(meta_key, '\u{1f389}') \
         WHERE user_id = 2 AND meta_key IN ('first_name', 'last_name', 'description')",
    )
    .await;
    let sidecar = start(&site).await;
    let fields = [("email", "existing@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let profile = "SELECT CONCAT_WS('|', username, display_name, short_description) FROM wp_fcom_xprofile WHERE user_id = 2";
    assert_eq!(
        site.text(profile).await.as_deref(),
        Some("zoe|first_name last_name|description")
    );
    assert_no_complaints(&sidecar, "profile").await;
}

#[tokio::test]
async fn a_key_that_no_column_can_hold_is_a_wrong_key() {
    let site = Site::new("71").await;
    let old = old_collation(&site, "general_ci").await;
    for table in TABLES {
        convert(&site, table, &old).await;
    }
    let sidecar = Sidecar::start(&site).await;
    let fields = [("email", &b"existing@example.com"[..])];
    let mut wrong = 0;
    while wrong < 100 {
        let from = [("X-Forwarded-For", "203.0.113.9")];
        let response = post(&sidecar, "\u{1f389}".as_bytes(), &from, &fields).await;
        if response.status == 429 {
            break;
        }
        assert_eq!(response.status, 404, "{}", response.text());
        wrong += 1;
    }
    assert_eq!(wrong, 30, "wrong keys are not counted");
}
