//! What a signature does not cover cannot change what a call does: content type, query, repeated headers.

use super::{FORM, MULTIPART, Recorded, SECRET, assert_is, multipart, runs, start};
use crate::harness::invariants;
use crate::harness::site::{PLAIN_HOOK, Site, target};

async fn assert_evil_is_nobody(site: &Site) {
    let sql =
        "SELECT COUNT(*) FROM wp_users WHERE user_email LIKE 'evil%' OR user_login LIKE 'evil%'";
    assert_eq!(site.number(sql).await, 0);
}

/// A member chooses a name that is another form to whoever reads the body in another way.
#[tokio::test]
async fn a_signed_body_is_read_in_one_way_only() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let form = "x&email=evil1%40example.com&user_login=evil1&user_password=chosen-by-evil&";
    let parts = "y\r\n--YY\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nevil2@example.com\r\n--YY--\r\n";
    let body = multipart(&[
        ("email", "victim@example.com"),
        ("first_name", form),
        ("last_name", parts),
    ]);
    let call = Recorded::signed(SECRET, "msg_1", now, MULTIPART, body);
    let others = [
        FORM,
        "application/x-www-form-urlencoded; charset=UTF-16",
        "application/x-www-form-urlencoded; boundary=XX",
        "multipart/form-data; boundary=YY",
        "multipart/form-data; boundary=\"YY\"; boundary=XX",
        "application/x-www-form-urlencoded, multipart/form-data; boundary=XX",
    ];
    // Whether or not the sender's own call was there before.
    for _ in 0..2 {
        for kind in others {
            let other = call.clone().but("Content-Type", kind).send(&sidecar).await;
            assert!((400..500).contains(&other.status), "{}", other.text());
        }
        for kind in [FORM, "multipart/form-data; boundary=YY"] {
            let twice = call.clone().with("Content-Type", kind);
            assert_is(&twice.send(&sidecar).await, 401, "Content-Type");
            let twice = call.clone().but("Content-Type", kind);
            let twice = twice.with("Content-Type", MULTIPART);
            assert_is(&twice.send(&sidecar).await, 401, "Content-Type");
        }
        assert_evil_is_nobody(&site).await;
        assert_eq!(call.send(&sidecar).await.status, 200);
        assert_eq!(runs(&site).await, 1);
    }
    // Bodies that are no forms by themselves, such as the sender's events for others.
    for body in [
        r#"{"name":"x&email=evil3%40example.com&user_password=chosen-by-evil&"}"#,
        r#"["&email=evil3%40example.com&"]"#,
        "\r\n--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n&email=evil3@example.com&\r\n--XX--\r\n",
    ] {
        let event = Recorded::signed(SECRET, "msg_2", now, FORM, body);
        assert_is(&event.send(&sidecar).await, 401, "Content-Type");
    }
    let preamble = format!("{}--YY--\r\n", multipart(&[("first_name", parts)]));
    for kind in [
        "multipart/form-data; boundary=YY",
        "multipart/form-data; boundary=X",
    ] {
        let call = Recorded::signed(SECRET, "msg_3", now, kind, preamble.clone());
        let refused = call.send(&sidecar).await;
        assert!((400..500).contains(&refused.status), "{}", refused.text());
    }
    assert_evil_is_nobody(&site).await;
    assert_eq!(runs(&site).await, 1);
    // What senders do send.
    for (id, kind, body) in [
        (
            "a",
            "multipart/form-data; boundary=\"XX\"",
            multipart(&[("email", "a@example.com")]),
        ),
        (
            "b",
            "Multipart/Form-Data;boundary=XX; charset=utf-8",
            multipart(&[("email", "b@example.com")]),
        ),
        (
            "c",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "email=c@example.com&first_name=Zo\u{eb} X\n".to_owned(),
        ),
    ] {
        let call = Recorded::signed(SECRET, id, now, kind, body);
        assert_is(&call.send(&sidecar).await, 200, "user_id");
    }
    invariants::assert_hold(&site).await;
}

/// The signed text is `id.time.body`: a full stop in the id would let its parts be cut elsewhere, at a time and with an
/// id that a member has chosen.
#[tokio::test]
async fn a_signed_text_is_cut_in_one_way_only() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let later = now + 1;
    let body =
        format!("first_name=A.{later}.&email=victim%40example.com&user_password=the-victims");
    let call = Recorded::signed(SECRET, "msg_1", now, FORM, body.clone());
    let (start, rest) = body.split_at(body.find('&').unwrap());
    let start = start.strip_suffix(&format!(".{later}.")).unwrap();
    let mut moved = call
        .clone()
        .but("webhook-id", &format!("msg_1.{now}.{start}"));
    moved = moved.but("webhook-timestamp", &later.to_string());
    moved.body = rest.as_bytes().to_vec();
    assert_is(&moved.send(&sidecar).await, 401, "webhook-id");
    for id in ["a.b", ".", "caf\u{e9}", &"i".repeat(256)] {
        let call = Recorded::signed(SECRET, id, now, FORM, body.clone());
        assert_is(&call.send(&sidecar).await, 401, "webhook-id");
    }
    assert_eq!(runs(&site).await, 0);
    let longest = "i".repeat(255);
    for id in ["msg_1", "a b:c/d", &longest] {
        let call = Recorded::signed(SECRET, id, now, FORM, body.clone());
        assert_is(&call.send(&sidecar).await, 200, "user_id");
    }
}

#[tokio::test]
async fn what_is_not_signed_changes_nothing() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let call = |id: &str, body: &str| Recorded::signed(SECRET, id, now, FORM, body);
    let query = format!(
        "{}&email=evil%40example.com&user_login=evil&user_password=chosen-by-evil",
        target(PLAIN_HOOK)
    );
    // Fields count in the body only, as in PHP.
    let nobody = call("msg_1", "first_name=A");
    assert_is(
        &nobody.send_to(&query, &sidecar).await,
        423,
        "Email is required",
    );
    // An action of the query can only keep the call from being executed.
    let plain = call("msg_2", "email=victim%40example.com");
    let action = query.replace("incoming_webhook", "other");
    assert_is(
        &plain.send_to(&action, &sidecar).await,
        404,
        "Not a webhook call",
    );
    // One that is signed cannot be overruled.
    let other = call("msg_3", "email=evil%40example.com&fcom_action=other");
    assert_is(&other.send(&sidecar).await, 404, "Not a webhook call");
    for (name, value) in [
        ("webhook-id", "msg_9"),
        ("webhook-timestamp", "1"),
        ("webhook-signature", "v1,AAAA"),
    ] {
        let twice = plain.clone().with(name, value);
        assert_is(&twice.send(&sidecar).await, 401, "Signature required");
    }
    let twice = plain
        .clone()
        .with("Idempotency-Key", "a")
        .with("Idempotency-Key", "b");
    assert_is(&twice.send(&sidecar).await, 400, "Idempotency-Key");
    for method in ["GET", "PUT", "PATCH"] {
        let (target, headers) = (target(PLAIN_HOOK), plain.headers());
        let client = &sidecar.client;
        let response = client.request(method, &target, &headers, &plain.body).await;
        assert_eq!(response.status, 405);
    }
    assert_eq!(runs(&site).await, 0);
    assert_is(&plain.send_to(&query, &sidecar).await, 200, "user_id");
    assert_evil_is_nobody(&site).await;
    assert_eq!(runs(&site).await, 1);
}
