//! What forms change, and that the log says who did.

use super::browser::Browser;
use crate::harness::management::{TOKEN, start};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};
use crate::harness::webhook_record::running_count;

pub(super) async fn record(site: &Site, id: u64) -> String {
    let sql = format!("SELECT value FROM wp_fcom_meta WHERE id = {id}");
    site.text(&sql).await.unwrap_or_default()
}

async fn key(site: &Site, id: u64) -> String {
    let sql = format!("SELECT meta_key FROM wp_fcom_meta WHERE id = {id}");
    site.text(&sql).await.unwrap_or_default()
}

/// The value of a hidden field.
pub(super) fn hidden(browser: &Browser<'_>, name: &str) -> String {
    let text = browser.text();
    let (_, rest) = text
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap();
    rest.split('"').next().unwrap().to_owned()
}

const ANN: &[(&str, &str)] = &[("email", "ann@example.com")];

/// Makes a webhook with the form, and returns its id and its key.
pub(super) async fn make(
    site: &Site,
    sidecar: &Sidecar,
    browser: &mut Browser<'_>,
) -> (u64, String) {
    browser.get("/console/webhooks/new").await;
    let fields = [
        ("title", "Shop & co"),
        ("space_ids[]", "1"),
        ("space_ids[]", "2"),
        ("remove_space_ids[]", "3"),
        ("send_wp_welcome_email", "no"),
    ];
    let status = browser.post("/console/webhooks/new", &fields).await;
    assert_eq!(status, 200, "{}", browser.words());
    let id = browser.path.rsplit('/').next().unwrap().parse().unwrap();
    let key = key(site, id).await;
    sidecar.client.record(std::slice::from_ref(&key));
    (id, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_made_and_its_address_shown_to_who_asks() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/webhooks/new").await;
    let space = "name=\"space_ids[]\" value=\"1\"";
    assert!(browser.text().contains(&format!("{space}>")));
    let no_title = [("title", " "), ("space_ids[]", "1")];
    assert_eq!(browser.post("/console/webhooks/new", &no_title).await, 422);
    browser.assert_says("Give the webhook a title.");
    assert!(browser.text().contains(&format!("{space} checked>")));

    let (id, key) = make(&site, &sidecar, &mut browser).await;
    browser.assert_says("The webhook is there");
    assert!(record(&site, id).await.contains("Shop & co"));
    assert!(!browser.text().contains(&key));
    let page = format!("/console/webhooks/{id}");
    browser.get(&page).await;
    let words = browser.words();
    assert!(!words.contains("The webhook is there"), "it is said twice");

    browser.post(&format!("{page}/address"), &[]).await;
    assert!(browser.text().contains(&format!("webhook={key}\"")));
    assert_eq!(browser.page().header("cache-control"), Some("no-store"));
    sidecar.client.execute(&key, ANN).await;
    for what in [
        format!("webhook {id} was created"),
        format!("the address of webhook {id} was shown"),
    ] {
        let line = format!("{what} by the token's holder, in the console");
        sidecar.says(&line).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_keeps_what_somebody_else_changed_and_what_calls_count() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    let (id, key) = make(&site, &sidecar, &mut browser).await;
    let page = format!("/console/webhooks/{id}");
    let save = format!("{page}/save");
    let seen = hidden(&browser, "seen");
    let edited = [("seen", &*seen), ("title", "Store"), ("space_ids[]", "2")];
    assert_eq!(browser.post(&save, &edited).await, 200);
    browser.assert_says("Saved.");
    let outdated = [("seen", &*seen), ("title", "Shop"), ("space_ids[]", "1")];
    assert_eq!(browser.post(&save, &outdated).await, 409);
    browser.assert_says("Somebody changed this webhook");
    let stored = record(&site, id).await;
    assert!(stored.contains("Store"), "{stored}");

    // A call that came meanwhile is no change.
    browser.get(&page).await;
    let seen = hidden(&browser, "seen");
    sidecar.client.execute(&key, ANN).await;
    let again = [("seen", &*seen), ("title", "Store 2")];
    assert_eq!(browser.post(&save, &again).await, 200);
    let stored = record(&site, id).await;
    assert!(stored.contains("Store 2"), "{stored}");
    assert_eq!(running_count(&stored), 1);
    let line = format!("webhook {id} was changed by the token's holder, in the console");
    sidecar.says(&line).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_and_a_webhook_deleted() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    let (id, first) = make(&site, &sidecar, &mut browser).await;
    let page = format!("/console/webhooks/{id}");
    browser.post(&format!("{page}/rotate"), &[]).await;
    assert_eq!(browser.path, page);
    browser.assert_says("has a new address");
    let second = key(&site, id).await;
    sidecar.client.record(std::slice::from_ref(&second));
    assert_ne!(first, second);
    for key in [&first, &second] {
        sidecar.client.execute(key, ANN).await;
    }
    let at_once = [("at_once", "1")];
    browser.post(&format!("{page}/rotate"), &at_once).await;
    browser.assert_says("No earlier one works any more");
    for key in [&first, &second] {
        assert_eq!(sidecar.client.call(key, ANN).await.status, 404);
    }

    browser.post(&format!("{page}/delete"), &[]).await;
    assert_eq!(browser.path, "/console/webhooks");
    browser.assert_says("is deleted");
    assert_eq!(record(&site, id).await, "");
    assert_eq!(browser.post(&format!("{page}/delete"), &[]).await, 404);
    for what in ["given a new key", "deleted"] {
        let line = format!("webhook {id} was {what} by the token's holder, in the console");
        sidecar.says(&line).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_tried_shows_its_plan_and_leaves_nothing() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    let users = "SELECT COUNT(*) FROM wp_users";
    let (before, hook) = (site.number(users).await, record(&site, 3).await);
    let fields = [
        ("email", "planned@example.com"),
        ("first_name", "Ann"),
        ("user_password", "a password of hers"),
    ];
    sidecar.client.record(&[
        "planned@example.com".to_owned(),
        "a password of hers".to_owned(),
    ]);
    browser.get("/console/webhooks/3").await;
    assert_eq!(
        browser.post("/console/webhooks/3/try", &fields).await,
        200,
        "{}",
        browser.words()
    );
    let words = browser.words();
    for expected in [
        "The call would answer 200",
        "It creates planned",
        "user_login",
        "wp_users",
        "Nothing was kept",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let text = browser.text();
    assert!(text.contains("value=\"planned@example.com\""));
    assert_eq!(text.matches("planned@example.com").count(), 1, "{text}");
    assert!(!text.contains("a password of hers"));
    assert_eq!(
        browser
            .post("/console/webhooks/3/try", &[("email", "none")])
            .await,
        200
    );
    browser.assert_says("The call would be refused: 423");
    assert_eq!(site.number(users).await, before);
    assert_eq!(record(&site, 3).await, hook);
    assert_eq!(browser.post("/console/webhooks/999/try", &[]).await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_tried_as_the_webhooks_source_reads_it() {
    let site = Site::new("71").await;
    let source = r#"[source.shop]
webhook_id = 3
body = "json"
only_if = "kind != 'test'"
signature = "github"
secrets = ["a-Secret-of-the-Sender-5309"]
idempotency = "number"
[source.shop.fields]
email = "who.mail"
first_name = "who.name"
user_password = "who.secret"
"#;
    let url = site.url();
    let sections = format!("[wordpress]\nversion = \"7.1\"\n[database]\nurl = \"{url}\"\n{source}");
    let environment = [("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN)];
    let sidecar = Sidecar::start_configured(&site, &sections, &environment).await;
    let (mail, password) = ("nora@example.com", "a password of hers");
    let secrets = [TOKEN, mail, password, "a-Secret-of-the-Sender-5309"];
    sidecar.client.record(&secrets.map(str::to_owned));
    let users = "SELECT COUNT(*) FROM wp_users";
    let before = site.number(users).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/webhooks/3").await;
    browser.assert_says("Try a body of shop");
    let body =
        format!(r#"{{"number":17,"who":{{"mail":"{mail}","name":"Nora","secret":"{password}"}}}}"#);
    for (body, headers, expected) in [
        (
            body.as_str(),
            "X-Topic: paid",
            &[
                "email nora@example.com who.mail",
                "first_name Nora who.name",
                "last_name not set",
                "user_password set, not shown who.secret",
                "name of the call 17",
                "The call would answer 200",
                "It creates nora",
            ][..],
        ),
        (
            r#"{"kind":"test"}"#,
            "",
            &[
                "No call would be executed",
                "this does not hold: kind != &#39;test&#39;",
            ],
        ),
        ("{", "", &["The body cannot be read"]),
        ("{}", "none", &["“none” is no header"]),
        (
            "{}",
            "",
            &["email not set", "The call would be refused: 423"],
        ),
    ] {
        let fields = [("body", body), ("headers", headers)];
        let status = browser.post("/console/webhooks/3/source", &fields).await;
        assert_eq!(status, 200, "{}", browser.words());
        for words in expected {
            browser.assert_says(words);
        }
        // Only where it was typed.
        assert_eq!(
            browser.text().matches(password).count(),
            body.matches(password).count()
        );
    }
    assert_eq!(site.number(users).await, before);
    assert_eq!(browser.post("/console/webhooks/2/source", &[]).await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_whose_fields_are_kept_is_carried_out_once() {
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refused.key");
    let environment = [
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
        ("FCOM_SIDECAR__REFUSED__KEEP_FIELDS_HOURS", "24"),
        ("FCOM_SIDECAR__REFUSED__KEY_FILE", file.to_str().unwrap()),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    let record = |value: &str| {
        format!("UPDATE wp_fcom_meta SET value = {value} WHERE meta_key = '{PLAIN_HOOK}'")
    };
    site.execute(&record("CONCAT('x', value)")).await;
    assert_eq!(sidecar.client.call(PLAIN_HOOK, ANN).await.status, 423);
    site.comes("SELECT COUNT(*) FROM wp_fcom_sidecar_kept WHERE sealed IS NOT NULL")
        .await;
    let id = site
        .number("SELECT MAX(id) FROM wp_fcom_sidecar_refused")
        .await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/refused").await;
    browser.assert_says("Carry out again");
    let retry = format!("/console/refused/{id}/retry");
    browser.post(&retry, &[]).await;
    browser.assert_says("It was refused again: 423");
    site.execute(&record("SUBSTRING(value, 2)")).await;
    browser.post(&retry, &[]).await;
    assert!(
        browser.path.starts_with("/console/runs/"),
        "{}",
        browser.path
    );
    browser.assert_says("is carried out: this is its run");
    browser.assert_says("ann became a member");
    browser.get(&format!("/console/refused/{id}")).await;
    browser.assert_says("Later executed, run");
    browser.post(&retry, &[]).await;
    browser.assert_says("nothing was done");
    assert_eq!(
        site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
            .await,
        1
    );
    let line = format!("refused call {id} was retried (created) by the token's holder");
    sidecar.says(&line).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_are_retried_and_dropped() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    site.execute(
        "INSERT INTO wp_fcom_sidecar_mail (id, user_id, webhook_id, state, attempts, next_attempt_at, tried_since, last_error, created_at)
         VALUES (1, 2, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'No such mailbox', UTC_TIMESTAMP()),
             (2, 2, 3, 'sent', 1, UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL, UTC_TIMESTAMP()),
             (3, 3, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'Full', UTC_TIMESTAMP()),
             (4, 3, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'Full', UTC_TIMESTAMP())",
    )
    .await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/mails").await;
    let words = browser.words();
    assert!(
        words.contains("No such mailbox") && words.contains("Given up"),
        "{words}"
    );
    assert!(browser.text().contains("mails/3/retry") && !browser.text().contains("mails/2/retry"));
    browser.post("/console/mails/1/retry", &[]).await;
    assert_eq!(browser.path, "/console/mails");
    browser.assert_says("Mail 1 is due at once");
    browser.post("/console/mails/2/retry", &[]).await;
    browser.assert_says("There was nothing to retry");
    browser.post("/console/mails/3/drop", &[]).await;
    browser.assert_says("Mail 3 is dropped");
    browser.post("/console/mails/3/drop", &[]).await;
    browser.assert_says("Mail 3 was not dropped");
    browser.post("/console/mails/retry", &[]).await;
    assert!(
        browser
            .words()
            .contains("1 mail given up before is due at once"),
        "{}",
        browser.words()
    );
    let left = "SELECT GROUP_CONCAT(CONCAT(id, IF(state = 'dead', ' dead', '')) ORDER BY id) FROM wp_fcom_sidecar_mail";
    assert_eq!(site.text(left).await.as_deref(), Some("1,2,4"));
    for what in ["mail 1 was made due", "mail 3 was dropped"] {
        sidecar
            .says(&format!("{what} by the token's holder, in the console"))
            .await;
    }
    assert_eq!(browser.get("/console/mails/1").await, 200);
    browser.assert_says("What it would say now");
    browser.assert_says("To set your password, visit the following address:");
    let text = browser.text();
    assert!(text.contains("key=xxxx"), "{text}");
    assert_eq!(browser.get("/console/mails/3").await, 404);
    assert!(!sidecar.log().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_are_retried_and_dropped() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    site.execute(
        "INSERT INTO wp_fcom_sidecar_events (id, user_id, kind, space_id, state, attempts, last_error, due_at, created_at)
         VALUES (1, 2, 'joined', 1, 'dead', 10, 'Call to undefined method', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)),
             (2, 3, 'joined', 1, 'dead', 10, 'Timed out', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)),
             (3, 3, 'joined', 1, 'done', 1, NULL, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
    )
    .await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/hooks").await;
    let words = browser.words();
    for expected in ["Call to undefined method", "Timed out", "Given up 2"] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    browser.post("/console/hooks/1/retry", &[]).await;
    browser.assert_says("Hook 1 is due at once");
    browser.post("/console/hooks/3/retry", &[]).await;
    browser.assert_says("There was nothing to retry");
    browser.post("/console/hooks/2/drop", &[]).await;
    browser.assert_says("Hook 2 is dropped");
    browser.post("/console/hooks/retry", &[]).await;
    browser.assert_says("No hook was given up");
    let left = "SELECT GROUP_CONCAT(CONCAT(id, state) ORDER BY id) FROM wp_fcom_sidecar_events WHERE id < 4";
    assert_eq!(site.text(left).await.as_deref(), Some("1pending,3done"));
    for what in ["hook 1 was made due", "hook 2 was dropped"] {
        sidecar
            .says(&format!("{what} by the token's holder, in the console"))
            .await;
    }
    assert_eq!(sidecar.client.call(PLAIN_HOOK, &[]).await.status, 423);
}
