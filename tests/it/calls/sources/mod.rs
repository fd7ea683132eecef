//! Webhooks with a source: calls in their senders' words and with their signatures, as each sender makes them.

mod operators;
mod presets;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::harness::client::FORM;
use crate::harness::eventually::eventually;
use crate::harness::http::Response;
use crate::harness::metrics;
use crate::harness::passwords;
use crate::harness::recording::Recording;
use crate::harness::replay::replay_on;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{LEAVING_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, target};

const SECRET: &str = "a-Secret-of-the-Sender-5309";
const JSON: &str = "application/json; charset=utf-8";
const STRANGER: &str = "a-Secret-of-a-Stranger-0471";
const EMAIL: &str = "nora@example.com";

fn mac(secret: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// A daemon with these sections beside the site's.
async fn start(site: &Site, sections: &str) -> Sidecar {
    let (url, version) = (site.url(), site.wordpress);
    let sections =
        format!("[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n{sections}");
    let sidecar = Sidecar::start_configured(site, &sections, &[]).await;
    let secrets = [
        SECRET,
        STRANGER,
        EMAIL,
        "nora%40example.com",
        "SAMPLEWORD12",
    ];
    sidecar.client.record(&secrets.map(str::to_owned));
    sidecar
}

async fn post(
    sidecar: &Sidecar,
    kind: &str,
    header: Option<(&str, String)>,
    body: &str,
) -> Response {
    let mut headers = vec![("Content-Type", kind)];
    if let Some((name, value)) = &header {
        headers.push((name, value));
    }
    let target = target(PLAIN_HOOK);
    sidecar
        .client
        .request("POST", &target, &headers, body.as_bytes())
        .await
}

async fn runs(site: &Site) -> u64 {
    site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
        .await
}

async fn users(site: &Site) -> u64 {
    let new = format!(
        "SELECT COUNT(*) FROM wp_users WHERE ID > {}",
        site.last_user
    );
    site.number(&new).await
}

#[track_caller]
fn assert_answer(response: &Response, status: u16, word: &str) -> Value {
    let json = response.json();
    assert_eq!(
        (response.status, &json["status"]),
        (status, &word.into()),
        "{json}"
    );
    json
}

#[tokio::test]
async fn an_event_that_comes_again_is_executed_once() {
    let site = Site::new("71").await;
    let source = "[source.one]\nwebhook_id = 3\nbody = \"json\"\nidempotency = \"event.id\"\n\
                  [source.two]\nwebhook_id = 5\nbody = \"any\"\nidempotency = \"header:X-Event\"\n";
    let sidecar = start(&site, source).await;
    let body = r#"{"event":{"id":"ä 1"},"email":"nora@example.com"}"#;
    let first = post(&sidecar, JSON, None, body).await;
    assert_answer(&first, 200, "success");
    let again = post(&sidecar, JSON, None, body).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(first.text(), again.text());
    assert_eq!(runs(&site).await, 1);
    let other = body.replace("nora@", "otto@");
    assert_answer(&post(&sidecar, JSON, None, &other).await, 422, "error");
    assert_answer(
        &post(&sidecar, JSON, None, &other.replace("ä 1", "2")).await,
        200,
        "success",
    );
}

#[tokio::test]
async fn a_call_is_read_as_its_source_says_and_no_other_way() {
    let site = Site::new("71").await;
    let source = r#"[source.mapped]
webhook_id = 3
body = "json"
trim_email = true
lower_case_email = true
signature = "github"
signature_header = "X-Sender"
secrets = ["a-Secret-of-the-Sender-5309"]
only_if = "kind != 'test'"
[source.mapped.fields]
email = ["nothing.here", "who[0].mail"]
first_name = "{{ who[0].name | first_word | capitalize }}"
last_name = "'Member'"
user_login = "who[role=main].login"
"#;
    let sidecar = start(&site, source).await;
    let signed = |body: &str| {
        let mac = hex::encode(mac(SECRET, &[body.as_bytes()]));
        Some(("X-Sender", format!("sha256={mac}")))
    };
    let body = r#" {"who":[{"mail":" Nora@Example.com ","name":"NORA anna"},{"role":"main","login":"nora77"}]}"#;
    let answer = post(&sidecar, "application/vnd.sender+json", signed(body), body).await;
    let user = assert_answer(&answer, 200, "success")["user_id"].clone();
    let member =
        format!("SELECT user_email, user_login, display_name FROM wp_users WHERE ID = {user}");
    let text = |text: &str| Some(text.to_owned());
    let expected = [[text(EMAIL), text("nora77"), text("Nora Member")]];
    assert_eq!(site.rows(&member).await, expected);

    let before = runs(&site).await;
    let form = "email=nora%40example.com";
    for (kind, header, body, status) in [
        (FORM, signed(form), form, 415),
        ("text/plain", signed(body), body, 415),
        (JSON, signed("{"), "{", 400),
        (JSON, signed("[]"), "[]", 423),
        (
            JSON,
            signed(r#"{"kind":"test"}"#),
            r#"{"kind":"test"}"#,
            200,
        ),
        (JSON, None, "{", 401),
    ] {
        let answer = post(&sidecar, kind, header, body).await;
        assert_eq!(answer.status, status, "{kind} {body}: {}", answer.text());
    }
    assert_eq!(runs(&site).await, before);
    let ignored = r#"fcom_sidecar_calls_total{outcome="ignored"}"#;
    metrics::wait_for(&sidecar.client, ignored, |count| count >= 1.0).await;
    // Nobody learns from a body of another type whether a key is good.
    let wrong = target("12121212121212121212121212121212");
    for kind in [JSON, FORM, "text/plain"] {
        let headers = [("Content-Type", kind)];
        let guess = sidecar.client.request("POST", &wrong, &headers, b"{").await;
        assert_eq!(
            (guess.status, &guess.json()["message"]),
            (404, &"Webhook not found".into())
        );
    }
    let unknown = r#"fcom_sidecar_calls_total{outcome="unknown_webhook"}"#;
    metrics::wait_for(&sidecar.client, unknown, |count| count >= 3.0).await;
    // Others are read as ever.
    let json = [("Content-Type", JSON)];
    let other = target(SPACES_HOOK);
    let answer = sidecar
        .client
        .request("POST", &other, &json, body.as_bytes())
        .await;
    assert_eq!(answer.status, 415);
    sidecar
        .client
        .execute(SPACES_HOOK, &[("email", EMAIL)])
        .await;
}

#[tokio::test]
async fn secrets_in_a_header_and_passwords_are_checked() {
    let site = Site::new("71").await;
    let sources = format!(
        "[source.plain]\nwebhook_id = 3\nbody = \"any\"\nsignature = \"header\"\nsignature_header = \"X-Secret\"\nsecrets = [\"{SECRET}\"]\n"
    );
    let sidecar = start(&site, &sources).await;
    let form = "email=nora%40example.com";
    for (header, status) in [
        (None, 401),
        (Some(("X-Secret", STRANGER.to_owned())), 401),
        (Some(("X-Secret", SECRET.to_lowercase())), 401),
        (Some(("X-Secret", SECRET.to_owned())), 200),
    ] {
        assert_eq!(post(&sidecar, FORM, header, form).await.status, status);
    }
    drop(sidecar);
    let sources = "[source.basic]\nwebhook_id = 3\nbody = \"any\"\nsignature = \"basic\"\nsecrets = [\"shop:a-Secret-of-the-Sender-5309\"]\n";
    let sidecar = start(&site, sources).await;
    for (user, status) in [("shop:no", 401), ("shop:a-Secret-of-the-Sender-5309", 200)] {
        let header = Some(("Authorization", format!("Basic {}", STANDARD.encode(user))));
        assert_eq!(post(&sidecar, FORM, header, form).await.status, status);
    }
}

/// As a shop makes its webhooks' secrets: of visible characters and blanks, also at the ends.
#[tokio::test]
async fn a_secret_is_what_the_sender_shows_with_its_commas_and_blanks() {
    const MADE: &str = " k7}uX2qe,R[?|w9 ,=Zt+";
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, format!("{STRANGER}-2\r\n\r\n{MADE}\r\n")).unwrap();
    let file = format!("secrets_file = '{}'", file.display());
    let text = format!("secrets = '{MADE}'");
    let pasted = format!("{MADE} ");
    let list = format!("secrets = ['{STRANGER}-2', '{pasted}']");
    let (mut body, variable) = (0, [("FCOM_SIDECAR__SOURCE__SHOP__SECRETS", MADE)]);
    for (given, environment, sent) in [
        (file.as_str(), &[][..], MADE),
        (&text, &[], MADE),
        (&list, &[], &pasted),
        ("", &variable, MADE),
    ] {
        let (url, version) = (site.url(), site.wordpress);
        let sections = format!(
            "[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n\
             [source.shop]\nwebhook_id = 3\nbody = \"json\"\nsignature = \"woocommerce\"\n{given}\n"
        );
        let sidecar = Sidecar::start_configured(&site, &sections, environment).await;
        sidecar.client.record(&[EMAIL, MADE].map(str::to_owned));
        for (secret, status) in [
            (MADE.trim(), 200),
            (sent, 200),
            ("k7}uX2qe", 401),
            ("=Zt+", 401),
            ("", 401),
        ] {
            body += 1;
            let body = format!(r#"{{"email":"nora@example.com","n":{body}}}"#);
            let mac = STANDARD.encode(mac(secret, &[body.as_bytes()]));
            let header = Some(("X-WC-Webhook-Signature", mac));
            let answer = post(&sidecar, JSON, header, &body).await;
            assert_eq!(answer.status, status, "{given} {environment:?} {secret:?}");
        }
    }
}

#[tokio::test]
async fn who_is_not_there_is_not_made_to_be_taken_away() {
    let site = Site::new("71").await;
    let leaving = site.webhooks().await;
    let leaving = leaving
        .iter()
        .find(|(_, value)| value.contains(LEAVING_HOOK));
    let id = match leaving {
        Some((id, _)) => *id,
        None => {
            site.number(&format!(
                "SELECT id FROM wp_fcom_meta WHERE meta_key = '{LEAVING_HOOK}'"
            ))
            .await
        }
    };
    let source =
        format!("[source.leaving]\nwebhook_id = {id}\nbody = \"any\"\nremove_only = true\n");
    let sidecar = start(&site, &source).await;
    let nobody = sidecar.client.call(LEAVING_HOOK, &[("email", EMAIL)]).await;
    assert_answer(&nobody, 200, "ignored");
    assert_eq!((runs(&site).await, users(&site).await), (0, 0));
    sidecar
        .client
        .execute(LEAVING_HOOK, &[("email", "existing@example.com")])
        .await;
    assert_eq!(runs(&site).await, 1);
}

#[tokio::test]
async fn calls_with_a_blank_name_are_as_many_as_they_are() {
    let site = Site::new("71").await;
    let (mut calls, mut expected) = (0, 0);
    for (idempotency, order, is_blank) in [
        ("header:X-Event-Id", "7", true),
        ("order {{ order_id }}", "", true),
        ("order {{ order_id }}", "7", false),
    ] {
        let source = format!(
            "[source.shop]\nwebhook_id = 3\nbody = \"json\"\nidempotency = \"{idempotency}\"\n"
        );
        let sidecar = start(&site, &source).await;
        for status in [200, if is_blank { 200 } else { 422 }] {
            calls += 1;
            let body = format!(r#"{{"order_id":"{order}","email":"nora{calls}@example.com"}}"#);
            let blank = Some(("X-Event-Id", String::new()));
            let answer = post(&sidecar, JSON, blank, &body).await;
            assert_eq!(answer.status, status, "{idempotency}: {}", answer.text());
            expected += u64::from(status == 200);
        }
    }
    assert_eq!(users(&site).await, expected);
}

#[tokio::test]
async fn tests_of_senders_are_answered_and_a_protection_goes_first() {
    let site = Site::new("71").await;
    let source = format!(
        "[source.shop]\nwebhook_id = 3\npreset = \"woocommerce-order\"\nsecrets = [\"{SECRET}\"]\n"
    );
    let protection = "[protection.shop]\nwebhook_id = 3\nphp_may_execute = true\nallowed_networks = [\"192.0.2.0/24\"]\n";
    let sidecar = start(&site, &source).await;
    let ping = post(&sidecar, FORM, None, "webhook_id=12").await;
    assert_answer(&ping, 200, "ignored");
    for body in [
        "webhook_id=12&email=nora%40example.com",
        "email=nora%40example.com",
    ] {
        assert_answer(&post(&sidecar, FORM, None, body).await, 401, "error");
    }
    let target = target(PLAIN_HOOK);
    assert_eq!(
        sidecar
            .client
            .request("HEAD", &target, &[], b"")
            .await
            .status,
        200
    );
    drop(sidecar);
    let sidecar = start(&site, &format!("{source}{protection}")).await;
    assert_answer(
        &post(&sidecar, FORM, None, "webhook_id=12").await,
        403,
        "error",
    );
    assert_eq!((runs(&site).await, users(&site).await), (0, 0));
}

#[tokio::test]
async fn what_was_recorded_happens_through_a_source_for_any_body_too() {
    let site = Site::new("71").await;
    let ids: Vec<u64> = site
        .webhooks()
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut environment = Vec::new();
    for id in ids {
        for (option, value) in [("WEBHOOK_ID", id.to_string()), ("BODY", "any".to_owned())] {
            environment.push((format!("FCOM_SIDECAR__SOURCE__S{id}__{option}"), value));
        }
    }
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut recording = Recording::of("71");
    let is_json = |kind: &Option<String>| kind.as_deref().is_some_and(|kind| kind.contains("json"));
    recording.cases.retain(|case| {
        !case
            .requests
            .iter()
            .any(|request| is_json(&request.content_type))
    });
    replay_on(&site, &recording, &environment).await;
}

#[tokio::test]
async fn a_source_changes_without_a_restart() {
    let site = Site::new("71").await;
    let mut sidecar = start(&site, "").await;
    let body = r#"{"email":"nora@example.com"}"#;
    assert_eq!(post(&sidecar, JSON, None, body).await.status, 415);
    sidecar.append_configuration("[source.late]\nwebhook_id = 3\nbody = \"json\"\n");
    sidecar.hang_up();
    sidecar.says("configuration reloaded; changed: ").await;
    assert_answer(&post(&sidecar, JSON, None, body).await, 200, "success");
}

#[tokio::test]
async fn a_body_can_be_tried_before_it_is_sent() {
    let site = Site::new("71").await;
    let source = format!(
        "[source.shop]\nwebhook_id = 3\npreset = \"woocommerce-order\"\nsecrets = [\"{SECRET}\"]\n"
    );
    let sidecar = start(&site, &source).await;
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/sources/woocommerce-order.json"
    );
    let (worked, said, complained) = sidecar.output(&["source", "try", "shop", file]);
    assert!(worked, "{complained}");
    for line in [
        "email          nora@example.com   (from billing.email)",
        "first_name     Nora   (from billing.first_name)",
        "user_login     not set",
        "idempotency    order 727 processing",
        "The call would be answered with 200: webhook has been successfully executied",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let other = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/sources/stripe-checkout.json"
    );
    let (worked, said, _) = sidecar.output(&["source", "try", "shop", other]);
    assert!(
        worked && said.contains("does not hold: status in"),
        "{said}"
    );
    let directory = tempfile::tempdir().unwrap();
    let test = directory.path().join("test.form");
    std::fs::write(&test, "webhook_id=5\n").unwrap();
    let (worked, said, complained) =
        sidecar.output(&["source", "try", "shop", test.to_str().unwrap()]);
    assert!(
        worked && said.contains("is the sender's test: answered with 200"),
        "{said}{complained}"
    );
    let (worked, _, complained) = sidecar.output(&["source", "try", "none", file]);
    assert!(
        !worked && complained.contains("there are: shop"),
        "{complained}"
    );
    assert_eq!((runs(&site).await, users(&site).await), (0, 0));
}

#[tokio::test]
async fn an_ignored_call_shows_the_paths_of_its_values_and_check_knows_the_sources() {
    let site = Site::new("71").await;
    let source = "[source.shop]\nwebhook_id = 3\nbody = \"json\"\nonly_if = \"kind == 'order'\"\n";
    let mut sidecar = start(&site, source).await;
    let body = r#"{"kind":"refund","who":{"mail":"nora@example.com"},"items":[{"sku":"x"}]}"#;
    assert_answer(&post(&sidecar, JSON, None, body).await, 200, "ignored");
    let said = eventually(async || {
        let (_, said, _) = sidecar.output(&["refused", "list"]);
        if said.contains("ignored") {
            Ok(said)
        } else {
            Err(said)
        }
    });
    let said = said.await;
    assert!(said.contains("kind, who.mail, items[0].sku"), "{said}");
    assert!(!said.contains(EMAIL), "{said}");
    let (_, said, _) = sidecar.output(&["check"]);
    assert!(said.contains("PHP knows no sources"), "{said}");
    let loses = |sidecar: &Sidecar| {
        let (_, said, _) = sidecar.output(&["check"]);
        let said: Vec<&str> = said.split_whitespace().collect();
        let lost = "WooCommerce sends no call again, so that those of orders are lost";
        said.join(" ").contains(lost)
    };
    sidecar.append_configuration(&format!(
        "[source.orders]\nwebhook_id = 5\npreset = \"woocommerce-order\"\nsecrets = [\"{SECRET}\"]\n"
    ));
    assert!(loses(&sidecar));
    let folder = tempfile::tempdir().unwrap();
    sidecar.append_configuration(&format!(
        "[refused]\nkeep_fields_hours = 24\nkey_file = '{}'\n",
        folder.path().join("key").display()
    ));
    assert!(!loses(&sidecar));
    sidecar.append_configuration("[source.none]\nwebhook_id = 99\nbody = \"json\"\n");
    let (_, said, _) = sidecar.output(&["check"]);
    assert!(
        said.contains("no webhook has the id that these name: none"),
        "{said}"
    );
}

/// As programs send that know no Unicode. The password is the one that the member types.
#[tokio::test]
async fn a_form_in_windows_1252_is_read_as_its_sender_means_it() {
    let site = Site::new("71").await;
    let source = r#"[source.form]
webhook_id = 3
body = "form"
trim_email = true
lower_case_email = true
idempotency = "nr"
[source.form.fields]
email = "mail"
first_name = "vorname"
user_password = "pw"
"#;
    let sidecar = start(&site, source).await;
    sidecar.client.record(&["grünes Haus 77".to_owned()]);
    let body = "mail=%E2%80%8BNora%40example.com%C2%A0&vorname=J%F6rg&pw=gr%FCnes+Haus+77&nr=%E4";
    let answer = post(&sidecar, FORM, None, body).await;
    let id = &assert_answer(&answer, 200, "success")["user_id"];
    let name = format!(
        "SELECT meta_value FROM wp_usermeta WHERE user_id = {id} AND meta_key = 'first_name'"
    );
    assert_eq!(site.text(&name).await.as_deref(), Some("Jörg"));
    let user = format!("SELECT user_email, user_pass FROM wp_users WHERE ID = {id}");
    let rows = site.rows(&user).await;
    assert_eq!(rows[0][0].as_deref(), Some(EMAIL));
    let hash = rows[0][1].as_deref().unwrap();
    assert!(passwords::accepts(hash, "grünes Haus 77", site.wordpress));
    // Another name of a call, not the same one.
    let other = body.replace("Nora", "Otto").replace("nr=%E4", "nr=%F6");
    assert_answer(&post(&sidecar, FORM, None, &other).await, 200, "success");
    // The sign for Kelvin is no letter of an address.
    let kelvin = other.replace("Otto", "%E2%84%AAurt").replace("%F6", "3");
    assert_answer(&post(&sidecar, FORM, None, &kelvin).await, 423, "error");
    assert_eq!(users(&site).await, 2);
}
