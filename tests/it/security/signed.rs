//! What is signed is what is done: a recorded call does nothing that its sender did not sign, and does it once.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::harness::check_report;
use crate::harness::client::FORM;
use crate::harness::http::Response;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, target};

const SECRET: &str = "whsec_r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS";
const OTHER_SECRET: &str = "whsec_cTPeJe9Q2FvEFqZgp9JdVWvTsYIcGUh0";
const MULTIPART: &str = "multipart/form-data; boundary=XX";

/// A daemon with two webhooks whose callers sign, each with a secret of its own.
async fn start(site: &Site) -> Sidecar {
    let (url, version) = (site.url(), site.wordpress);
    let sections = format!(
        "[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n\
         [protection.shop]\nwebhook_id = 3\nsecrets = [\"{SECRET}\"]\n\
         [protection.course]\nwebhook_id = 4\nsecrets = [\"{OTHER_SECRET}\"]"
    );
    let sidecar = Sidecar::start_configured(site, &sections, &[]).await;
    let keys = [SECRET, OTHER_SECRET].map(|secret| secret["whsec_".len()..].to_owned());
    sidecar.client.record(&keys);
    sidecar
}

/// A call as its sender signed it, and as anyone who recorded it can send it again.
#[derive(Clone)]
struct Recorded {
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Recorded {
    fn signed(secret: &str, id: &str, time: u64, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let key = STANDARD.decode(&secret["whsec_".len()..]).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&body);
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let headers = vec![
            ("Content-Type", kind.to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", time.to_string()),
            ("webhook-signature", format!("v1,{signature}")),
        ];
        Self { headers, body }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn but(mut self, name: &str, value: &str) -> Self {
        let header = self.headers.iter_mut().find(|(known, _)| *known == name);
        value.clone_into(&mut header.unwrap().1);
        self
    }

    async fn send_to(&self, target: &str, sidecar: &Sidecar) -> Response {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let client = &sidecar.client;
        client.request("POST", target, &headers, &self.body).await
    }

    async fn send(&self, sidecar: &Sidecar) -> Response {
        self.send_to(&target(PLAIN_HOOK), sidecar).await
    }
}

fn multipart(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        write!(body, "--XX\r\n{head}\r\n\r\n{value}\r\n").unwrap();
    }
    body + "--XX--\r\n"
}

async fn runs(site: &Site) -> u64 {
    site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
        .await
}

async fn assert_evil_is_nobody(site: &Site) {
    let sql =
        "SELECT COUNT(*) FROM wp_users WHERE user_email LIKE 'evil%' OR user_login LIKE 'evil%'";
    assert_eq!(site.number(sql).await, 0);
}

#[track_caller]
fn assert_is(response: &Response, status: u16, said: &str) {
    let text = response.text();
    assert_eq!(response.status, status, "{text}");
    assert!(text.contains(said), "{text}");
}

#[track_caller]
fn assert_replayed(response: &Response, first: &Response) {
    assert_is(response, 200, "");
    assert_eq!(response.header("idempotent-replayed"), Some("true"));
    assert_eq!(response.text(), first.text());
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
async fn a_signed_call_is_executed_once_and_then_answered_as_before() {
    let site = Site::new("71").await;
    let mut one = start(&site).await;
    let two = start(&site).await;
    let now = site.now().await;
    let body = "email=victim%40example.com&first_name=Vic";
    let call = Recorded::signed(SECRET, "msg_1", now, FORM, body);
    let answers = join_all((0..24).map(|n| call.send([&one, &two][n % 2]))).await;
    let first = answers
        .iter()
        .find(|one| one.header("idempotent-replayed").is_none());
    let first = first.expect("one was executed").clone();
    assert!(
        answers
            .iter()
            .all(|one| one.status == 200 && one.text() == first.text())
    );
    // The sender's own repetition, at another time and in another form, after a crash, and with the webhook's new key.
    one.kill();
    one.restart().await;
    assert_replayed(&call.send(&one).await, &first);
    let later = Recorded::signed(SECRET, "msg_1", now - 60, FORM, body);
    assert_replayed(&later.send(&one).await, &first);
    let parts = multipart(&[("first_name", "Vic"), ("email", "victim@example.com")]);
    let parts = Recorded::signed(SECRET, "msg_1", now, MULTIPART, parts);
    assert_replayed(&parts.send(&one).await, &first);
    let (succeeded, told, errors) = one.output(&["webhook", "rotate", "3"]);
    assert!(succeeded, "{errors}");
    let (_, key) = told.trim().rsplit_once("webhook=").unwrap();
    one.client.record(&[key.to_owned()]);
    for key in [key, PLAIN_HOOK] {
        assert_replayed(&call.send_to(&target(key), &one).await, &first);
    }
    // Another call with this id, which a signature without validity cannot ask about.
    let other = Recorded::signed(SECRET, "msg_1", now, FORM, "email=other%40example.com");
    assert_is(&other.send(&one).await, 422, "webhook-id was used");
    let wrong = other.but("webhook-signature", "v1,AAAA");
    assert_is(&wrong.send(&one).await, 401, "wrong");
    assert_eq!(runs(&site).await, 1);
    // One event may go to several webhooks, each with its secret; and the id of a call that is not asked for a signature
    // says nothing.
    let elsewhere = Recorded::signed(OTHER_SECRET, "msg_1", now, FORM, body);
    let members = elsewhere.send_to(&target(MEMBERS_HOOK), &one).await;
    assert_is(&members, 200, "user_id");
    assert_eq!(members.header("idempotent-replayed"), None);
    let crossed = call.send_to(&target(MEMBERS_HOOK), &one).await;
    assert_is(&crossed, 401, "wrong");
    for _ in 0..2 {
        let unasked = call.send_to(&target(SPACES_HOOK), &one).await;
        assert_is(&unasked, 200, "user_id");
        assert_eq!(unasked.header("idempotent-replayed"), None);
    }
    assert_eq!(runs(&site).await, 4);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_call_that_was_not_executed_does_not_use_up_its_id() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let call = Recorded::signed(SECRET, "msg_1", now, FORM, "email=victim%40example.com");
    site.execute("UPDATE wp_fcom_meta SET value = CONCAT('x', value) WHERE id = 3")
        .await;
    assert_is(&call.send(&sidecar).await, 423, "not readable");
    site.execute("UPDATE wp_fcom_meta SET value = SUBSTRING(value, 2) WHERE id = 3")
        .await;
    site.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON wp_fcom_sidecar_signed FOR EACH ROW \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not now'",
    )
    .await;
    assert_is(&call.send(&sidecar).await, 503, "nothing was changed");
    assert_eq!(runs(&site).await, 0);
    site.execute("DROP TRIGGER refuse").await;
    let first = call.send(&sidecar).await;
    assert_is(&first, 200, "user_id");
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_replayed(&call.send(&sidecar).await, &first);
    invariants::assert_hold(&site).await;
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
        let headers: Vec<_> = plain
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let client = &sidecar.client;
        let response = client
            .request(method, &target(PLAIN_HOOK), &headers, &plain.body)
            .await;
        assert_eq!(response.status, 405);
    }
    assert_eq!(runs(&site).await, 0);
    assert_is(&plain.send_to(&query, &sidecar).await, 200, "user_id");
    assert_evil_is_nobody(&site).await;
    assert_eq!(runs(&site).await, 1);
}

/// An `Idempotency-Key` is not signed: it may keep a call from being executed, and its absence executes nothing again.
#[tokio::test]
async fn a_signed_call_with_a_key_is_executed_once_by_either() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let call = |id: &str, body: &str| Recorded::signed(SECRET, id, now, FORM, body);
    let plain = call("msg_1", "email=victim%40example.com");
    let first = plain
        .clone()
        .with("Idempotency-Key", "order 1")
        .send(&sidecar)
        .await;
    assert_is(&first, 200, "user_id");
    assert_replayed(&plain.send(&sidecar).await, &first);
    let other = plain.clone().with("Idempotency-Key", "order 2");
    assert_replayed(&other.send(&sidecar).await, &first);
    // The sender signs its repetition anew.
    let again = call("msg_2", "email=victim%40example.com");
    let keyed = again.clone().with("Idempotency-Key", "order 1");
    assert_replayed(&keyed.send(&sidecar).await, &first);
    assert_replayed(&again.send(&sidecar).await, &first);
    let differs = call("msg_3", "email=other%40example.com").with("Idempotency-Key", "order 1");
    assert_is(&differs.send(&sidecar).await, 422, "Idempotency-Key");
    assert_eq!(runs(&site).await, 1);
    // Equal texts as a key and as an id have nothing to do with each other.
    let id = call("order 1", "email=third%40example.com")
        .send(&sidecar)
        .await;
    assert_is(&id, 200, "user_id");
    assert_eq!(id.header("idempotent-replayed"), None);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn ids_of_signed_calls_are_forgotten_in_time_and_not_stored() {
    let site = Site::new("71").await;
    let mut sidecar = start(&site).await;
    let now = site.now().await;
    for id in ["secret-order-1", "secret-order-2"] {
        let call = Recorded::signed(SECRET, id, now, FORM, "email=victim%40example.com");
        assert_is(&call.send(&sidecar).await, 200, "user_id");
    }
    let kept = "SELECT COUNT(*) FROM wp_fcom_sidecar_signed";
    assert_eq!(site.number(kept).await, 2);
    let stored = "SELECT COUNT(*) FROM wp_fcom_sidecar_signed WHERE CONCAT(id_hash, fields_hash, outcome) LIKE '%order%'";
    assert_eq!(site.number(stored).await, 0);
    let age =
        "UPDATE wp_fcom_sidecar_signed SET created_at = created_at - INTERVAL 25 HOUR LIMIT 1";
    site.execute(age).await;
    // The daemon forgets when it starts.
    sidecar.terminate();
    sidecar.restart().await;
    let old = "SELECT COUNT(*) FROM wp_fcom_sidecar_signed WHERE created_at < UTC_TIMESTAMP() - INTERVAL 24 HOUR";
    site.goes(old).await;
    assert_eq!(site.number(kept).await, 1);
}

/// The HMAC of a key is that of the same key with zero bytes behind it.
#[tokio::test]
async fn a_secret_of_two_webhooks_keeps_the_daemon_from_starting() {
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let bytes = STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let longer = [&bytes[..], &[0, 0]].concat();
    let padded = format!("whsec_{}", STANDARD.encode(&longer));
    let bare = padded.trim_end_matches('=').to_owned();
    std::fs::write(&file, format!("{OTHER_SECRET}\n{bare}\n")).unwrap();
    let file = file.display().to_string();
    let both = format!("{OTHER_SECRET},{SECRET}");
    for (webhook, option, value) in [
        ("WEBHOOK_ID", "SECRETS", SECRET),
        ("WEBHOOK_ID", "SECRETS", both.as_str()),
        ("WEBHOOK_ID", "SECRETS", padded.as_str()),
        ("WEBHOOK_ID", "SECRETS_FILE", file.as_str()),
        ("WEBHOOK_TITLE", "SECRETS", SECRET),
    ] {
        let name = |option: &str| format!("FCOM_SIDECAR__PROTECTION__COURSE__{option}");
        let webhook = [name(webhook), name(option)];
        let environment = [
            ("FCOM_SIDECAR__PROTECTION__SHOP__WEBHOOK_ID", "3"),
            ("FCOM_SIDECAR__PROTECTION__SHOP__SECRETS", SECRET),
            (webhook[0].as_str(), "4"),
            (webhook[1].as_str(), value),
        ];
        let mut sidecar = Sidecar::unstarted(&site, &environment).await;
        let keys = [SECRET, OTHER_SECRET].map(|secret| secret["whsec_".len()..].to_owned());
        sidecar.client.record(&keys);
        sidecar.spawn();
        assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
        let log = sidecar.log();
        for said in ["protection.course", "protection.shop", "secret"] {
            assert!(log.contains(said), "{said}: {log}");
        }
    }
}

#[tokio::test]
async fn check_names_a_title_whose_secret_several_webhooks_share() {
    let site = check_report::migrated("71").await;
    let secret = format!("protection.shop.secrets={SECRET}");
    for (webhook, status, found) in [
        ("webhook_id=3", "ok", "1 of 8"),
        ("webhook_title=Hook", "failed", "6 webhooks"),
    ] {
        let webhook = format!("protection.shop.{webhook}");
        let arguments = ["--set", &secret, "--set", &webhook];
        let outcome = check_report::check_with(&site, &site.url(), &arguments).await;
        outcome.assert("protection", status, found);
    }
}
