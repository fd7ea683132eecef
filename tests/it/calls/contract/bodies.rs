//! Which bodies count as forms, and how their fields are read.

use super::{NO_EMAIL, assert_error, assert_exactly, assert_executed, assert_untouched, start};
use crate::harness::client::FORM;
use crate::harness::site::{PLAIN_HOOK, target};

/// The default limit on the size of a body.
const LARGEST_BODY: usize = 1 << 20;

#[tokio::test]
async fn any_path_and_both_form_types_are_calls() {
    let (site, sidecar) = start().await;
    let query = target(PLAIN_HOOK).replace("/portal/", "");
    let body = b"email=existing%40example.com";
    for path in ["/", "/portal", "/portal/x/y", "/a%20b/"] {
        let response = sidecar
            .client
            .post(&format!("{path}{query}"), FORM, body)
            .await;
        assert_eq!(assert_executed(&response), 2, "{path}");
    }
    for content_type in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-Urlencoded",
    ] {
        let response = sidecar
            .client
            .post(&target(PLAIN_HOOK), content_type, body)
            .await;
        assert_eq!(assert_executed(&response), 2, "{content_type}");
    }
    let parts = multipart(&[
        ("name=\"email\"", "bob@example.com"),
        ("name=\"first_name\"", "Bob"),
    ]);
    let response = sidecar
        .client
        .post(&target(PLAIN_HOOK), MULTIPART, &parts)
        .await;
    let id = assert_executed(&response);
    let name = format!("SELECT display_name FROM wp_users WHERE ID = {id}");
    assert_eq!(site.text(&name).await.as_deref(), Some("Bob"));
}

/// As senders do write them, although no standard allows it. What PHP reads of random ones is compared in
/// `wordpress::posted`.
#[tokio::test]
async fn a_form_is_read_as_php_reads_it() {
    const URLENCODED: &str = "application/x-www-form-urlencoded";
    let (site, sidecar) = start().await;
    let cases: [(&str, Body); 10] = [
        (MULTIPART, |email| {
            named(email, "\"", "\r\nContent-Length: 9")
        }),
        (MULTIPART, |email| {
            named(email, "\"", "\r\nContent-Length: 900")
        }),
        (MULTIPART, |email| named(email, "'", "")),
        (MULTIPART, |email| named(email, "", "")),
        (MULTIPART, |email| {
            replaced(&named(email, "\"", ""), "\r\n", "\n")
        }),
        (MULTIPART, |email| {
            let part =
                b"--XbOuNdArYx\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n";
            [&part[..], &named(email, "\"", "")].concat()
        }),
        ("multipart/form-data; boundary====1:/?(===", |email| {
            replaced(&named(email, "\"", ""), "XbOuNdArYx", "===1:/?(===")
        }),
        (&format!("{MULTIPART}, multipart/form-data"), |email| {
            named(email, "\"", "")
        }),
        (&format!("{URLENCODED}, {URLENCODED}"), urlencoded),
        (&format!("{URLENCODED} charset=utf-8"), urlencoded),
    ];
    for (number, (content_type, body)) in cases.into_iter().enumerate() {
        let email = format!("n{number}@example.com");
        let target = target(PLAIN_HOOK);
        let body = body(&email);
        let response = sidecar.client.post(&target, content_type, &body).await;
        let id = assert_executed(&response);
        let row =
            format!("SELECT CONCAT(user_email, ' ', display_name) FROM wp_users WHERE ID = {id}");
        let expected = format!("{email} Zoë Ärger");
        assert_eq!(site.text(&row).await, Some(expected), "case {number}");
    }
}

/// Makes a body with this address.
type Body = fn(&str) -> Vec<u8>;

/// A form whose parts are named in such quotes and have more headers.
fn named(email: &str, quote: &str, more: &str) -> Vec<u8> {
    let name = |name: &str| format!("name={quote}{name}{quote}{more}");
    multipart(&[(&name("email"), email), (&name("first_name"), "Zoë Ärger")])
}

fn urlencoded(email: &str) -> Vec<u8> {
    format!("email={email}&first_name=Zo%C3%AB+%C3%84rger").into_bytes()
}

fn replaced(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = str::from_utf8(body).unwrap();
    text.replace(from, to).into_bytes()
}

#[tokio::test]
async fn uploaded_files_are_no_fields() {
    let (site, sidecar) = start().await;
    let target = target(PLAIN_HOOK);
    let file = multipart(&[("name=\"email\"; filename=\"a.txt\"", "ann@example.com")]);
    let response = sidecar.client.post(&target, MULTIPART, &file).await;
    assert_exactly(&response, 423, NO_EMAIL);
    assert_untouched(&site).await;
    let both = multipart(&[
        ("name=\"email\"", "ann@example.com"),
        ("name=\"first_name\"; filename=\"a.txt\"", "Ann"),
    ]);
    let id = assert_executed(&sidecar.client.post(&target, MULTIPART, &both).await);
    let name = format!(
        "SELECT meta_value FROM wp_usermeta WHERE user_id = {id} AND meta_key = 'first_name'"
    );
    assert_eq!(site.text(&name).await.as_deref(), Some(""));
}

#[tokio::test]
async fn other_types_of_body_are_refused_and_told_what_to_send() {
    let (site, sidecar) = start().await;
    let target = target(PLAIN_HOOK);
    let body = br#"{"email":"ann@example.com"}"#;
    for headers in [
        &[("Content-Type", "application/json")][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencodedx")],
        &[],
    ] {
        let response = sidecar.client.request("POST", &target, headers, body).await;
        assert_error(&response, 415);
        let message = response.json()["message"].to_string();
        assert!(message.to_lowercase().contains("form"), "{message}");
    }
    assert_untouched(&site).await;
}

#[tokio::test]
async fn a_body_may_have_a_mebibyte_and_no_more() {
    let (site, sidecar) = start().await;
    let mut body = b"email=existing%40example.com&padding=".to_vec();
    body.resize(LARGEST_BODY + 1, b'x');
    let response = sidecar.client.post(&target(PLAIN_HOOK), FORM, &body).await;
    assert_error(&response, 413);
    assert_untouched(&site).await;
    body.truncate(LARGEST_BODY);
    assert_executed(&sidecar.client.post(&target(PLAIN_HOOK), FORM, &body).await);
}

#[tokio::test]
async fn a_form_may_have_a_thousand_fields_and_no_more() {
    let (site, sidecar) = start().await;
    let more = |count: usize| -> String {
        let fields: Vec<String> = (0..count).map(|index| format!("&f{index}=x")).collect();
        fields.concat()
    };
    let form = |count: usize| format!("email=existing%40example.com{}", more(count - 1));
    let parts = |count: usize| {
        let names: Vec<String> = (1..count)
            .map(|index| format!("name=\"f{index}\""))
            .collect();
        let mut fields = vec![("name=\"email\"", "existing@example.com")];
        fields.extend(names.iter().map(|name| (name.as_str(), "x")));
        multipart(&fields)
    };
    let target = target(PLAIN_HOOK);
    for (content_type, body) in [(FORM, form(1001).into_bytes()), (MULTIPART, parts(1001))] {
        assert_error(
            &sidecar.client.post(&target, content_type, &body).await,
            400,
        );
    }
    assert_untouched(&site).await;
    for (content_type, body) in [(FORM, form(1000).into_bytes()), (MULTIPART, parts(1000))] {
        assert_executed(&sidecar.client.post(&target, content_type, &body).await);
    }
}

#[tokio::test]
async fn broken_multipart_is_refused() {
    let (site, sidecar) = start().await;
    let whole = multipart(&[("name=\"email\"", "ann@example.com")]);
    let nameless = multipart(&[("name=\"email\"", "ann@example.com"), ("x=y", "")]);
    for (content_type, body, why) in [
        ("multipart/form-data", &whole[..], "no usable boundary"),
        (
            MULTIPART,
            &whole[..whole.len() - 20],
            "closing boundary is missing",
        ),
        (MULTIPART, b"no parts at all", "closing boundary is missing"),
        (MULTIPART, &nameless, "a part has no name"),
    ] {
        let response = sidecar
            .client
            .post(&target(PLAIN_HOOK), content_type, body)
            .await;
        assert_error(&response, 400);
        let message = response.json()["message"].to_string();
        assert!(message.contains(why), "{message}");
    }
    assert_untouched(&site).await;
}

#[tokio::test]
async fn arrays_count_as_missing_fields() {
    let (site, sidecar) = start().await;
    let target = target(PLAIN_HOOK);
    let response = sidecar
        .client
        .post(&target, FORM, b"email[]=ann%40example.com")
        .await;
    assert_exactly(&response, 423, NO_EMAIL);
    assert_untouched(&site).await;
    let body = b"email=ann%40example.com&first_name[]=x&last_name[a]=y&user_login[]=z&user_password[]=0123456789";
    let id = assert_executed(&sidecar.client.post(&target, FORM, body).await);
    let row =
        format!("SELECT CONCAT_WS('|', user_login, display_name) FROM wp_users WHERE ID = {id}");
    assert_eq!(site.text(&row).await.as_deref(), Some("ann|ann"));
}

const MULTIPART: &str = "multipart/form-data; boundary=XbOuNdArYx";

fn multipart(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (disposition, value) in parts {
        body.push_str(&format!(
            "--XbOuNdArYx\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str("--XbOuNdArYx--\r\n");
    body.into_bytes()
}
