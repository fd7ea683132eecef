//! What pages show, and what they never show.

use std::net::TcpListener;
use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;

use super::browser::Browser;
use super::strangers::{self, Rows};
use crate::harness::eventually::{eventually, until};
use crate::harness::management::{TOKEN, start};
use crate::harness::process::pass;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, server_options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_executes_or_gives_away_what_strangers_wrote() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let rows = strangers::write(&site, &sidecar).await;

    let mut secrets = site
        .column("SELECT user_email FROM wp_users WHERE user_email <> ''")
        .await;
    secrets.extend(
        site.column("SELECT meta_key FROM wp_fcom_meta WHERE object_type = 'webhook'")
            .await,
    );
    secrets.extend(
        site.column("SELECT user_pass FROM wp_users WHERE user_pass <> ''")
            .await,
    );
    secrets.extend([TOKEN.to_owned(), site.server.password().to_owned()]);
    let mut browser = Browser::of_operator(&sidecar).await;
    for page in rows.pages() {
        let status = browser.get(&format!("/console/{page}")).await;
        let expected = if ["nothing/here", "runs/99999"].contains(&page.as_str()) {
            404
        } else {
            200
        };
        assert_eq!(status, expected, "{page}: {}", browser.words());
        let text = browser.text();
        let key = browser.key();
        assert!(!text.contains('\u{1b}'), "{page}");
        let text = text.replace("<script src=\"", "");
        for forbidden in [
            "<script",
            "<b onmouse",
            "style=",
            "<style",
            "javascript:",
            "{{",
            "http://evil",
        ] {
            assert!(
                !text.contains(forbidden) || forbidden == "{{",
                "{forbidden} in {page}: {text}"
            );
        }
        assert_eq!(
            text.matches(&key).count(),
            text.matches("name=\"csrf\"").count(),
            "{page}"
        );
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{secret} in {page}: {text}"
            );
        }
        assert_eq!(
            browser.page().header("content-type"),
            Some("text/html; charset=utf-8")
        );
    }
    assert_shown(&mut browser, &rows).await;
}

async fn assert_shown(browser: &mut Browser<'_>, rows: &Rows) {
    // The overview has it from the metrics, which are read every few seconds.
    eventually(async || {
        browser.get("/console/").await;
        let words = browser.words();
        if words.contains("1 mail was given up") {
            return Ok(());
        }
        Err(words)
    })
    .await;
    for (page, words) in [
        ("webhooks", "alert(1)"),
        ("webhooks/3", "Delete"),
        ("mails", "550 &lt;h…@example.com&gt;"),
        ("hooks", "of h…@example.com"),
        ("shadow", "wp_users"),
        ("shadow/1", "of h…@example.com"),
        (&format!("runs/{}", rows.run), "alert(1)"),
        (&format!("refused/{}", rows.refused), "email"),
    ] {
        browser.get(&format!("/console/{page}")).await;
        assert!(
            browser.text().contains(words),
            "{words} is not in {page}: {}",
            browser.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_counts_what_this_process_has_done() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.assert_says("No call has come yet");
    for email in ["ann@example.com", "bob@example.com", "ann@example.com"] {
        sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", email)])
            .await;
    }
    assert_eq!(sidecar.client.call(PLAIN_HOOK, &[]).await.status, 423);
    browser.get("/console/").await;
    let words = browser.words();
    for expected in [
        "Calls executed 3 ",
        "New members 2 ",
        "Refused 1 none failed",
        "99 % in",
        "All is well",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let text = browser.text();
    assert!(
        text.contains("3 calls, 2 new, 1 refused, 0 failed")
            || text.contains("4 calls, 2 new, 1 refused, 0 failed"),
        "{text}"
    );
    assert!(text.contains("<path class=\"f-new\" d=\"M591 "), "{text}");
    for login in ["ann", "bob"] {
        assert!(words.contains(&format!(" {login} id ")), "{words}");
    }
    assert!(words.contains("Database Answers"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_found_by_member_webhook_and_request_and_paged_by_key() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let ann = sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    let answer = sidecar
        .client
        .call(PLAIN_HOOK, &[("email", "bob@example.com")])
        .await;
    let request = answer.header("x-request-id").unwrap().to_owned();
    let bob = answer.json()["user_id"].to_string();
    let mut browser = Browser::of_operator(&sidecar).await;
    let rows = |browser: &Browser<'_>| browser.text().matches("<tr>").count();
    for (query, count, login) in [
        ("", 2, "bob"),
        ("?member=ann", 1, "ann"),
        ("?member=ann%40example.com", 1, "ann"),
        (&format!("?member={bob}"), 1, "bob"),
        ("?webhook=999", 0, "No run was found"),
        ("?member=nobody", 0, "no user has this login"),
        (&format!("?request={request}"), 1, "bob"),
        ("?request=unknown", 0, "No run was found"),
        (&format!("?request={request}&member=bob"), 1, "bob"),
        (&format!("?request={request}&webhook=3"), 1, "bob"),
        (
            &format!("?request={request}&member=ann"),
            0,
            "No run was found",
        ),
        (
            &format!("?request={request}&webhook=2"),
            0,
            "No run was found",
        ),
        (
            &format!("?request={request}&member=nobody"),
            0,
            "no user has this login",
        ),
    ] {
        assert_eq!(browser.get(&format!("/console/runs{query}")).await, 200);
        // The head of the table is a row, too.
        let expected = if count == 0 { 0 } else { count + 1 };
        assert_eq!(rows(&browser), expected, "{query}: {}", browser.words());
        assert!(
            browser.words().contains(login),
            "{query}: {}",
            browser.words()
        );
    }
    // What the reader has typed stands in the field again.
    browser.get("/console/runs?member=ann%40example.com").await;
    assert!(browser.text().contains("value=\"ann@example.com\""));

    let runs = (1..=60).map(|n| {
        format!(
            "(UNHEX(LPAD(HEX({n}), 32, '0')), 3, {ann}, 'found', '{{}}', 1, UTC_TIMESTAMP(), 1)"
        )
    });
    let runs: Vec<String> = runs.collect();
    site.execute(&format!(
        "INSERT INTO wp_fcom_sidecar_runs (call_id, webhook_id, user_id, outcome, changes, duration_ms, created_at, tallied) VALUES {}",
        runs.join(", ")
    ))
    .await;
    browser.get("/console/runs").await;
    assert_eq!(rows(&browser), 51);
    let older = browser.text();
    let older = older
        .split_once("href=\"./runs?before=")
        .unwrap()
        .1
        .split('"')
        .next()
        .unwrap();
    browser.get(&format!("/console/runs?before={older}")).await;
    assert_eq!(rows(&browser), 13);
    assert!(!browser.text().contains(">Older</a>"));

    let run = site
        .text("SELECT MIN(id) FROM wp_fcom_sidecar_runs")
        .await
        .unwrap();
    browser.get(&format!("/console/runs/{run}")).await;
    for expected in ["ann became a member through", "Profile made", "Counted yes"] {
        browser.assert_says(expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_says_how_to_mend_the_sender() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let fields = [("form_email", "ann@example.com"), ("first_name", "Ann")];
    assert_eq!(sidecar.client.call(PLAIN_HOOK, &fields).await.status, 423);
    until("the refused call is not recorded", async || {
        site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_refused")
            .await
            > 0
    })
    .await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/refused").await;
    let words = browser.words();
    for expected in [
        "It had no usable e-mail address",
        "form_email",
        "first_name",
        "seems to call it “form_email”",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!browser.text().contains("ann@example.com"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_says_where_values_come_from_and_no_secret() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
        ("FCOM_SIDECAR__MAIL__FROM", "club@example.com"),
        ("FCOM_SIDECAR__RUNS__RETENTION_DAYS", "17"),
    ];
    let mut sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    sidecar.append_configuration("[limits]\nmax_fields = 77\nmax_calls_in_flight = 78\n");
    sidecar.hang_up();
    sidecar.says("configuration reloaded; changed: ").await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/config").await;
    let words = browser.words();
    for expected in [
        "token set, not shown FCOM_SIDECAR__ADMIN__TOKEN",
        "url set, not shown",
        "from c…@example.com FCOM_SIDECAR__MAIL__FROM",
        "retention_days 17 FCOM_SIDECAR__RUNS__RETENTION_DAYS",
        "max_fields 77 ",
        "c.toml",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    browser.assert_says(
        "Options that need a restart stay as they are until then; the log names them.",
    );
    // It changes with a restart only.
    assert!(!words.contains("max_calls_in_flight 78"), "{words}");
    assert!(!words.contains("first_retry_seconds"), "{words}");
    browser.get("/console/config?all=1").await;
    browser.assert_says("first_retry_seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_shows_what_the_command_says() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    assert_eq!(browser.get("/console/check").await, 200);
    let (_, shown, _) = sidecar.output(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let words = browser.words();
    for check in report["checks"].as_array().unwrap() {
        let name = check["name"].as_str().unwrap();
        assert!(words.contains(name), "{name}: {words}");
    }
    assert_eq!(browser.post("/console/check/again", &[]).await, 200);
    browser.assert_says("Everything was checked again");
}

/// Whose address for operators is another one than its configuration says, because the service manager opened it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemons_own_check_does_not_try_what_the_daemon_holds() {
    let site = Site::new("71").await;
    let environment = [("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN)];
    let mut sidecar = Sidecar::unstarted(&site, &environment).await;
    assert!(sidecar.run(&["migrate"]).success());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    sidecar.client.admin = socket.local_addr().unwrap();
    sidecar.spawn_as(|command| pass(command, &socket, "admin"));
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    let mut browser = Browser::of_operator(&sidecar).await;
    assert_eq!(browser.get("/console/check").await, 200);
    browser.assert_says("the one that makes this report cannot ask itself at 127.0.0.1:");
    browser.assert_says("the daemon has its addresses");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_the_console_says_so_at_once() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    server.kill();
    sidecar.client.readiness_becomes(503).await;
    assert_eq!(browser.get("/console/").await, 200);
    for expected in [
        "Calls are not executed",
        "Not ready",
        "Runs are shown when it does",
    ] {
        browser.assert_says(expected);
    }
    for page in [
        "runs",
        "refused",
        "webhooks",
        "webhooks/3",
        "mails",
        "hooks",
    ] {
        assert_eq!(
            browser.get(&format!("/console/{page}")).await,
            503,
            "{page}"
        );
        assert!(browser.page().header("retry-after").is_some());
        assert!(
            browser
                .words()
                .contains("The database does not answer as it should"),
            "{page}"
        );
    }
    assert_eq!(browser.get("/console/config").await, 200);
    assert_eq!(browser.post("/console/webhooks/3/delete", &[]).await, 503);
    server.restart().await.unwrap();
    sidecar.client.readiness_becomes(200).await;
    assert_eq!(browser.get("/console/runs").await, 200);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM wp_fcom_meta WHERE id = 3")
            .await,
        1
    );
}
