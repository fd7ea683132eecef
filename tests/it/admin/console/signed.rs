//! Requests that the must-use plugin passes on from wp-admin: what the daemon believes, and what not. Signed here by hand.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::client::FORM;
use crate::harness::http::{self, Response};
use crate::harness::management::{PATH, TOKEN};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

const SECRET: &str = "a secret that both sides know";
const BASE: &str = "admin-ajax.php?action=console&_wpnonce=d41d8cd98f&path=";
const PASSED_ON: [&str; 8] = [
    "cache-control",
    "content-security-policy",
    "content-type",
    "location",
    "referrer-policy",
    "retry-after",
    "x-content-type-options",
    "x-frame-options",
];

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        digits.push_str(&format!("{byte:02x}"));
        digits
    })
}

fn signature(secret: &str, time: &str, purpose: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{}", purpose.join("\n")).as_bytes());
    hexadecimal(&mac.finalize().into_bytes())
}

/// A request as it is signed; what is sent may differ.
#[derive(Clone)]
struct Signed {
    method: &'static str,
    target: String,
    body: String,
    headers: [(&'static str, String); 4],
}

impl Signed {
    fn new(method: &'static str, target: &str, body: &str, time: u64, visitor: &Value) -> Self {
        Self::with(SECRET, method, target, body, time, visitor)
    }

    fn with(
        secret: &str,
        method: &'static str,
        target: &str,
        body: &str,
        time: u64,
        visitor: &Value,
    ) -> Self {
        let (time, nonce) = (time.to_string(), hexadecimal(&rand::random::<[u8; 16]>()));
        let visitor = STANDARD.encode(visitor.to_string());
        let hash = hexadecimal(&Sha256::digest(body));
        let purpose: [&str; 6] = ["console", &nonce, method, target, &hash, &visitor];
        let signature = signature(secret, &time, &purpose);
        Self {
            method,
            target: target.to_owned(),
            body: body.to_owned(),
            headers: [
                ("X-Fcom-Sidecar-Time", time),
                ("X-Fcom-Sidecar-Nonce", nonce),
                ("X-Fcom-Sidecar-Visitor", visitor),
                ("X-Fcom-Sidecar-Signature", signature),
            ],
        }
    }

    async fn send(&self, sidecar: &Sidecar) -> Response {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let mut headers: Vec<_> = headers.collect();
        headers.push(("Content-Type", FORM));
        let admin = sidecar.client.admin;
        let response = http::request(
            admin,
            self.method,
            &self.target,
            &headers,
            self.body.as_bytes(),
        );
        response.await.unwrap()
    }

    /// Whether the daemon has signed this answer to it.
    fn is_answer(&self, response: &Response) -> bool {
        let status = response.status.to_string();
        let mut purpose: Vec<&str> = vec!["console answer", &self.headers[1].1, &status];
        purpose.extend(PASSED_ON.map(|name| response.header(name).unwrap_or_default()));
        let hash = hexadecimal(&Sha256::digest(&response.body));
        purpose.push(&hash);
        let expected = signature(SECRET, &self.headers[0].1, &purpose);
        response.header("x-fcom-sidecar-signature") == Some(&expected)
    }
}

fn visitor(site: &Site, may: &str) -> Value {
    json!({ "site": "wp_", "database": site.database, "user": 2, "login": "<i>erika</i>", "may": may, "session": "abc", "base": BASE })
}

async fn start(site: &Site) -> Sidecar {
    let environment = [
        ("FCOM_SIDECAR__RELAY__SECRET", SECRET),
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
    ];
    let sidecar = Sidecar::start_with(site, &environment).await;
    sidecar
        .client
        .record(&[SECRET.to_owned(), TOKEN.to_owned()]);
    sidecar
}

fn code(response: &Response) -> (u16, String) {
    let code = response.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (response.status, code)
}

fn csrf(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_signed_in_sees_and_changes_and_the_log_says_who() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let manager = visitor(&site, "manage");
    let get = |target: &str| Signed::new("GET", target, "", now, &manager);
    for (path, kind) in [
        ("", "text/html; charset=utf-8"),
        ("runs?member=1", "text/html; charset=utf-8"),
        ("console.css?0", "text/css; charset=utf-8"),
        ("status", "application/json"),
    ] {
        let request = get(&format!("/console/{path}"));
        let answer = request.send(&sidecar).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(request.is_answer(&answer), "{path}");
        assert!(answer.header("set-cookie").is_none());
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'self'"));
    }
    let page = get("/console/webhooks/3").send(&sidecar).await.text();
    assert!(
        page.contains("<html lang=\"en\" class=\"in-wp-admin\">"),
        "{page}"
    );
    for absent in ["logout", "class=\"brand\"", "<i>erika"] {
        assert!(!page.contains(absent), "{absent}");
    }
    let link = format!("href=\"{}mails", BASE.replace('&', "&amp;"));
    assert!(page.contains(&link), "{page}");
    // A form that is sent with GET brings what its address loses.
    let search = get("/console/runs").send(&sidecar).await.text();
    for (name, value) in [
        ("action", "console"),
        ("_wpnonce", "d41d8cd98f"),
        ("path", "runs"),
    ] {
        let field = format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        assert!(search.contains(&field), "{field}");
    }

    let body = format!("csrf={}", csrf(&page));
    let rotate = "/console/webhooks/3/rotate";
    let changed = Signed::new("POST", rotate, &body, now, &manager);
    let answer = changed.send(&sidecar).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(
        answer.header("location"),
        Some(&*format!("{BASE}webhooks/3"))
    );
    assert!(changed.is_answer(&answer));
    let page = get("/console/webhooks/3").send(&sidecar).await.text();
    assert!(page.contains("has a new address"), "{page}");
    let said = "webhook 3 was given a new key by user 2 (<i>erika</i>), in wp-admin";
    sidecar.says(said).await;

    // Neither another user's form, nor another session's, nor one that a stranger made up.
    let key = "SELECT meta_key FROM wp_fcom_meta WHERE id = 3";
    let before = site.text(key).await;
    for (user, session, body) in [
        (3, "abc", &*body),
        (2, "abd", &body),
        (2, "abc", "csrf=0"),
        (2, "abc", ""),
    ] {
        let mut other = manager.clone();
        other["user"] = user.into();
        other["session"] = session.into();
        let answer = Signed::new("POST", rotate, body, now, &other)
            .send(&sidecar)
            .await;
        assert_eq!(answer.status, 403, "{user} {session}");
        assert!(answer.text().contains("This page has expired"));
    }
    let looks = visitor(&site, "look");
    let page = Signed::new("GET", "/console/mails", "", now, &looks);
    assert_eq!(page.send(&sidecar).await.status, 200);
    let refused = Signed::new("POST", rotate, &body, now, &looks)
        .send(&sidecar)
        .await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("You may look"));
    assert_eq!(site.text(key).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_believed_that_is_forged_old_or_sent_again() {
    let site = Site::new("71").await;
    let mut sidecar = start(&site).await;
    let now = site.now().await;
    let manager = visitor(&site, "manage");
    let signed = |time: u64| Signed::new("GET", "/console/runs", "", time, &manager);
    let good = signed(now);
    assert_eq!(good.send(&sidecar).await.status, 200);
    assert_eq!(
        code(&good.send(&sidecar).await),
        (401, "replayed".to_owned())
    );
    let wrong = (401, "wrong_signature".to_owned());
    for (number, value) in [
        (0, (now + 1).to_string()),
        (1, "0".repeat(32)),
        (2, STANDARD.encode(visitor(&site, "look").to_string())),
        (3, "0".repeat(64)),
        (3, String::new()),
    ] {
        let mut forged = signed(now);
        forged.headers[number].1 = value;
        assert_eq!(
            code(&forged.send(&sidecar).await),
            wrong,
            "{:?}",
            forged.headers
        );
    }
    for target in ["/console/", "/console/runs?", "/console/mails"] {
        let mut forged = signed(now);
        forged.target = target.to_owned();
        assert_eq!(code(&forged.send(&sidecar).await), wrong, "{target}");
    }
    let drop = || Signed::new("POST", "/console/mails/1/drop", "csrf=1", now, &manager);
    let mut forged = drop();
    forged.body = "csrf=2".to_owned();
    assert_eq!(code(&forged.send(&sidecar).await), wrong);
    let mut forged = drop();
    forged.method = "GET";
    assert_eq!(code(&forged.send(&sidecar).await), wrong);
    let forged = Signed::with(
        "another secret, as long",
        "GET",
        "/console/runs",
        "",
        now,
        &manager,
    );
    assert_eq!(code(&forged.send(&sidecar).await), wrong);
    sidecar.says("management refused to 127.0.0.1: ").await;
    // What signs wake-ups signs no request.
    let mut forged = signed(now);
    forged.headers[3].1 = signature(SECRET, &now.to_string(), &["wake"]);
    assert_eq!(code(&forged.send(&sidecar).await), wrong);

    let late = (401, "wrong_time".to_owned());
    for time in [now - 400, now + 400, 0] {
        assert_eq!(code(&signed(time).send(&sidecar).await), late, "{time}");
    }
    for (name, value, expected) in [
        ("site", "wp_2_", (403, "other_site")),
        ("database", "staging", (403, "other_site")),
        ("base", "https://evil.example/?a&path=", (400, "unreadable")),
        ("base", "a.php?a=\"><script>&path=", (400, "unreadable")),
        ("may", "anything", (400, "unreadable")),
    ] {
        let mut other = manager.clone();
        other[name] = value.into();
        let answer = Signed::new("GET", "/console/runs", "", now, &other)
            .send(&sidecar)
            .await;
        let (status, word) = code(&answer);
        assert_eq!((status, &*word), expected, "{name}");
    }

    // The signature opens the console only, and only what it has.
    for (target, status) in [
        (PATH, 401),
        ("/runs", 401),
        ("/console/../runs", 404),
        ("/console/login", 404),
        ("/console/nothing", 404),
    ] {
        let answer = Signed::new("GET", target, "", now, &manager)
            .send(&sidecar)
            .await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
    let logout = Signed::new("POST", "/console/logout", "csrf=1", now, &manager);
    assert_eq!(logout.send(&sidecar).await.status, 403);
    let unsigned = http::request(sidecar.client.admin, "GET", "/console/status", &[], b"").await;
    assert_eq!(unsigned.unwrap().status, 303);

    // Nor after a restart, which has forgotten it.
    let before = signed(site.now().await - 1);
    sidecar.restart().await;
    assert_eq!(code(&before.send(&sidecar).await), late);
}

/// One that is signed for a time to come, as by a clock that is ahead, is not older than the next process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_counts_once_whichever_process_gets_it() {
    let site = Site::new("71").await;
    let (mut sidecar, other) = (start(&site).await, start(&site).await);
    site.execute(
        "INSERT INTO wp_fcom_sidecar_mail (id, user_id, webhook_id, state, attempts, next_attempt_at, tried_since, last_error, created_at)
         VALUES (1, 2, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'No such mailbox', UTC_TIMESTAMP())",
    )
    .await;
    let (manager, ahead) = (visitor(&site, "manage"), site.now().await + 250);
    let page = Signed::new("GET", "/console/mails", "", ahead, &manager);
    let page = page.send(&sidecar).await.text();
    let body = format!("csrf={}", csrf(&page));
    let retry = Signed::new("POST", "/console/mails/1/retry", &body, ahead, &manager);
    assert_eq!(retry.send(&sidecar).await.status, 303);
    let state = "SELECT state FROM wp_fcom_sidecar_mail WHERE id = 1";
    assert_eq!(site.text(state).await.unwrap(), "pending");
    site.execute("UPDATE wp_fcom_sidecar_mail SET state = 'dead'")
        .await;

    sidecar.restart().await;
    for process in [&other, &sidecar] {
        let answer = retry.send(process).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("Nothing was changed"));
        process.says("was sent again, and refused").await;
    }
    assert_eq!(site.text(state).await.unwrap(), "dead");
    let again = Signed::new("POST", "/console/mails/1/retry", &body, ahead, &manager);
    assert_eq!(again.send(&other).await.status, 303);
    assert_eq!(site.text(state).await.unwrap(), "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_secret_wp_admin_is_nobody() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for secret in ["", SECRET] {
        let now = site.now().await;
        let request = Signed::with(
            secret,
            "GET",
            "/console/",
            "",
            now,
            &visitor(&site, "manage"),
        );
        let answer = request.send(&sidecar).await;
        assert_eq!(code(&answer), (403, "no_secret".to_owned()));
    }
}
