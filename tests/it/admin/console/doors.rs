//! Who gets in.

use std::fs;

use super::browser::Browser;
use crate::admin::access::{FAST, MANY_FAILURES, PASSWORD, PASSWORDS_ON, give_passwords};
use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::management::{PATH, TOKEN, start};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

/// Every page, and a form.
const PAGES: [&str; 14] = [
    "",
    "runs",
    "runs/1",
    "refused",
    "webhooks",
    "webhooks/new",
    "webhooks/3",
    "mails",
    "mails/1",
    "hooks",
    "shadow",
    "shadow/1",
    "check",
    "config",
];
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

async fn webhooks(site: &Site) -> u64 {
    site.number("SELECT COUNT(*) FROM wp_fcom_meta WHERE object_type = 'webhook'")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_or_changes_anything_without_logging_in() {
    let site = Site::new("71").await;
    let before = webhooks(&site).await;
    let sidecar = start(&site).await;
    let mut stranger = Browser::new(&sidecar);
    for page in PAGES {
        let answer = stranger.send("GET", &format!("/console/{page}"), b"").await;
        assert_eq!(answer.status, 303, "{page}");
        assert!(
            answer.header("location").unwrap().contains("login"),
            "{page}"
        );
        assert!(answer.body.is_empty());
    }
    for form in [
        "webhooks/new",
        "webhooks/3/delete",
        "webhooks/3/address",
        "mails/retry",
        "logout",
    ] {
        let path = format!("/console/{form}");
        let status = stranger
            .post_exactly(&path, &[("title", "x"), ("csrf", "0")])
            .await;
        assert_eq!(status, 403, "{form}");
        assert!(stranger.text().contains("expired"), "{form}");
    }
    assert_eq!(webhooks(&site).await, before);
    assert_eq!(stranger.get("/console").await, 200);
    assert_eq!(stranger.path, "/console/login");

    for path in [
        "/console/login",
        "/console/console.css",
        "/console/console.js",
        "/console/htmx.js",
        "/console/runs",
        "/console/nothing",
    ] {
        let answer = stranger.send("GET", path, b"").await;
        assert_eq!(
            answer.header("content-security-policy"),
            Some(POLICY),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("SAMEORIGIN"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    }
    let style = stranger.send("GET", "/console/console.css", b"").await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    let script = stranger.send("GET", "/console/htmx.js", b"").await;
    let kind = script.header("content-type");
    assert_eq!(kind, Some("text/javascript; charset=utf-8"));
    assert_eq!(
        stranger.send("DELETE", "/console/runs", b"").await.status,
        405
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_opens_a_session_that_ends_with_the_log_out() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::new(&sidecar);
    browser.get("/console/runs?webhook=3").await;
    assert!(
        browser.path.starts_with("/console/login?next="),
        "{}",
        browser.path
    );
    let wrong = TOKEN.to_uppercase();
    assert_eq!(
        browser.post("/console/login", &[("token", &wrong)]).await,
        403
    );
    assert!(browser.text().contains("That is wrong"));

    let key = browser.key();
    let form = format!("csrf={key}&token={TOKEN}&next=runs%3Fwebhook%3D3");
    let answer = browser
        .send("POST", "/console/login", form.as_bytes())
        .await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(answer.header("location"), Some("./runs?webhook=3"));
    let cookie = answer
        .headers("set-cookie")
        .find(|one| one.contains("_console_"));
    let cookie = cookie.unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/console"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert!(!cookie.contains(TOKEN), "{cookie}");

    assert_eq!(browser.get("/console/").await, 200);
    assert_eq!(browser.path, "/console/");
    assert_eq!(browser.page().header("cache-control"), Some("no-store"));
    assert!(browser.text().contains("admin token"));
    sidecar
        .says("the token's holder logged in to the console")
        .await;

    // Logging in again makes another session of it.
    let mut before = browser.copy();
    browser.log_in(&[("token", TOKEN)]).await;
    assert_eq!(browser.get("/console/runs").await, 200);
    before.get("/console/runs").await;
    assert!(before.path.starts_with("/console/login"), "{}", before.path);

    browser.get("/console/").await;
    let mut other = browser.copy();
    browser.post("/console/logout", &[]).await;
    assert_eq!(browser.path, "/console/login");
    other.get("/console/").await;
    assert_eq!(other.path, "/console/login");

    // An encrypted connection's cookie stays on encrypted connections.
    browser.headers.push(("X-Forwarded-Proto", "https"));
    browser.get("/console/login").await;
    let form = format!("csrf={}&token={TOKEN}", browser.key());
    let answer = browser
        .send("POST", "/console/login", form.as_bytes())
        .await;
    assert!(
        answer
            .headers("set-cookie")
            .all(|one| one.contains("; Secure"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_manage_or_look_as_the_community_lets_them() {
    let site = Site::new("71").await;
    for user in [1, 2, 3, 7, 9] {
        give_passwords(&site, user, &[FAST]).await;
    }
    site.execute(
        r#"INSERT INTO wp_fcom_meta (object_type, object_id, meta_key, value)
           VALUES ('user', 2, '_user_community_roles', 'a:1:{i:0;s:9:"moderator";}')"#,
    )
    .await;
    let sidecar = Sidecar::start_with(&site, &[PASSWORDS_ON, MANY_FAILURES]).await;
    sidecar.client.record(&[PASSWORD.to_owned()]);
    let before = webhooks(&site).await;

    let mut admin = Browser::new(&sidecar);
    assert_eq!(
        admin
            .log_in(&[("user", "admin"), ("password", PASSWORD)])
            .await,
        200
    );
    assert_eq!(admin.path, "/console/");
    assert_eq!(admin.get("/console/webhooks/new").await, 200);

    let looker = site
        .text("SELECT user_login FROM wp_users WHERE ID = 2")
        .await
        .unwrap();
    let mut looker_s = Browser::new(&sidecar);
    let status = looker_s
        .log_in(&[("user", &looker), ("password", PASSWORD)])
        .await;
    assert_eq!(
        (status, looker_s.path.as_str()),
        (200, "/console/"),
        "{}",
        looker_s.words()
    );
    looker_s.assert_says("may look");
    for page in [
        "",
        "runs",
        "refused",
        "webhooks",
        "webhooks/3",
        "mails",
        "hooks",
        "config",
    ] {
        assert_eq!(
            looker_s.get(&format!("/console/{page}")).await,
            200,
            "{page}"
        );
        let text = looker_s.text();
        let forms = text.matches("method=\"post\"").count();
        assert_eq!(forms, 1, "{page} has more forms than that for logging out");
    }
    assert_eq!(looker_s.get("/console/webhooks/new").await, 403);
    for form in [
        "webhooks/new",
        "webhooks/3/delete",
        "webhooks/3/address",
        "webhooks/3/try",
        "mails/retry",
    ] {
        let path = format!("/console/{form}");
        assert_eq!(looker_s.post(&path, &[("title", "x")]).await, 403, "{form}");
        assert!(
            looker_s.text().contains("You may look, not change"),
            "{form}"
        );
    }
    assert_eq!(webhooks(&site).await, before);

    for (name, password, words) in [
        ("memberships", PASSWORD, "may not look here"),
        ("admin", "ABCDEFGHIJKLMNOPQRSt", "That is wrong"),
        ("nobody", PASSWORD, "That is wrong"),
        ("", PASSWORD, "That is wrong"),
        ("admin", "", "That is wrong"),
    ] {
        let mut other = Browser::new(&sidecar);
        let status = other
            .log_in(&[("user", name), ("password", password)])
            .await;
        assert_eq!(status, 403, "{name}");
        assert!(other.words().contains(words), "{name}: {}", other.words());
        other.get("/console/runs").await;
        assert!(other.path.starts_with("/console/login"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_another_page_or_another_session_made_changes_nothing() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let before = webhooks(&site).await;
    let mut one = Browser::of_operator(&sidecar).await;
    let mut other = Browser::of_operator(&sidecar).await;
    let (key, other_key) = (one.key(), other.key());
    assert_eq!((key.len(), other_key.len()), (64, 64));
    assert_ne!(key, other_key);
    let form = "/console/webhooks/new";
    for forged in ["", "0", other_key.as_str(), &key.to_uppercase(), &key[1..]] {
        let status = one
            .post_exactly(form, &[("csrf", forged), ("title", "x")])
            .await;
        assert_eq!(status, 403, "{forged}");
        assert!(one.text().contains("This page has expired"));
    }
    assert_eq!(one.post_exactly(form, &[("title", "x")]).await, 403);
    let fields = [("csrf", key.as_str()), ("title", "x")];
    for foreign in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        one.headers = vec![foreign];
        assert_eq!(one.post_exactly(form, &fields).await, 403, "{foreign:?}");
    }
    assert_eq!(webhooks(&site).await, before);
    // Of a log-in, too: nobody must be logged in as somebody else.
    one.headers = vec![("Sec-Fetch-Site", "cross-site")];
    assert_eq!(one.log_in(&[("token", TOKEN)]).await, 403);
    other.headers = vec![("Sec-Fetch-Site", "same-origin")];
    let fields = [("csrf", other_key.as_str()), ("title", "x")];
    assert_eq!(
        other.post_exactly(form, &fields).await,
        200,
        "{}",
        other.words()
    );
    assert_eq!(webhooks(&site).await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_count_here_and_at_the_api_together() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::new(&sidecar);
    for _ in 0..5 {
        assert_eq!(browser.log_in(&[("token", "wrong")]).await, 403);
    }
    let wrong = [("Authorization", "Bearer wrong")];
    for _ in 0..5 {
        let admin = sidecar.client.admin;
        let refused = http::request(admin, "GET", PATH, &wrong, b"")
            .await
            .unwrap();
        assert_eq!(refused.status, 401);
    }
    assert_eq!(browser.log_in(&[("token", "wrong")]).await, 429);
    assert!(browser.page().header("retry-after").is_some());
    assert_eq!(browser.log_in(&[("token", TOKEN)]).await, 200);
    assert_eq!(browser.path, "/console/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_the_token_that_opened_it() {
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, TOKEN).unwrap();
    let name = file.to_str().unwrap();
    let sidecar = Sidecar::start_with(&site, &[("FCOM_SIDECAR__ADMIN__TOKEN_FILE", name)]).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    let mut browser = Browser::of_operator(&sidecar).await;
    assert_eq!(browser.get("/console/runs").await, 200);
    fs::write(&file, TOKEN.replace('5', "7")).unwrap();
    sidecar.hang_up();
    sidecar
        .says("configuration reloaded; changed: admin.token_file")
        .await;
    browser.get("/console/runs").await;
    assert!(
        browser.path.starts_with("/console/login"),
        "{}",
        browser.path
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_configuration_the_door_says_what_to_do() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let mut browser = Browser::new(&sidecar);
    assert_eq!(browser.get("/console/").await, 200);
    browser.assert_says("Nobody can log in yet");
    browser.assert_says("admin.token");
    assert!(!browser.text().contains("<form"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_asks_for_news_as_long_as_its_session_lasts() {
    const POLL: (&str, &str) = ("HX-Request", "true");
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    let retry = format!("csrf={}", browser.key());
    let retried = browser
        .send("POST", "/console/mails/retry", retry.as_bytes())
        .await;
    assert_eq!(retried.status, 303);
    browser.headers.push(POLL);
    for page in ["", "runs", "mails", "hooks"] {
        assert_eq!(browser.get(&format!("/console/{page}")).await, 200);
        // That is for who loads a page.
        assert!(!browser.text().contains("No mail was given up."), "{page}");
    }
    let live = "hx-select-oob=\"#lede,#needs,#hour,#latest,#instances,#database,#live,";
    browser.get("/console/").await;
    assert!(browser.text().contains(live), "{}", browser.text());
    let ann = [("email", "ann@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &ann).await;
    for page in ["", "runs"] {
        eventually(async || {
            browser.get(&format!("/console/{page}")).await;
            let words = browser.words();
            words.contains(" ann id ").then_some(()).ok_or(words)
        })
        .await;
    }
    browser.headers.clear();
    browser.get("/console/mails").await;
    browser.assert_says("No mail was given up.");

    let mut stranger = Browser::new(&sidecar);
    stranger.headers.push(POLL);
    let refused = stranger.send("GET", "/console/runs", b"").await;
    assert_eq!(
        (refused.status, refused.header("hx-refresh")),
        (403, Some("true"))
    );
    assert!(refused.body.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_behind_two_ports_of_a_host_keep_their_own_sessions() {
    let site = Site::new("71").await;
    let (one, other) = (start(&site).await, start(&site).await);
    let mut browser = Browser::of_operator(&one).await;
    let mut elsewhere = browser.at(&other);
    assert_eq!(elsewhere.log_in(&[("token", TOKEN)]).await, 200);
    assert_eq!(elsewhere.path, "/console/");
    // A browser sends all cookies of a host to each of its ports.
    browser.take_cookies(&elsewhere);
    browser.get("/console/runs").await;
    assert_eq!(browser.path, "/console/runs");
    elsewhere.take_cookies(&browser);
    elsewhere.get("/console/runs").await;
    assert_eq!(elsewhere.path, "/console/runs");
}
