//! Every spelling of a call, through each web server.

use std::fs;

use super::{COURSE, FREE, Guarded, PROTECTIONS, SHOP};
use crate::harness::client::FORM;
use crate::harness::front::{Front, Server};
use crate::harness::http::{self, Response};

/// One way of writing a call.
struct Spelling {
    target: String,
    kind: &'static str,
    body: String,
    /// Whether the key is, byte by byte, the webhook's.
    is_exact: bool,
}

/// Ways of writing a call that FluentCommunity takes. The first is the documented one.
fn spellings(key: &str) -> Vec<Spelling> {
    const EMAIL: &str = "email=ann%40example.com";
    const ACTION: &str = "fcom_action=incoming_webhook";
    let form = |target: String, body: &str| Spelling {
        target,
        kind: FORM,
        body: format!("{EMAIL}&{body}").trim_end_matches('&').to_owned(),
        is_exact: true,
    };
    let inexact = |written: &str| Spelling {
        is_exact: false,
        ..form(format!("/?fcom_route=x&{ACTION}&{written}"), "")
    };
    let (first, rest) = key.split_at(1);
    let accented = match first {
        "a" => "%C3%A1",
        "b" => "%EF%BD%82",
        _ => "%C3%A7",
    };
    let part = |name: &str, value: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let (action, email) = (
        part("fcom_action", "incoming_webhook"),
        part("email", "ann@example.com"),
    );
    let multipart = Spelling {
        target: format!("/portal/?webhook={key}"),
        kind: "multipart/form-data; boundary=XX",
        body: format!("{action}{email}--XX--\r\n"),
        is_exact: true,
    };
    vec![
        form(format!("/portal/?{ACTION}&webhook={key}"), ""),
        form(format!("/?fcom_route=x&{ACTION}&webhook={key}"), ""),
        form(
            format!("/index.php?fcom_route=x&{ACTION}&webhook={key}"),
            "",
        ),
        form(format!("/portal/?webhook={key}"), ACTION),
        form(format!("/portal/?fcom_action=other&webhook={key}"), ACTION),
        form(
            format!("/?webhook={key}"),
            &format!("{ACTION}&fcom_route=x"),
        ),
        form(
            format!("/portal/?fcom_action=incoming%5Fwebhook&webhook={key}"),
            "",
        ),
        form(
            format!("/portal/?fcom_action=%20incoming_webhook%20&webhook={key}"),
            "",
        ),
        form(
            format!("/portal/?fcom_action=%3Cb%3Eincoming_webhook%3C/b%3E&webhook={key}"),
            "",
        ),
        form(
            format!("/portal/?fcom.action=incoming_webhook&webhook={key}"),
            "",
        ),
        form(
            format!("/?fcom_route=x&{ACTION}&webhook=0&webhook={key}"),
            "",
        ),
        form(format!("/?fcom_route=x&{ACTION}&web%68ook={key}"), ""),
        multipart,
        inexact(&format!("webhook={}", key.to_uppercase())),
        inexact(&format!("webhook={key}%20")),
        inexact(&format!("webhook={accented}{rest}")),
        inexact(&format!("webhook[]={key}")),
        inexact(&format!("webhook[a][b]={key}&webhook[c]={FREE}")),
    ]
}

async fn send(front: &Front, spelling: &Spelling) -> Response {
    let headers = [("Content-Type", spelling.kind)];
    let body = spelling.body.as_bytes();
    http::request(front.address, "POST", &spelling.target, &headers, body)
        .await
        .unwrap()
}

async fn judge(server: Server) {
    let guarded = Guarded::new().await;
    let mut sidecar = guarded.sidecar(PROTECTIONS).await;
    let front = Front::of_wordpress(guarded.root(), server, sidecar.client.public).await;
    for runs in [true, false] {
        for spelling in [SHOP, COURSE].into_iter().flat_map(spellings) {
            let response = send(&front, &spelling).await;
            let (status, text) = (response.status, response.text());
            let target = &spelling.target;
            // The sidecar refuses with 403, the guard with 503, or with 404 what it does not take for a key.
            let is_refused = status == 503 || runs && status == 403 || status == 404;
            assert!(is_refused, "{server:?} {target}: {status} {text}");
            if spelling.is_exact && status != 403 {
                assert_eq!(status, 503, "{server:?} {target}: {text}");
                assert_eq!(response.header("Retry-After"), Some("30"), "{target}");
                assert_eq!(response.json()["status"], "error", "{target}");
            }
            assert_eq!(guarded.executed(), [""; 0], "{server:?} {target}");
        }
        if runs {
            assert!(sidecar.terminate().unwrap().success());
        }
    }
    // Nothing is lost for the others: PHP executes what the web server gives it.
    let mut executed = 0;
    for spelling in spellings(FREE).iter().filter(|one| one.is_exact) {
        let response = send(&front, spelling).await;
        let what = format!("{server:?} {}: {}", spelling.target, response.text());
        assert_eq!(
            (response.status, &response.json()["by"]),
            (200, &"PHP".into()),
            "{what}"
        );
        executed += 1;
        assert_eq!(guarded.executed().len(), executed, "{what}");
    }
    // And each of them is a way to PHP indeed.
    fs::remove_file(guarded.plugin()).unwrap();
    for spelling in spellings(SHOP) {
        let response = send(&front, &spelling).await;
        let what = format!("{server:?} {}: {}", spelling.target, response.text());
        assert_eq!(response.status, 200, "{what}");
        executed += 1;
        assert_eq!(guarded.executed().len(), executed, "{what}");
    }
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_nginx() {
    judge(Server::Nginx).await;
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_apache() {
    judge(Server::Apache).await;
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_caddy() {
    judge(Server::Caddy).await;
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_haproxy() {
    judge(Server::HaProxy).await;
}
