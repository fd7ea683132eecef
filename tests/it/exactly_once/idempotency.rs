//! `Idempotency-Key`: a repeated call gets the first answer again, and runs once.

use futures_util::future::join_all;

use crate::harness::client::FORM;
use crate::harness::http::Response;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site, target};

async fn call(sidecar: &Sidecar, hook: &str, key: &str, body: &str) -> Response {
    let headers = [("Content-Type", FORM), ("Idempotency-Key", key)];
    let target = target(hook);
    let client = &sidecar.client;
    client
        .request("POST", &target, &headers, body.as_bytes())
        .await
}

async fn runs(site: &Site) -> u64 {
    site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
        .await
}

#[tokio::test]
async fn a_repeated_call_gets_the_first_answer_and_changes_nothing() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    let body = "email=ann%40example.com&first_name=Ann&user_password=first-password";
    let first = call(&sidecar, PLAIN_HOOK, "order 7", body).await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (200, None)
    );
    // Even if the user has joined or been deleted meanwhile, the answer is the first call's.
    site.execute(
        "DELETE FROM wp_users WHERE user_email = 'ann@example.com'; \
        UPDATE wp_fcom_sidecar_runs SET created_at = created_at - INTERVAL 1 HOUR",
    )
    .await;
    sidecar.terminate();
    sidecar.restart().await;
    let again = call(&sidecar, PLAIN_HOOK, "order 7", body).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.json()["user_id"], first.json()["user_id"]);
    let stamp = |response: &Response| response.json()["execution_timestamp"].as_u64().unwrap();
    assert_eq!(stamp(&again) + 3600, stamp(&first));
    assert_eq!(runs(&site).await, 1);

    // The same key at another webhook, or no key, means another call.
    let elsewhere = call(&sidecar, MEMBERS_HOOK, "order 7", body).await;
    assert_eq!(elsewhere.header("idempotent-replayed"), None);
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    assert_eq!(runs(&site).await, 3);
}

/// A caller gets a webhook's new key between two attempts.
#[tokio::test]
async fn a_call_is_the_same_call_under_a_webhooks_new_key() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let body = "email=ann%40example.com";
    let first = call(&sidecar, PLAIN_HOOK, "order 7", body).await;
    let elsewhere = call(&sidecar, MEMBERS_HOOK, "order 7", body).await;
    assert_eq!((first.status, elsewhere.status), (200, 200));
    let (succeeded, told, errors) = sidecar.output(&["webhook", "rotate", "3"]);
    assert!(succeeded, "{errors}");
    let (_, key) = told.trim().rsplit_once("webhook=").unwrap();
    sidecar.client.record(&[key.to_owned()]);
    for key in [key, PLAIN_HOOK] {
        let again = call(&sidecar, key, "order 7", body).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.text(), first.text());
        let other = call(&sidecar, key, "order 7", "email=bob%40example.com").await;
        assert_eq!(other.status, 422, "{}", other.text());
    }
    assert_eq!(runs(&site).await, 2);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn one_key_for_two_forms_is_refused() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let first = call(&sidecar, PLAIN_HOOK, "k", "email=ann%40example.com").await;
    assert_eq!(first.status, 200);
    for body in [
        "email=bob%40example.com",
        "email=ann%40example.com&first_name=Ann",
        "email=",
    ] {
        let refused = call(&sidecar, PLAIN_HOOK, "k", body).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert!(refused.text().contains("Idempotency-Key"));
    }
    for key in ["", "  ", &"k".repeat(256), "caf\u{e9}"] {
        let refused = call(&sidecar, PLAIN_HOOK, key, "email=eve%40example.com").await;
        assert_eq!(refused.status, 400, "{key:?}: {}", refused.text());
    }
    // A refused call does not use up its key: the corrected call may use it.
    let bad = call(&sidecar, PLAIN_HOOK, "n", "email=nonsense").await;
    assert_eq!(bad.status, 423);
    let mended = call(&sidecar, PLAIN_HOOK, "n", "email=new%40example.com").await;
    assert_eq!(mended.status, 200, "{}", mended.text());
    assert_eq!(runs(&site).await, 2);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn equal_calls_at_once_run_once() {
    let site = Site::new("71").await;
    let (one, two) = (Sidecar::start(&site).await, Sidecar::start(&site).await);
    for email in ["new%40example.com", "existing%40example.com"] {
        let body = format!("email={email}");
        let calls = (0..24).map(|n| call([&one, &two][n % 2], MEMBERS_HOOK, email, &body));
        let answers = join_all(calls).await;
        let texts: Vec<String> = answers.iter().map(Response::text).collect();
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "{texts:?}"
        );
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        let replayed = answers
            .iter()
            .filter(|answer| answer.header("idempotent-replayed").is_some());
        assert_eq!(replayed.count(), 23);
    }
    assert_eq!(runs(&site).await, 2);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn an_old_key_may_be_used_again_and_no_key_is_stored() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    let body = "email=ann%40example.com";
    call(&sidecar, PLAIN_HOOK, "secret-order-number", body).await;
    let stored = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs \
        WHERE CONCAT(idempotency_key, fields_hash, changes) LIKE '%secret%'";
    assert_eq!(site.number(stored).await, 0);
    site.execute("UPDATE wp_fcom_sidecar_runs SET created_at = created_at - INTERVAL 25 HOUR")
        .await;
    // The daemon prunes old keys when it starts.
    sidecar.terminate();
    sidecar.restart().await;
    let kept = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE idempotency_key IS NOT NULL";
    site.goes(kept).await;
    let other = call(
        &sidecar,
        PLAIN_HOOK,
        "secret-order-number",
        "email=bob%40example.com",
    )
    .await;
    assert_eq!(other.status, 200, "{}", other.text());
    assert_eq!(runs(&site).await, 2);
}
