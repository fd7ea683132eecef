//! The run log, on the command line and on the admin listener; and request ids.

use serde_json::Value;

use crate::harness::client::{Client, FORM};
use crate::harness::http;
use crate::harness::management::{self, TOKEN};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{LEAVING_HOOK, MEMBERS_HOOK, PLAIN_HOOK, Site, target};

async fn get(client: &Client, path: &str) -> (u16, Value) {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("Authorization", authorization.as_str())];
    let response = http::request(client.admin, "GET", path, &headers, b"")
        .await
        .unwrap();
    (response.status, response.json())
}

async fn ids(client: &Client, path: &str) -> Vec<u64> {
    let (status, page) = get(client, path).await;
    assert_eq!(status, 200, "{path}: {page}");
    let runs = page["runs"].as_array().unwrap();
    runs.iter().map(|run| run["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_run_tells_who_what_and_from_where() {
    let site = Site::new("71").await;
    let sidecar = management::start(&site).await;
    let client = &sidecar.client;
    let rename = ["webhook", "update", "4", "--title", "Team"];
    assert!(sidecar.run(&rename).success());
    let headers = [
        ("Content-Type", FORM),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Request-Id", "from-the-proxy-1"),
    ];
    let body = b"email=ann%40example.com&user_login=ann";
    let called = client
        .request("POST", &target(MEMBERS_HOOK), &headers, body)
        .await;
    assert_eq!(called.header("x-request-id"), Some("from-the-proxy-1"));
    let user = called.json()["user_id"].as_u64().unwrap();

    let (status, run) = get(client, "/runs/1").await;
    assert_eq!(status, 200);
    assert_eq!(run["user_id"], user);
    assert_eq!(run["user_login"], "ann");
    assert_eq!(run["outcome"], "created");
    assert_eq!(run["client_address"], "203.0.113.7");
    assert_eq!(run["request_id"], "from-the-proxy-1");
    assert_eq!(run["changes"]["welcome_mail"], true);
    assert!(!run["changes"]["joined"].as_array().unwrap().is_empty());
    let title = run["webhook_title"].as_str().unwrap().to_owned();
    assert!(!title.is_empty());
    let text = run.to_string();
    assert!(
        !text.contains(MEMBERS_HOOK) && !text.contains("@example.com"),
        "{text}"
    );

    assert!(sidecar.run(&["runs", "show", "1"]).success());
    assert!(
        sidecar
            .run(&["runs", "list", "--user", "ann", "--webhook", &title])
            .success()
    );
    let log = sidecar.log();
    for shown in ["203.0.113.7", &title, "profile made", "mail promised"] {
        assert!(log.contains(shown), "{shown} is not in {log}");
    }
    assert!(!sidecar.run(&["runs", "show", "99"]).success());
    assert!(!sidecar.run(&["runs", "list", "--user", "nobody"]).success());
}

#[tokio::test]
async fn runs_are_found_by_user_and_webhook_page_by_page() {
    let site = Site::new("71").await;
    let sidecar = management::start(&site).await;
    let client = &sidecar.client;
    let ann = [("email", "ann@example.com"), ("user_login", "ann")];
    let bob = [("email", "bob@example.com")];
    let id = client.execute(PLAIN_HOOK, &ann).await;
    client.execute(PLAIN_HOOK, &bob).await;
    client.execute(LEAVING_HOOK, &ann).await;
    client.execute(PLAIN_HOOK, &ann).await;

    assert_eq!(ids(client, "/runs").await, [4, 3, 2, 1]);
    for user in [id.to_string(), "ann".into(), "ann%40example.com".into()] {
        assert_eq!(ids(client, &format!("/runs?user={user}")).await, [4, 3, 1]);
    }
    let plain = site
        .number(&format!(
            "SELECT id FROM wp_fcom_meta WHERE meta_key = '{PLAIN_HOOK}'"
        ))
        .await;
    assert_eq!(
        ids(client, &format!("/runs?webhook={plain}")).await,
        [4, 2, 1]
    );
    let both = format!("/runs?webhook={plain}&user={id}");
    assert_eq!(ids(client, &both).await, [4, 1]);

    let (_, first) = get(client, "/runs?limit=3").await;
    assert_eq!(first["next_before"], 2);
    let (_, second) = get(client, "/runs?limit=3&before=2").await;
    assert_eq!(second["runs"].as_array().unwrap().len(), 1);
    assert_eq!(second["next_before"], Value::Null);

    for (path, expected) in [
        ("/runs?user=nobody", 404),
        ("/runs?webhook=nothing", 404),
        ("/runs?before=x", 400),
        ("/runs?unknown=1", 400),
        ("/runs/99", 404),
        ("/runs/x", 404),
    ] {
        assert_eq!(get(client, path).await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn addresses_are_not_recorded_if_the_operator_says_so() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__RUNS__CLIENT_ADDRESSES", "false"),
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let fields = [("email", "ann@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let (_, run) = get(&sidecar.client, "/runs/1").await;
    assert_eq!(run["client_address"], Value::Null);
    assert_eq!(run["request_id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn every_line_about_a_request_has_its_name_and_strangers_choose_none() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__LOG__FORMAT", "json"),
        ("FCOM_SIDECAR__SERVER__TRUSTED_PROXIES", "192.0.2.1"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let headers = [("Content-Type", FORM), ("X-Request-Id", "chosen")];
    let body = b"email=ann%40example.com";
    let called = sidecar
        .client
        .request("POST", &target(PLAIN_HOOK), &headers, body)
        .await;
    let id = called.header("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 32, "{id}");
    let refused = sidecar.client.request("GET", "/", &[], b"").await;
    let other = refused.header("x-request-id").unwrap().to_owned();
    let log = sidecar.log();
    assert!(!log.contains("chosen"), "{log}");
    let line = |id: &str, words: &str| {
        log.lines()
            .any(|line| line.contains(&format!(r#""request.id":"{id}""#)) && line.contains(words))
    };
    assert!(line(&id, "created user"), "{log}");
    assert!(line(&other, "request refused with 405"), "{log}");
    assert_ne!(id, other);
}
