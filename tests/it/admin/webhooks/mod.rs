//! Managing webhooks through the admin listener and the command line.

mod command_line;
mod edits;
mod keys;
mod records;

use serde_json::Value;

use crate::harness::http::{self, Response};
use crate::harness::management::{PATH, TOKEN};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

/// A request with the token. Keys in the answer must not reach the log.
async fn manage(sidecar: &Sidecar, method: &str, path: &str, body: &Value) -> Response {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (target, admin) = (format!("{PATH}{path}"), sidecar.client.admin);
    let response = http::request(admin, method, &target, &headers, body.as_bytes()).await;
    let response = response.unwrap();
    let key = response.json()["webhook"]["meta_key"]
        .as_str()
        .map(str::to_owned);
    sidecar.client.record(key.as_slice());
    response
}

async fn save(sidecar: &Sidecar, body: &Value) -> Value {
    let response = manage(sidecar, "POST", "", body).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let mut saved = response.json();
    assert_eq!(saved["message"], "Webhook has been saved successfully");
    saved["webhook"].take()
}

/// Runs a subcommand that must succeed, and returns its output.
fn command(sidecar: &Sidecar, arguments: &[&str]) -> String {
    let (succeeded, output, errors) = sidecar.output(arguments);
    assert!(succeeded, "{arguments:?}: {errors}");
    output
}

fn key_in(url: &str) -> String {
    let (_, key) = url.trim().rsplit_once("webhook=").unwrap();
    key.to_owned()
}

/// The status of a call for an existing member.
async fn call(sidecar: &Sidecar, key: &str) -> u16 {
    let fields = [("email", "ann@example.com")];
    sidecar.client.call(key, &fields).await.status
}

async fn record(site: &Site, id: u64) -> String {
    let sql = format!("SELECT value FROM wp_fcom_meta WHERE id = {id}");
    site.text(&sql).await.unwrap()
}

async fn id_of(site: &Site, key: &str) -> u64 {
    let sql = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{key}'");
    site.number(&sql).await
}
