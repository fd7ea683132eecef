//! The log names the clients that guess, for those who ban them.

use crate::harness::client::FORM;
use crate::harness::http;
use crate::harness::management::{PATH, TOKEN};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, target};

const DOCUMENT: &str = include_str!("../../../docs/security.md");
const GUESS: &str = "99999999999999999999999999999999";
const STRANGER: &str = "203.0.113.7";

/// The documented patterns. Each is plain text around the address, so that it can be searched for without their engine.
fn patterns() -> Vec<(&'static str, &'static str)> {
    let filter = DOCUMENT.split("failregex = ").nth(1).unwrap();
    let lines = filter.lines().take_while(|line| line.contains("<HOST>"));
    let patterns: Vec<_> = lines
        .map(|line| line.trim().split_once("<HOST>").unwrap())
        .collect();
    let is_plain = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || " :".contains(c))
    };
    assert!(
        patterns
            .iter()
            .all(|(before, after)| is_plain(before) && is_plain(after))
    );
    patterns
}

async fn start(site: &Site, format: &str, addresses: &str) -> Sidecar {
    let environment = [
        ("FCOM_SIDECAR__LOG__FORMAT", format),
        ("FCOM_SIDECAR__RUNS__CLIENT_ADDRESSES", addresses),
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
    ];
    Sidecar::start_with(site, &environment).await
}

async fn call(sidecar: &Sidecar, key: &str) -> u16 {
    call_with(sidecar, key, 0).await
}

async fn call_with(sidecar: &Sidecar, key: &str, filler: usize) -> u16 {
    let headers = [("Content-Type", FORM), ("X-Forwarded-For", STRANGER)];
    let body = format!("email=ann%40example.com&filler={}", "x".repeat(filler));
    let target = target(key);
    let client = &sidecar.client;
    let called = client.request("POST", &target, &headers, body.as_bytes());
    called.await.status
}

#[tokio::test]
async fn the_documented_filter_finds_who_guesses_and_nobody_else() {
    let site = Site::new("71").await;
    for format in ["human", "json"] {
        let sidecar = start(&site, format, "true").await;
        assert_eq!(call(&sidecar, PLAIN_HOOK).await, 200);
        assert!(!sidecar.log().contains(STRANGER));
        assert_eq!(call(&sidecar, GUESS).await, 404);
        assert_eq!(call_with(&sidecar, GUESS, 50_000).await, 404);
        let wrong = [("Authorization", "Bearer guess")];
        let managed = http::request(sidecar.client.admin, "GET", PATH, &wrong, b"").await;
        assert_eq!(managed.unwrap().status, 401);
        let log = sidecar.log();
        let found: Vec<_> = patterns()
            .into_iter()
            .flat_map(|(before, after)| {
                let rest = log.split(before).skip(1);
                rest.filter_map(move |rest| rest.split_once(after))
            })
            .map(|(address, _)| address)
            .collect();
        assert_eq!(found, [STRANGER, STRANGER, "127.0.0.1"], "{log}");
    }
}

#[tokio::test]
async fn a_callers_address_is_not_logged_if_the_operator_says_so() {
    let site = Site::new("71").await;
    let sidecar = start(&site, "human", "false").await;
    assert_eq!(call(&sidecar, GUESS).await, 404);
    let log = sidecar.log();
    assert!(
        log.contains("call refused: no webhook has this key"),
        "{log}"
    );
    assert!(!log.contains(STRANGER), "{log}");
}
