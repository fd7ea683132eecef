//! No command lets words of callers, servers and the site act on the operator's terminal or look like a line of its own.
//! JSON says them exactly.

use serde_json::Value;

use crate::harness::client::FORM;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, PREFIX, Site, target};
use crate::harness::smtp_peer::{Closed, Play};

/// Clears the screen in both encodings, reverses what follows, rings, overwrites its line, and begins lines of its own in
/// every way.
const HOSTILE: &str =
    "x\u{1b}[2J\u{9b}31m\u{202e}y\u{7}\r\nforged by stranger\u{85}\u{2028}z\u{2066}\tu\u{7f}";
/// For columns of ASCII characters.
const SHORT: &str = "\u{1b}[2J\nforged";
const REPLY: &str = "550 5.7.1 no\u{1b}[2J\u{9b}31m\u{202e}y\u{7} for you";

fn literal(text: &str) -> String {
    format!("0x{}", hex::encode(text))
}

/// Everything that others have a say in, as another plugin, an administrator or a server may have left it.
async fn fill(site: &Site, user: u64) {
    let (words, short) = (literal(HOSTILE), literal(SHORT));
    let record = format!(
        "CONCAT('a:2:{{s:5:\"title\";s:', LENGTH({words}), ':\"', {words}, '\";s:13:\"running_count\";s:', \
         LENGTH({words}), ':\"', {words}, '\";}}')"
    );
    site.execute(&format!(
        "UPDATE {PREFIX}fcom_meta SET value = {record} WHERE meta_key = '{PLAIN_HOOK}'; \
         UPDATE {PREFIX}fcom_spaces SET title = {words}, slug = {words}; \
         UPDATE {PREFIX}users SET user_login = {words}, display_name = {words} WHERE ID = {user}; \
         UPDATE {PREFIX}options SET option_value = {words} WHERE option_name IN \
             ('blogname', 'default_role', 'timezone_string', 'WPLANG', 'home'); \
         UPDATE {PREFIX}options SET option_value = CONCAT('a:1:{{i:0;s:', LENGTH({words}), ':\"', {words}, '\";}}') \
             WHERE option_name = 'active_plugins'; \
         UPDATE {PREFIX}fcom_sidecar_runs SET outcome = {short}, request_id = {short}, client_address = NULL; \
         UPDATE {PREFIX}fcom_sidecar_refused SET outcome = {short}, request_id = {short}; \
         UPDATE {PREFIX}fcom_sidecar_mail SET last_error = {words}, state = {short}; \
         INSERT INTO {PREFIX}fcom_sidecar_instances (id, name, seen_at, mail_state, mail_since, mail_words) \
             VALUES ('other', {short}, UTC_TIMESTAMP() + INTERVAL 1 HOUR, 'refused', NOW(), {words}); \
         INSERT INTO {PREFIX}fcom_sidecar_events (user_id, kind, state, attempts, due_at, last_error, created_at, finished_at) \
             VALUES ({user}, {short}, 'dead', 3, NOW(), {words}, NOW(), NOW()), \
                    ({user}, {short}, 'done', 1, NOW(), NULL, NOW(), NOW())"
    ))
    .await;
}

#[track_caller]
fn assert_harmless(command: &str, said: &str) {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    assert!(!said.contains(steers), "{command}: {said:?}");
    let forged = said.lines().find(|line| line.starts_with("forged"));
    assert_eq!(forged, None, "{command}: {said:?}");
}

/// Whether a text stands somewhere in the values of this JSON.
fn holds(json: &Value, text: &str) -> bool {
    match json {
        Value::String(value) => value.contains(text),
        Value::Array(values) => values.iter().any(|value| holds(value, text)),
        Value::Object(values) => values.values().any(|value| holds(value, text)),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_prints_what_steers_a_terminal() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let environment = [
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__MAIL__FROM", "club@example.org"),
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "smtp"),
    ];
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    let fields = [("email", "stranger@example.com")];
    let user = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let refused = sidecar
        .client
        .post(&target(PLAIN_HOOK), FORM, b"email=no")
        .await;
    assert_eq!(refused.status, 423);
    sidecar.says("invalid_email").await;
    site.goes("SELECT COUNT(*) = 0 FROM wp_fcom_sidecar_refused")
        .await;
    assert!(sidecar.terminate().is_some());
    fill(&site, user).await;
    let (user, hook) = (
        user.to_string(),
        site.number(&format!(
            "SELECT id FROM wp_fcom_meta WHERE meta_key = '{PLAIN_HOOK}'"
        ))
        .await
        .to_string(),
    );
    let run = site
        .number("SELECT MAX(id) FROM wp_fcom_sidecar_runs")
        .await
        .to_string();
    let mail = site
        .number("SELECT MAX(id) FROM wp_fcom_sidecar_mail")
        .await
        .to_string();
    // What is shown of others' words, where anything is.
    let (all, short, none) = (Some(HOSTILE), Some(SHORT), None);
    let commands: Vec<(Vec<&str>, Option<&str>)> = vec![
        (vec!["check"], all),
        (vec!["webhook", "list"], all),
        (vec!["webhook", "show", &hook], all),
        (vec!["runs", "list"], all),
        (vec!["runs", "show", &run], all),
        (vec!["runs", "list", "--user", HOSTILE], none),
        (vec!["runs", "list", "--webhook", HOSTILE], all),
        (vec!["find", "stranger@example.com"], all),
        (vec!["find", &user], all),
        (vec!["find", HOSTILE], all),
        (vec!["outbox", "list"], all),
        (vec!["outbox", "show", &mail], all),
        (vec!["relay", "status"], all),
        (vec!["webhook", "update", &hook, "--title", HOSTILE], short),
        (vec!["webhook", "rotate", &hook], none),
        (
            vec![
                "webhook", "create", "--title", HOSTILE, "--space", "no such",
            ],
            none,
        ),
        (
            vec!["webhook", "create", "--title", HOSTILE, "--space", HOSTILE],
            none,
        ),
        (vec!["webhook", "url", &hook], none),
        (vec!["mail", "test", "--to", "a@example.com"], none),
        (vec!["mail", "test", "--to", HOSTILE], none),
        (vec!["migrate"], none),
    ];
    for (command, words) in commands {
        peer.play(&[Play::Recipient(REPLY)]);
        let (_, said, complained) = sidecar.outcome(&command);
        let name = format!("{command:?}");
        assert_harmless(&name, &said);
        assert_harmless(&name, &complained);
        assert!(!(said.clone() + &complained).is_empty(), "{name}");
        if name.contains("mail\", \"test\", \"--to\", \"a@") {
            assert!(
                complained.contains("no [2J 31m y  for you"),
                "{complained:?}"
            );
        }
        if let Some(words) = words {
            let (_, said, complained) = sidecar.outcome(&[&command[..], &["--json"]].concat());
            assert_eq!(complained, "", "{name}");
            assert_harmless(&name, &said);
            let json: Value = serde_json::from_str(&said).unwrap();
            if words == HOSTILE {
                assert!(
                    holds(&json, words) || holds(&json, SHORT) || name.contains("check"),
                    "{name}: {json:#}"
                );
            }
        }
    }
    let log = sidecar.log();
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
}
