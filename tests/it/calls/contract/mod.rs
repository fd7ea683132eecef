//! The daemon's HTTP interface, row by row: statuses, exact bodies, headers, and what counts as a call.

mod bodies;
mod questions;

use crate::harness::client::FORM;
use crate::harness::http::Response;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, target};

const NOT_FOUND: &str = r#"{"status":"error","message":"Webhook not found"}"#;
const NO_EMAIL: &str = r#"{"status":"error","message":"Email is required"}"#;
const UNREADABLE: &str = r#"{"status":"error","message":"Webhook is not readable"}"#;

async fn start() -> (Site, Sidecar) {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    (site, sidecar)
}

/// Asserts the form common to all answers: JSON as PHP encodes it, not cacheable.
#[track_caller]
fn assert_form(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    let content_type = response.header("content-type");
    assert_eq!(content_type, Some("application/json; charset=UTF-8"));
    let cache_control = response.header("cache-control").unwrap_or_default();
    assert!(cache_control.contains("no-cache"), "{cache_control}");
    assert!(cache_control.contains("max-age=0"), "{cache_control}");
    let text = response.text();
    assert!(text.is_ascii(), "PHP escapes other characters: {text}");
    assert!(
        !text.replace("\\/", "").contains('/'),
        "PHP escapes slashes: {text}"
    );
}

/// Asserts an error with this status; the wording of its message may vary.
#[track_caller]
fn assert_error(response: &Response, status: u16) {
    assert_form(response, status);
    let json = response.json();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["status", "message"]);
    assert_eq!(json["status"], "error");
    assert!(
        json["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
}

/// Asserts an exact error.
#[track_caller]
fn assert_exactly(response: &Response, status: u16, body: &str) {
    assert_form(response, status);
    assert_eq!(response.text(), body);
}

/// Asserts a success and returns the user's id.
#[track_caller]
fn assert_executed(response: &Response) -> u64 {
    assert_form(response, 200);
    let json = response.json();
    let (time, id) = (&json["execution_timestamp"], &json["user_id"]);
    assert!(time.is_u64() && id.is_u64(), "{json}");
    let body = format!(
        r#"{{"status":"success","message":"webhook has been successfully executied","execution_timestamp":{time},"user_id":{id}}}"#
    );
    assert_eq!(response.text(), body);
    id.as_u64().unwrap()
}

/// Asserts that no call has written anything.
async fn assert_untouched(site: &Site) {
    let users = site.number("SELECT MAX(ID) FROM wp_users").await;
    let runs = site
        .number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
        .await;
    assert_eq!((users, runs), (site.last_user, 0));
}

#[tokio::test]
async fn an_executed_call_is_answered_as_php_answers_it() {
    let (site, sidecar) = start().await;
    let since = site.now().await;
    let response = sidecar
        .client
        .call(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    assert_eq!(assert_executed(&response), site.last_user + 1);
    let time = response.json()["execution_timestamp"].as_u64().unwrap();
    assert!((since..=site.now().await).contains(&time));
    let known = [("email", "existing@example.com")];
    let response = sidecar.client.call(PLAIN_HOOK, &known).await;
    assert_eq!(assert_executed(&response), 2);
}

#[tokio::test]
async fn the_action_in_the_body_wins_and_the_key_counts_in_the_query_only() {
    let (site, sidecar) = start().await;
    let client = &sidecar.client;
    let call = target(PLAIN_HOOK);
    let email = "email=existing%40example.com";
    let other = call.replace("incoming_webhook", "other");
    let none = format!("/portal/?webhook={PLAIN_HOOK}");
    let keyless = "/portal/?fcom_action=incoming_webhook";
    for (target, fields) in [
        (call.as_str(), "&fcom_action=other".to_owned()),
        (&other, String::new()),
        (&none, String::new()),
    ] {
        let response = client
            .post(target, FORM, format!("{email}{fields}").as_bytes())
            .await;
        assert_error(&response, 404);
    }
    for target in [
        keyless.to_owned(),
        format!("{keyless}&webhook="),
        format!("{keyless}&webhook=0"),
        format!("{keyless}&webhook=unknown"),
    ] {
        let body = format!("{email}&webhook={PLAIN_HOOK}");
        let response = client.post(&target, FORM, body.as_bytes()).await;
        assert_exactly(&response, 404, NOT_FOUND);
    }
    assert_untouched(&site).await;
    for target in [&other, &none] {
        let body = format!("{email}&fcom_action=incoming_webhook");
        assert_executed(&client.post(target, FORM, body.as_bytes()).await);
    }
}

#[tokio::test]
async fn keys_are_compared_byte_for_byte_although_the_collation_is_lenient() {
    let (site, sidecar) = start().await;
    let key = "AbCdEfAbCdEfAbCdEfAbCdEfAbCdEf00";
    sidecar.client.record(&[key.to_owned()]);
    site.execute(&format!(
        "UPDATE wp_fcom_meta SET meta_key = '{key}' WHERE id = 3"
    ))
    .await;
    let lower = key.to_lowercase();
    let lenient = format!("SELECT COUNT(*) FROM wp_fcom_meta WHERE meta_key IN ('{lower} ')");
    assert_eq!(site.number(&lenient).await, 1);
    let fields = [("email", "existing@example.com")];
    for wrong in [
        lower,
        format!("{key}%20"),
        format!("%20{key}"),
        format!("{key}+"),
        format!("{key}%00"),
    ] {
        let response = sidecar.client.call(&wrong, &fields).await;
        assert_exactly(&response, 404, NOT_FOUND);
    }
    assert_untouched(&site).await;
    assert_executed(&sidecar.client.call(key, &fields).await);
}

#[tokio::test]
async fn a_missing_or_bad_address_is_refused_after_an_unknown_key() {
    let (site, sidecar) = start().await;
    let client = &sidecar.client;
    for body in [
        "",
        "first_name=x",
        "email=",
        "email=0",
        "email=nonsense",
        "email=%20ann%40example.com",
    ] {
        let response = client
            .post(&target(PLAIN_HOOK), FORM, body.as_bytes())
            .await;
        assert_exactly(&response, 423, NO_EMAIL);
        let response = client.post(&target("unknown"), FORM, body.as_bytes()).await;
        assert_exactly(&response, 404, NOT_FOUND);
    }
    assert_untouched(&site).await;
}

#[tokio::test]
async fn other_methods_are_refused_and_told_what_is_allowed() {
    let (site, sidecar) = start().await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let headers = [("Content-Type", FORM)];
        let body = b"email=ann%40example.com";
        let response = sidecar
            .client
            .request(method, &target(PLAIN_HOOK), &headers, body)
            .await;
        assert_error(&response, 405);
        assert_eq!(response.header("allow"), Some("POST"), "{method}");
    }
    assert_untouched(&site).await;
}

#[tokio::test]
async fn a_corrupt_record_is_refused_and_left_as_it_is() {
    let (site, sidecar) = start().await;
    for record in [
        "",
        "plain text",
        "b:0;",
        "i:5;",
        r#"a:1:{s:5:"title";s:4:"Ho"#,
        r#"O:8:"stdClass":0:{}"#,
    ] {
        site.execute(&format!(
            "UPDATE wp_fcom_meta SET value = '{record}' WHERE id = 3"
        ))
        .await;
        let stored = "SELECT CONCAT_WS('|', value, updated_at) FROM wp_fcom_meta WHERE id = 3";
        let before = site.text(stored).await;
        let response = sidecar
            .client
            .call(PLAIN_HOOK, &[("email", "ann@example.com")])
            .await;
        assert_exactly(&response, 423, UNREADABLE);
        assert_eq!(site.text(stored).await, before, "{record}");
    }
    assert_untouched(&site).await;
}

#[tokio::test]
async fn health_is_told_to_administrators_only() {
    let (_site, sidecar) = start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let response = sidecar.client.request("GET", path, &[], b"").await;
        assert!(
            [404, 405].contains(&response.status),
            "{path}: {}",
            response.status
        );
    }
    assert_eq!(sidecar.client.admin_status("/healthz").await, 200);
    assert_eq!(sidecar.client.admin_status("/readyz").await, 200);
    assert_eq!(sidecar.client.admin_status("/nonsense").await, 404);
}
