//! "Why was a call refused": what is remembered of refused calls, and what is not.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::client::FORM;
use crate::harness::eventually::eventually;
use crate::harness::http::{self, Response};
use crate::harness::management::{self, TOKEN};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, target};

async fn get(sidecar: &Sidecar, path: &str) -> (u16, Value) {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("Authorization", authorization.as_str())];
    let response = http::request(sidecar.client.admin, "GET", path, &headers, b"").await;
    let response = response.unwrap();
    (response.status, response.json())
}

/// The record of the call that was answered with this, once it has been written.
async fn record_of(sidecar: &Sidecar, response: &Response) -> Value {
    let request = response.header("x-request-id").unwrap();
    eventually(async || {
        let (status, page) = get(sidecar, "/refused?limit=500").await;
        assert_eq!(status, 200, "{page}");
        let mut all = page["refused"].as_array().unwrap().iter();
        let found = all.find(|one| one["request_id"] == request);
        found.cloned().ok_or(page.clone())
    })
    .await
}

/// The lines of "refused show".
fn show(sidecar: &Sidecar, record: &Value) -> String {
    let (worked, said, complained) =
        sidecar.output(&["refused", "show", &record["id"].to_string()]);
    assert!(worked, "{complained}");
    said
}

#[tokio::test]
async fn a_refused_call_tells_what_came_as_address_and_the_names_of_its_fields() {
    let site = Site::new("71").await;
    let sidecar = management::start(&site).await;
    let values = "first_name=Annabella&user_password=Geheimnis";
    for (body, email, why, fields) in [
        (
            format!("customer%5Bemail%5D=ann%40example.com&{values}"),
            "missing",
            "there was no field email; a field customer[email] came",
            json!(["customer[email]", "first_name", "user_password"]),
        ),
        (
            format!("email=&{values}"),
            "empty",
            "the field email was empty",
            json!(["email", "first_name", "user_password"]),
        ),
        (
            "form_fields%5Bname%5D=Annabella&email=annabella+at+example.com".to_owned(),
            "malformed",
            "the field email held no address that WordPress accepts",
            json!(["form_fields[name]", "email"]),
        ),
        (
            "email=ann%40example.com+&First+Name=Annabella".to_owned(),
            "padded",
            "there were blanks or invisible characters around the e-mail address",
            json!(["email", "First Name"]),
        ),
        (
            "email%5B%5D=ann%40example.com".to_owned(),
            "list",
            "email was sent as a list",
            json!(["email[]"]),
        ),
        (
            format!("email={}%40example.com", "a".repeat(100)),
            "too_long",
            "the e-mail address was longer than 100 characters",
            json!(["email"]),
        ),
    ] {
        let headers = [("Content-Type", FORM), ("X-Forwarded-For", "203.0.113.7")];
        let call = target(PLAIN_HOOK);
        let client = &sidecar.client;
        let response = client.request("POST", &call, &headers, body.as_bytes());
        let response = response.await;
        assert_eq!(response.status, 423, "{body}");
        let record = record_of(&sidecar, &response).await;
        assert_eq!(record["outcome"], "invalid_email", "{record}");
        assert_eq!(record["email"], email, "{record}");
        assert_eq!(record["fields"], fields, "{record}");
        assert_eq!(record["more_fields"], 0, "{record}");
        assert_eq!(record["message"], response.json()["message"]);
        assert_eq!(record["content_type"], FORM);
        assert_eq!(record["content_length"], body.len());
        assert_eq!(record["client_address"], "203.0.113.7");
        assert_eq!(record["webhook_id"], 3);
        let said = show(&sidecar, &record);
        assert!(said.contains(why), "{why}: {said}");
        let path = format!("/refused/{}", record["id"]);
        assert_eq!(get(&sidecar, &path).await, (200, record));
    }
    let (worked, said, _) = sidecar.output(&["refused", "list", "--webhook", "3"]);
    assert!(worked);
    for shown in [
        "customer[email], first_name, user_password; e-mail missing",
        "email, \"First Name\"; e-mail padded",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    assert_no_values(&site, &["annabella", "geheimnis", "example.com"]).await;
}

/// Nothing of these, nor a key, is anywhere in the table.
async fn assert_no_values(site: &Site, values: &[&str]) {
    let columns = "outcome, HEX(address_hash), request_id, client_address, message, content_type, email, fields";
    let rows = format!("SELECT {columns} FROM wp_fcom_sidecar_refused");
    let rows = format!("{:?}", site.rows(&rows).await).to_lowercase();
    for value in values.iter().chain(&[PLAIN_HOOK, MEMBERS_HOOK]) {
        assert!(!rows.contains(value), "{value}: {rows}");
    }
}

/// A body that is no form, or was not encoded, arrives as names.
#[tokio::test]
async fn values_that_arrive_as_names_are_not_kept() {
    let site = Site::new("71").await;
    let sidecar = management::start(&site).await;
    let many = (0..200)
        .map(|n| format!("&f{n}=1"))
        .collect::<Vec<_>>()
        .concat();
    for (body, fields, more) in [
        (
            r#"{"email":"ann@example.com","user_password":"Geheimnis&Annabella"}"#.to_owned(),
            json!([]),
            2,
        ),
        ("ann@example.com".to_owned(), json!([]), 1),
        (
            format!("{PLAIN_HOOK}=1&note=AT%26T&x=1&Geheimnis"),
            json!(["note", "x"]),
            2,
        ),
        (
            format!("%EF%BB%BFemail=1&a%0Ab=1&{}=1&Stra%DFe=1", "n".repeat(65)),
            json!(["\u{fffd}email", "a\u{fffd}b", "Stra\u{fffd}e"]),
            1,
        ),
        (
            format!("x=1{many}"),
            std::iter::once("x".to_owned())
                .chain((0..49).map(|n| format!("f{n}")))
                .collect::<Value>(),
            151,
        ),
    ] {
        let client = &sidecar.client;
        let target = target(PLAIN_HOOK);
        let response = client.post(&target, FORM, body.as_bytes()).await;
        assert_eq!(response.status, 423, "{body}");
        let record = record_of(&sidecar, &response).await;
        assert_eq!(record["email"], "missing", "{record}");
        assert_eq!(record["fields"], fields, "{record}");
        assert_eq!(record["more_fields"], more, "{record}");
        show(&sidecar, &record);
    }
    assert_no_values(&site, &["annabella", "geheimnis", "example.com"]).await;
}

/// Whatever keeps a call out before or after its form is read.
#[tokio::test]
async fn what_is_refused_at_the_door_is_remembered() {
    let site = Site::new("71").await;
    let (url, version) = (site.url(), site.wordpress);
    let sections = format!(
        "[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n[admin]\ntoken = \"{TOKEN}\"\n\
         [protection.shop]\nwebhook_id = 3\nphp_may_execute = true\nsecrets = [\"whsec_r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS\"]\n\
         [protection.spaces]\nwebhook_title = \"Spaces\"\nphp_may_execute = true\nallowed_networks = [\"192.0.2.0/24\"]\n\
         [limits]\nmax_body_bytes = 10000"
    );
    let sidecar = Sidecar::start_configured(&site, &sections, &[]).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    let spaces = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{SPACES_HOOK}'");
    let spaces = site.number(&spaces).await.to_string();
    let rename = ["webhook", "update", &spaces, "--title", "Spaces"];
    assert!(sidecar.output(&rename).0);
    let email = b"email=ann%40example.com";
    let long = format!("email=ann%40example.com&note={}", "x".repeat(10_000));
    for (method, hook, kind, body, status, outcome, form) in [
        (
            "POST",
            PLAIN_HOOK,
            FORM,
            &email[..],
            401,
            "not_signed",
            true,
        ),
        (
            "POST",
            SPACES_HOOK,
            FORM,
            email,
            403,
            "address_not_allowed",
            true,
        ),
        (
            "POST",
            MEMBERS_HOOK,
            "application/json",
            b"{}",
            415,
            "invalid_request",
            false,
        ),
        (
            "POST",
            MEMBERS_HOOK,
            FORM,
            long.as_bytes(),
            413,
            "too_large",
            false,
        ),
        ("GET", MEMBERS_HOOK, FORM, b"", 405, "wrong_method", false),
        ("PUT", MEMBERS_HOOK, FORM, email, 405, "wrong_method", false),
    ] {
        let rows = "SELECT COUNT(*) FROM wp_fcom_sidecar_refused";
        let before = site.number(rows).await;
        let headers = [("Content-Type", kind)];
        let client = &sidecar.client;
        let response = client.request(method, &target(hook), &headers, body).await;
        assert_eq!(response.status, status, "{}", response.text());
        eventually(async || {
            let now = site.number(rows).await;
            (now == before + 1).then_some(()).ok_or(now)
        })
        .await;
        let (_, page) = get(&sidecar, "/refused?limit=1").await;
        let record = &page["refused"][0];
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["content_type"], kind, "{record}");
        assert_eq!(record["message"], response.json()["message"], "{record}");
        assert_eq!(record["fields"].is_array(), form, "{record}");
        assert_eq!(record["email"] == "valid", form, "{record}");
        show(&sidecar, record);
    }
}

/// They leave no row, and use up nothing of what is kept of calls with a good key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strangers_do_not_crowd_out_the_refused_calls_of_webhooks() {
    let site = Site::new("71").await;
    let mut sidecar = management::start(&site).await;
    for round in 0..15 {
        let calls = (0..100).map(|n| {
            let target = target(&format!("{:032}", round * 100 + n));
            let client = &sidecar.client;
            async move { client.post(&target, "text/plain", b"x").await.status }
        });
        let statuses = join_all(calls).await;
        assert!(statuses.iter().all(|status| *status == 415), "{statuses:?}");
        let target = target(PLAIN_HOOK);
        let response = sidecar.client.post(&target, "text/plain", b"x").await;
        assert_eq!(response.status, 415);
    }
    assert!(sidecar.terminate().is_some_and(|status| status.success()));
    let rows = "SELECT COUNT(*), MIN(webhook_id), MAX(calls) FROM wp_fcom_sidecar_refused";
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(site.rows(rows).await, [[some("15"), some("3"), some("1")]]);
}

#[tokio::test]
async fn refused_calls_are_listed_page_by_page() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
        ("FCOM_SIDECAR__RUNS__CLIENT_ADDRESSES", "false"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    for hook in [PLAIN_HOOK, MEMBERS_HOOK, PLAIN_HOOK, PLAIN_HOOK] {
        let response = sidecar.client.call(hook, &[("first_name", "Ann")]).await;
        assert_eq!(response.status, 423);
        let record = record_of(&sidecar, &response).await;
        assert_eq!(record["client_address"], Value::Null);
    }
    let ids = async |path: &str| {
        let (status, page) = get(&sidecar, path).await;
        assert_eq!(status, 200, "{path}: {page}");
        let all = page["refused"].as_array().unwrap().clone();
        let ids: Vec<u64> = all.iter().map(|one| one["id"].as_u64().unwrap()).collect();
        (ids, page["next_before"].clone())
    };
    let (all, none) = ids("/refused").await;
    assert_eq!((all.len(), none), (4, Value::Null));
    assert!(all.is_sorted_by(|a, b| a > b), "{all:?}");
    let (first, next) = ids("/refused?webhook=3&limit=2").await;
    assert_eq!((first, next), (all[..2].to_vec(), json!(all[1])));
    let before = format!("/refused?webhook=3&limit=2&before={}", all[1]);
    assert_eq!(ids(&before).await, (vec![all[3]], Value::Null));
    for (path, expected) in [
        ("/refused?webhook=nothing", 404),
        ("/refused?limit=0", 400),
        ("/refused?unknown=1", 400),
        ("/refused/999", 404),
        ("/refused/x", 404),
    ] {
        assert_eq!(get(&sidecar, path).await.0, expected, "{path}");
    }
    let response = http::request(sidecar.client.admin, "GET", "/refused", &[], b"").await;
    assert_eq!(response.unwrap().status, 401);
    let (worked, said, _) = sidecar.output(&["refused", "list", "--json", "--limit", "1"]);
    assert!(worked);
    let page: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(page["refused"][0]["id"], all[0]);
    let shown = sidecar.output(&["refused", "show", "999"]);
    assert!(
        !shown.0 && shown.2.contains("there is no refused call 999"),
        "{}",
        shown.2
    );
}
