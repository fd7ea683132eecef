//! "Did Ann get in?": from an address, a request id or a minute to what became of the call.

use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;
use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::client::FORM;
use crate::harness::eventually::eventually;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site, server_options, target};

const EXECUTED: i32 = 0;
const REFUSED: i32 = 3;
const NOT_FOUND: i32 = 4;

/// The exit status and the answer.
fn find(sidecar: &Sidecar, sought: &str) -> (i32, String) {
    let (code, said, complained) = sidecar.outcome(&["find", sought]);
    assert_eq!(complained, "", "{said}");
    (code, said)
}

fn find_json(sidecar: &Sidecar, sought: &str) -> Value {
    let (_, said, _) = sidecar.outcome(&["find", "--json", sought]);
    serde_json::from_str(&said).unwrap()
}

/// Waits until a refusal has been written.
async fn refused_count(site: &Site, count: u64) {
    eventually(async || {
        let sql = "SELECT COUNT(*) FROM wp_fcom_sidecar_refused";
        let found = site.number(sql).await;
        (found == count).then_some(()).ok_or(found)
    })
    .await;
}

#[tokio::test]
async fn a_call_is_found_by_address_request_and_minute() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let fields = [("email", "Ann.Example@example.com"), ("first_name", "Ann")];
    let response = sidecar.client.call(MEMBERS_HOOK, &fields).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let request = response.header("x-request-id").unwrap().to_owned();
    let minute = site
        .text("SELECT DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i') FROM wp_fcom_sidecar_runs")
        .await;
    let minute = minute.unwrap();
    for sought in ["ann.example@EXAMPLE.com", &request, &minute, "13"] {
        let (code, said) = find(&sidecar, sought);
        assert_eq!(code, EXECUTED, "{sought}: {said}");
        assert!(said.contains("created user 13 "), "{sought}: {said}");
        assert!(said.contains(&request), "{sought}: {said}");
        let json = find_json(&sidecar, sought);
        assert_eq!(json["verdict"], "executed", "{json}");
        assert_eq!(json["runs"][0]["user_id"], 13, "{json}");
    }
    let (_, said) = find(&sidecar, "ann.example@example.com");
    assert!(said.contains("mail:      not sent yet"), "{said}");
    assert_eq!(find_json(&sidecar, &minute)["more"], false);

    for command in [&["find", &minute][..], &["runs", "list", "--json"]] {
        assert_eq!(sidecar.outcome_on_full_disk(command), 1, "{command:?}");
    }

    // An order's number is nobody's id.
    let (code, said) = find(&sidecar, "999999");
    assert_eq!(code, NOT_FOUND, "{said}");
    assert!(!said.contains("exists"), "{said}");
    assert!(find_json(&sidecar, "999999")["user_id"].is_null());

    // Whose login is an address that is another's by now.
    site.execute(
        "UPDATE wp_users SET user_login = 'ann.example@example.com', user_email = 'new@example.com' WHERE ID = 13",
    )
    .await;
    let (code, said) = find(&sidecar, "ann.example@example.com");
    assert_eq!((code, said.contains("created user 13 ")), (EXECUTED, true));
    let other = sidecar.client.execute(MEMBERS_HOOK, &fields).await;
    let found = find_json(&sidecar, "ann.example@example.com");
    assert_eq!(found["user_id"], other, "{found}");
    assert_eq!(found["runs"].as_array().unwrap().len(), 1, "{found}");

    // Two whom PHP made at once.
    let twins = "UPDATE wp_users SET user_email = 'ann.example@example.com'";
    site.execute(&format!("{twins} WHERE ID = 13")).await;
    let found = find_json(&sidecar, "ann.example@example.com");
    assert_eq!(found["user_id"], 13, "{found}");
    assert_eq!(found["runs"].as_array().unwrap().len(), 2, "{found}");

    // A member who has gone on.
    site.execute("UPDATE wp_users SET user_email = CONCAT(ID, '@example.com'), user_login = ID")
        .await;
    let (code, said) = find(&sidecar, "ann.example@example.com");
    assert_eq!(code, NOT_FOUND, "{said}");
    assert!(said.contains("has another address by now"), "{said}");

    // More than anyone reads.
    let many = format!(
        "INSERT INTO wp_fcom_sidecar_refused (created_at, webhook_id, outcome, status) \
         VALUES {}",
        vec!["('2026-11-26 14:48:05', 3, 'invalid_email', 423)"; 101].join(", ")
    );
    site.execute(&many).await;
    let found = find_json(&sidecar, "2026-11-26T14:48");
    let shown = found["refused"].as_array().unwrap().len();
    assert_eq!((shown, &found["more"]), (100, &Value::Bool(true)));
    let (_, said) = find(&sidecar, "2026-11-26T14:48");
    assert!(said.contains("only the newest 100"), "{said}");
}

#[tokio::test]
async fn a_refused_call_is_found_with_its_reason_and_no_field_is_kept() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    // Its record is corrupt, so the call is refused although its address is valid.
    let broken =
        format!("UPDATE wp_fcom_meta SET value = 'a:6:{{s:5' WHERE meta_key = '{PLAIN_HOOK}'");
    site.execute(&broken).await;
    let fields = [("email", "ann@example.com"), ("first_name", "Annabella")];
    let response = sidecar.client.call(PLAIN_HOOK, &fields).await;
    assert_eq!(response.status, 423);
    let request = response.header("x-request-id").unwrap().to_owned();
    refused_count(&site, 1).await;
    for sought in ["ANN@example.com", &request] {
        let (code, said) = find(&sidecar, sought);
        assert_eq!(code, REFUSED, "{sought}: {said}");
        assert!(said.contains("423 unreadable_webhook"), "{said}");
        assert!(said.contains("the webhook's record is corrupt"), "{said}");
        let json = find_json(&sidecar, sought);
        assert_eq!(json["verdict"], "refused", "{json}");
        assert_eq!(json["refused"][0]["request_id"], request, "{json}");
    }
    let (code, said) = find(&sidecar, "bob@example.com");
    assert_eq!(code, NOT_FOUND, "{said}");
    assert!(
        said.starts_with("No such call reached this sidecar"),
        "{said}"
    );

    // A form that was not read, and one without an address.
    let wrong_type = sidecar
        .client
        .post(&target(MEMBERS_HOOK), "text/plain", b"x")
        .await;
    assert_eq!(wrong_type.status, 415);
    let no_address = sidecar
        .client
        .call(MEMBERS_HOOK, &[("first_name", "Annabella")])
        .await;
    assert_eq!(no_address.status, 423);
    refused_count(&site, 3).await;
    for (response, word) in [
        (wrong_type, "invalid_request"),
        (no_address, "invalid_email"),
    ] {
        let request = response.header("x-request-id").unwrap();
        let (code, said) = find(&sidecar, request);
        assert_eq!(code, REFUSED, "{said}");
        assert!(said.contains(word), "{said}");
    }
    let columns =
        "id, created_at, webhook_id, outcome, status, calls, HEX(address_hash), request_id";
    let all = format!("SELECT {columns} FROM wp_fcom_sidecar_refused");
    let stored = site.rows(&all).await;
    let stored = format!("{stored:?}").to_lowercase();
    for kept in ["annabella", "ann@", "example.com", "11111111", "22222222"] {
        assert!(!stored.contains(kept), "{kept}: {stored}");
    }
}

#[tokio::test]
async fn strangers_leave_no_rows() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for n in 0..20 {
        let target = target(&format!("{n:032}"));
        // Refused before the key is looked up, and because of it.
        let response = sidecar.client.post(&target, "text/plain", b"x").await;
        assert_eq!(response.status, 415);
        let body = b"email=ann%40example.com";
        let response = sidecar.client.post(&target, FORM, body).await;
        assert_eq!(response.status, 404);
    }
    // Written after everything before it.
    let target = target(PLAIN_HOOK);
    let response = sidecar.client.post(&target, "text/plain", b"x").await;
    assert_eq!(response.status, 415);
    site.comes("SELECT COUNT(*) FROM wp_fcom_sidecar_refused")
        .await;
    let rows = "SELECT outcome, status, webhook_id FROM wp_fcom_sidecar_refused";
    let some = |text: &str| Some(text.to_owned());
    let expected = [[some("invalid_request"), some("415"), some("3")]];
    assert_eq!(site.rows(rows).await, expected);
    let (code, said) = find(&sidecar, "ann@example.com");
    assert_eq!(code, NOT_FOUND, "{said}");
}

/// What is refused while the database is away is written when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_database_is_found_afterwards() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let sidecar = Sidecar::start(&site).await;
    server.kill();
    let fields = [("email", "ann@example.com")];
    sidecar.client.readiness_becomes(503).await;
    let response = sidecar.client.call(PLAIN_HOOK, &fields).await;
    assert_eq!(response.status, 503);
    server.restart().await.unwrap();
    sidecar.client.readiness_becomes(200).await;
    site.comes("SELECT COUNT(*) FROM wp_fcom_sidecar_refused")
        .await;
    let (code, said) = find(&sidecar, "ann@example.com");
    assert_eq!(code, REFUSED, "{said}");
    assert!(said.contains("503 database_unavailable"), "{said}");
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let (code, said) = find(&sidecar, "ann@example.com");
    assert_eq!(code, EXECUTED, "{said}");
    assert!(said.contains("refused:"), "{said}");
}

#[tokio::test]
async fn old_refusals_are_forgotten_and_none_is_kept_if_none_is_wanted() {
    let site = Site::new("71").await;
    let mut sidecar =
        Sidecar::unstarted(&site, &[("FCOM_SIDECAR__REFUSED__RETENTION_DAYS", "0")]).await;
    assert!(sidecar.run(&["migrate"]).success());
    site.execute(
        "INSERT INTO wp_fcom_sidecar_refused (created_at, webhook_id, outcome, status) \
         VALUES (UTC_TIMESTAMP() - INTERVAL 1 MINUTE, 3, 'busy', 503)",
    )
    .await;
    sidecar.spawn();
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    site.goes("SELECT COUNT(*) FROM wp_fcom_sidecar_refused")
        .await;
    let response = sidecar
        .client
        .call(PLAIN_HOOK, &[("first_name", "Ann")])
        .await;
    assert_eq!(response.status, 423);
    assert!(sidecar.terminate().is_some_and(|status| status.success()));
    let left = "SELECT COUNT(*) FROM wp_fcom_sidecar_refused";
    assert_eq!(site.number(left).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_with_a_valid_key_is_bounded_and_what_is_left_out_is_said() {
    let site = Site::new("71").await;
    let environment = [("FCOM_SIDECAR__LIMITS__CALLS_PER_SECOND_PER_WEBHOOK", "1")];
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    let mut refused = 0;
    for _ in 0..15 {
        let calls = (0..100).map(|_| {
            let body = b"email=ann%40example.com";
            async {
                sidecar
                    .client
                    .post(&target(PLAIN_HOOK), FORM, body)
                    .await
                    .status
            }
        });
        let statuses = join_all(calls).await;
        refused += statuses.iter().filter(|status| **status == 429).count() as u64;
    }
    assert!(refused > 1400, "{refused}");
    assert!(sidecar.terminate().is_some_and(|status| status.success()));
    let kept = "SELECT COUNT(*) FROM wp_fcom_sidecar_refused WHERE calls = 1";
    let kept = site.number(kept).await;
    assert!(kept < 700, "{kept}");
    let all = "SELECT CAST(SUM(calls) AS CHAR) FROM wp_fcom_sidecar_refused";
    assert_eq!(site.number(all).await, refused);
    let minute =
        "SELECT DATE_FORMAT(MAX(created_at), '%Y-%m-%d %H:%i') FROM wp_fcom_sidecar_refused";
    let minute = site.text(minute).await.unwrap();
    let (_, said) = find(&sidecar, &minute);
    assert!(said.contains("not kept:"), "{said}");
}
