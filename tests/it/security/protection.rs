//! A webhook's requirements beside the key: the caller's network and signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::harness::check_report;
use crate::harness::client::FORM;
use crate::harness::http::Response;
use crate::harness::programs::program;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site, target};

const SECRET: &str = "whsec_r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS";
const OLD_SECRET: &str = "whsec_cTPeJe9Q2FvEFqZgp9JdVWvTsYIcGUh0";
const STRANGER: &str = "whsec_2xkfX1BqGmUqhEbVMMhkfDuQVNmSCEa3";

/// A daemon whose plain webhook is protected in this way.
async fn start(site: &Site, protection: &str) -> Sidecar {
    let (url, version) = (site.url(), site.wordpress);
    let sections = format!(
        "[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n[protection.shop]\nphp_may_execute = true\n{protection}"
    );
    let sidecar = Sidecar::start_configured(site, &sections, &[]).await;
    let keys = [SECRET, OLD_SECRET, STRANGER].map(|secret| secret["whsec_".len()..].to_owned());
    sidecar.client.record(&keys);
    sidecar
}

fn signature(secret: &str, id: &str, timestamp: u64, body: &[u8]) -> String {
    let key = STANDARD.decode(&secret["whsec_".len()..]).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Nor does any program get the secret as an argument.
#[tokio::test]
async fn the_documented_commands_sign_a_call() {
    let site = Site::new("71").await;
    let protection = format!("webhook_id = 3\nsecrets = [\"{SECRET}\"]");
    let sidecar = start(&site, &protection).await;
    let document = include_str!("../../../docs/calling.md");
    let blocks = document.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|block| block.split("```").next());
    let block = blocks.find(|block| block.contains("webhook-signature"));
    let block = block.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    let script = block
        .replace(
            "https://example.com",
            &format!("http://{}", sidecar.client.public),
        )
        .replace("/etc/shop/secret", file.path().to_str().unwrap())
        .replace("=KEY", &format!("={PLAIN_HOOK}"));
    let mut shell = program("sh");
    shell.args(["-euxc", &script]);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap());
    let output = output.await.unwrap();
    // Every command with its arguments, as "ps" would show it.
    let trace = String::from_utf8(output.stderr).unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.contains("\"success\""), "{answer}\n{trace}");
    let key = &SECRET["whsec_".len()..];
    for secret in [key, &hex::encode(STANDARD.decode(key).unwrap())] {
        assert!(!trace.contains(secret), "{trace}");
    }
}

/// A call with these signatures.
async fn call(
    sidecar: &Sidecar,
    kind: &str,
    timestamp: u64,
    signatures: &str,
    body: &[u8],
) -> Response {
    let timestamp = timestamp.to_string();
    let headers = [
        ("Content-Type", kind),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &timestamp),
        ("Webhook-Signature", signatures),
    ];
    let target = target(PLAIN_HOOK);
    sidecar
        .client
        .request("POST", &target, &headers, body)
        .await
}

#[track_caller]
fn assert_refused(response: &Response, status: u16, said: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    let json = response.json();
    assert_eq!(json["status"], "error");
    let message = json["message"].as_str().unwrap();
    assert!(message.contains(said), "{message}");
    assert_eq!(json.as_object().unwrap().len(), 2);
}

/// Asserts that neither users nor runs exist.
async fn assert_nothing_was_done(site: &Site) {
    let runs = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";
    assert_eq!(site.number(runs).await, 0);
    let users = site.number("SELECT MAX(ID) FROM wp_users").await;
    assert_eq!(users, site.last_user);
    for (id, value) in site.webhooks().await {
        let count = crate::harness::webhook_record::running_count(&value);
        assert_eq!(count, site.earlier_runs[&id]);
    }
}

#[tokio::test]
async fn a_webhook_is_called_from_allowed_networks_only() {
    let site = Site::new("71").await;
    let networks = "allowed_networks = [\"203.0.113.0/28\", \"2001:db8::/32\"]";
    let protection = format!("webhook_id = 3\n{networks}");
    let sidecar = start(&site, &protection).await;
    let from = async |address: &str, hook: &str| {
        let headers = [("Content-Type", FORM), ("X-Forwarded-For", address)];
        let headers = &headers[..if address.is_empty() { 1 } else { 2 }];
        let body = b"email=existing%40example.com";
        sidecar
            .client
            .request("POST", &target(hook), headers, body)
            .await
    };
    for address in [
        "203.0.113.16",
        "203.0.113.1, 198.51.100.1",
        "2001:db9::1",
        "",
    ] {
        let response = from(address, PLAIN_HOOK).await;
        assert_refused(&response, 403, "from this address");
    }
    assert_nothing_was_done(&site).await;
    for address in ["203.0.113.15", "198.51.100.1, 203.0.113.1", "2001:db8::1"] {
        assert_eq!(from(address, PLAIN_HOOK).await.status, 200, "{address}");
    }
    assert_eq!(from("198.51.100.1", SPACES_HOOK).await.status, 200);
}

#[tokio::test]
async fn a_webhook_that_asks_for_signatures_is_called_with_one_only() {
    let site = Site::new("71").await;
    let rename = r#"UPDATE wp_fcom_meta SET value = REPLACE(value, 's:4:"Hook"', 's:5:"Höp!"') WHERE id = 3"#;
    site.execute(rename).await;
    let protection =
        format!("webhook_title = \"Höp!\"\nsecrets = [\"{SECRET}\", \"{OLD_SECRET}\"]");
    let sidecar = start(&site, &protection).await;
    let now = site.now().await;
    let body = b"email=signed%40example.com&first_name=Sig";
    let right = |body: &[u8]| signature(SECRET, "msg_1", now, body);

    let unsigned = sidecar
        .client
        .call(PLAIN_HOOK, &[("email", "signed@example.com")])
        .await;
    assert_refused(&unsigned, 401, "Signature required");
    let challenge = unsigned.header("www-authenticate");
    assert!(challenge.is_some_and(|challenge| challenge.starts_with("Webhook-Signature ")));
    for (timestamp, signatures, sent, said) in [
        (
            now,
            right(b"email=other%40example.com"),
            &body[..],
            "is wrong",
        ),
        (
            now,
            signature(STRANGER, "msg_1", now, body),
            body,
            "is wrong",
        ),
        (now, signature(SECRET, "msg_2", now, body), body, "is wrong"),
        (now - 1, right(body), body, "is wrong"),
        (
            now,
            right(body),
            b"email=signed%40example.com&first_name=Sig&",
            "is wrong",
        ),
        (now, right(body).replace("v1,", "v1a,"), body, "is wrong"),
        (now, "v1,".to_owned(), body, "is wrong"),
        (now, "undefined".to_owned(), body, "is wrong"),
        (now, String::new(), body, "Signature required"),
        (
            now - 400,
            signature(SECRET, "msg_1", now - 400, body),
            body,
            "5 minutes",
        ),
        (
            now + 400,
            signature(SECRET, "msg_1", now + 400, body),
            body,
            "5 minutes",
        ),
    ] {
        let response = call(&sidecar, FORM, timestamp, &signatures, sent).await;
        assert_refused(&response, 401, said);
    }
    // A secret that was never set would amount to an empty key.
    let mut empty = Hmac::<Sha256>::new_from_slice(b"").unwrap();
    empty.update(format!("msg_1.{now}.").as_bytes());
    empty.update(body);
    let empty = format!("v1,{}", STANDARD.encode(empty.finalize().into_bytes()));
    assert_refused(
        &call(&sidecar, FORM, now, &empty, body).await,
        401,
        "is wrong",
    );
    assert_nothing_was_done(&site).await;

    // Two secrets allow one to replace the other.
    for secret in [SECRET, OLD_SECRET] {
        let both = format!("v1,AAAA {}", signature(secret, "msg_1", now - 60, body));
        let response = call(&sidecar, FORM, now - 60, &both, body).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    // A replayed answer also requires a signature.
    let timestamp = now.to_string();
    let signatures = right(body);
    let signed = [
        ("Content-Type", FORM),
        ("Idempotency-Key", "order-1"),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signatures),
    ];
    let target = target(PLAIN_HOOK);
    let repeated = async |headers: &[(&str, &str)]| {
        let client = &sidecar.client;
        client.request("POST", &target, headers, body).await
    };
    assert_eq!(repeated(&signed).await.status, 200);
    assert_refused(&repeated(&signed[..2]).await, 401, "Signature required");
    assert_eq!(repeated(&signed).await.status, 200);
    let other = sidecar
        .client
        .call(SPACES_HOOK, &[("email", "existing@example.com")])
        .await;
    assert_eq!(other.status, 200, "{}", other.text());
}

#[tokio::test]
async fn the_signature_of_a_multipart_body_is_of_its_bytes() {
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, format!("{OLD_SECRET}\n\n{SECRET}\n")).unwrap();
    let protection = format!("webhook_id = 3\nsecrets_file = \"{}\"", file.display());
    let sidecar = start(&site, &protection).await;
    let now = site.now().await;
    let kind = "multipart/form-data; boundary=XX";
    let body = |name: &str| {
        format!(
            "--XX\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nparts@example.com\r\n\
             --XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\n\0{name}\r\n--XX--\r\n"
        )
    };
    let signatures = signature(SECRET, "msg_1", now, body("one").as_bytes());
    let changed = call(&sidecar, kind, now, &signatures, body("two").as_bytes()).await;
    assert_refused(&changed, 401, "is wrong");
    assert_nothing_was_done(&site).await;
    let response = call(&sidecar, kind, now, &signatures, body("one").as_bytes()).await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test]
async fn a_protection_that_would_protect_nothing_keeps_the_daemon_from_starting() {
    let site = Site::new("71").await;
    for (options, said) in [
        (
            &[("WEBHOOK_ID", "3"), ("SECRETS", "")][..],
            "protection.shop.secrets: holds no secret",
        ),
        (
            &[("WEBHOOK_ID", "3"), ("SECRETS", "null")],
            "does not begin with whsec_",
        ),
        (&[("WEBHOOK_ID", "3"), ("SECRETS", "whsec_")], "0 bytes"),
        (
            &[
                ("WEBHOOK_ID", "3"),
                ("SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ],
            "an example from documentation",
        ),
        (
            &[("WEBHOOK_ID", "3"), ("SECRETS_FILE", "/dev/null")],
            "holds no secret",
        ),
        (&[("WEBHOOK_ID", "3"), ("SECRETS_FILE", "")], "is empty"),
        (
            &[("WEBHOOK_ID", "3"), ("ALLOWED_NETWORKS", "")],
            "nobody could call",
        ),
        (&[("WEBHOOK_ID", "3")], "protection.shop: protects nothing"),
        (&[("SECRETS", SECRET)], "names no webhook"),
        (
            &[("WEBHOOK_TITLE", ""), ("SECRETS", SECRET)],
            "names no webhook",
        ),
        (
            &[
                ("WEBHOOK_ID", "3"),
                ("WEBHOOK_TITLE", "x"),
                ("SECRETS", SECRET),
            ],
            "names its webhook twice",
        ),
        (
            &[("WEBHOOK_ID", "3"), ("SECRET", SECRET)],
            "protection.shop.secret: is not an option",
        ),
    ] {
        let options: Vec<(String, &str)> = options
            .iter()
            .map(|(name, value)| (format!("FCOM_SIDECAR__PROTECTION__SHOP__{name}"), *value))
            .collect();
        let environment: Vec<(&str, &str)> = options
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let mut sidecar = Sidecar::unstarted(&site, &environment).await;
        sidecar
            .client
            .record(&[SECRET["whsec_".len()..].to_owned()]);
        sidecar.spawn();
        assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
        let log = sidecar.log();
        assert!(log.contains(said), "{said}: {log}");
    }
}

#[tokio::test]
async fn check_names_a_protection_that_fits_no_webhook() {
    let site = check_report::migrated("71").await;
    let networks = "protection.shop.allowed_networks=192.0.2.1";
    for (webhook, status, found) in [
        ("webhook_id=3", "ok", "1 of 8"),
        ("webhook_title=Hook", "ok", "6 of 8"),
        ("webhook_id=99", "failed", "shop"),
        ("webhook_title=hook", "failed", "shop"),
    ] {
        let webhook = format!("protection.shop.{webhook}");
        let arguments = ["--set", networks, "--set", &webhook];
        let outcome = check_report::check_with(&site, &site.url(), &arguments).await;
        outcome.assert("protection", status, found);
    }
}
