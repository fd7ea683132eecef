//! Who asks about a webhook's address without calling it: HEAD, GET and OPTIONS.

use super::{FORM, assert_error, assert_exactly, assert_untouched, start};
use crate::harness::http::Response;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, target};

const GET: &str = r#"{"status":"error","message":"This is a webhook's address. Nothing was executed: send a POST request with form data"}"#;

async fn ask(sidecar: &Sidecar, method: &str, target: &str) -> Response {
    sidecar.client.request(method, target, &[], b"").await
}

#[tokio::test]
async fn an_address_can_be_tested_before_it_is_saved() {
    let (site, sidecar) = start().await;
    let call = target(PLAIN_HOOK);
    let in_an_array = call.replace("webhook=", "webhook[]=");
    let with_fields = format!("{call}&email=ann%40example.com");
    for right in [&call, &in_an_array, &with_fields] {
        let head = ask(&sidecar, "HEAD", right).await;
        assert_eq!((head.status, head.text().as_str()), (200, ""), "{right}");
        let cache_control = head.header("cache-control").unwrap_or_default();
        assert!(cache_control.contains("no-cache"), "{cache_control}");
        let get = ask(&sidecar, "GET", right).await;
        assert_exactly(&get, 405, GET);
        assert_eq!(get.header("allow"), Some("POST"));
    }
    for key in [
        "",
        "0",
        "unknown",
        &PLAIN_HOOK[1..],
        &format!("{PLAIN_HOOK}+"),
    ] {
        let head = ask(&sidecar, "HEAD", &target(key)).await;
        assert_eq!(head.status, 404, "{key}");
        let get = ask(&sidecar, "GET", &target(key)).await;
        assert_exactly(&get, 404, super::NOT_FOUND);
    }
    // An old key opens the webhook for as long as its calls are executed.
    let (worked, said, _) = sidecar.output(&["webhook", "rotate", "3"]);
    assert!(worked, "{said}");
    assert_eq!(ask(&sidecar, "HEAD", &call).await.status, 200);
    let (worked, said, _) = sidecar.output(&["webhook", "delete", "3"]);
    assert!(worked, "{said}");
    assert_eq!(ask(&sidecar, "HEAD", &call).await.status, 404);
    assert_untouched(&site).await;
}

#[tokio::test]
async fn browsers_of_other_sites_are_promised_nothing() {
    let (_site, sidecar) = start().await;
    let headers = [
        ("Origin", "https://shop.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    for key in [PLAIN_HOOK, "unknown"] {
        let client = &sidecar.client;
        let options = client.request("OPTIONS", &target(key), &headers, b"").await;
        assert_eq!((options.status, options.text().as_str()), (204, ""));
        assert_eq!(options.header("allow"), Some("HEAD, OPTIONS, POST"));
        let promised = options.header("access-control-allow-origin");
        assert_eq!(promised, None);
    }
}

#[tokio::test]
async fn what_is_no_webhooks_address_is_answered_as_ever() {
    let (_site, sidecar) = start().await;
    let call = target(PLAIN_HOOK);
    for other in [
        "/portal/".to_owned(),
        format!("/portal/?webhook={PLAIN_HOOK}"),
        call.replace("incoming_webhook", "other"),
    ] {
        for method in ["GET", "OPTIONS"] {
            assert_error(&ask(&sidecar, method, &other).await, 405);
        }
        assert_eq!(ask(&sidecar, "HEAD", &other).await.status, 405);
    }
    // An action in the body is one of a call.
    let target = format!("/portal/?webhook={PLAIN_HOOK}");
    let (headers, body) = ([("Content-Type", FORM)], b"fcom_action=incoming_webhook");
    let get = sidecar.client.request("GET", &target, &headers, body);
    assert_error(&get.await, 405);
}
