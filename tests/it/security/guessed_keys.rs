//! Guessed keys: how many guesses are allowed, and what an answer reveals.

use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;

use crate::harness::client::FORM;
use crate::harness::eventually::{eventually, until};
use crate::harness::http::Response;
use crate::harness::metrics;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site, server_options, target};
use crate::harness::watched::Watched;

const GUESS: &str = "99999999999999999999999999999999";

async fn call_from(sidecar: &Sidecar, forwarded: &[(&str, &str)], hook: &str) -> Response {
    let mut headers = vec![("Content-Type", FORM)];
    headers.extend(forwarded);
    let body = b"email=existing%40example.com";
    sidecar
        .client
        .request("POST", &target(hook), &headers, body)
        .await
}

/// Guesses from addresses of one client until it is refused.
async fn guesses_until_limited(
    sidecar: &Sidecar,
    forwarded: impl Fn(u32) -> (&'static str, String),
) -> u32 {
    for guess in 0..40 {
        let (header, value) = forwarded(guess);
        let key = format!("{guess:032x}");
        let response = call_from(sidecar, &[(header, &value)], &key).await;
        if response.status != 404 {
            assert_eq!(response.status, 429, "{}", response.text());
            let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
            assert_eq!(response.json()["status"], "error");
            return guess;
        }
    }
    panic!("no guess is refused");
}

#[tokio::test]
async fn a_client_that_guesses_keys_is_told_to_wait_and_a_good_key_is_not() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    let guesses = guesses_until_limited(&sidecar, |guess| {
        // The client can invent whatever precedes the address that the proxy appends.
        let address = format!("198.51.100.{guess}, 203.0.113.1");
        ("X-Forwarded-For", address)
    });
    assert!(guesses.await >= 30);
    // Others may share the address: an integration platform's, or that of a proxy in front of the proxy.
    let same = [("X-Forwarded-For", "203.0.113.1")];
    assert_eq!(call_from(&sidecar, &same, PLAIN_HOOK).await.status, 200);
    assert_eq!(call_from(&sidecar, &same, GUESS).await.status, 429);
    let replaced = sidecar.output(&["webhook", "rotate", "3"]);
    assert!(replaced.0, "{}", replaced.2);
    assert_eq!(call_from(&sidecar, &same, PLAIN_HOOK).await.status, 200);
    assert_eq!(call_from(&sidecar, &same, "").await.status, 429);
    // A key that does not open a webhook any longer is a guess again.
    let deleted = sidecar.output(&["webhook", "delete", "3"]);
    assert!(deleted.0, "{}", deleted.2);
    eventually(
        async || match call_from(&sidecar, &same, PLAIN_HOOK).await.status {
            429 => Ok(()),
            status => Err(format!("still {status}")),
        },
    )
    .await;
    for other in ["203.0.113.2", "198.51.100.1"] {
        let other = [("X-Forwarded-For", other)];
        assert_eq!(call_from(&sidecar, &other, SPACES_HOOK).await.status, 200);
        assert_eq!(call_from(&sidecar, &other, GUESS).await.status, 404);
    }
    // An IPv6 network counts as one client.
    let guesses = guesses_until_limited(&sidecar, |guess| {
        ("X-Forwarded-For", format!("2001:db8:1:2:{guess:x}::1"))
    });
    assert!(guesses.await >= 30);
    let neighbour = [("X-Forwarded-For", "2001:db8:1:3::1")];
    assert_eq!(call_from(&sidecar, &neighbour, GUESS).await.status, 404);
}

/// Whoever asks about an address learns whether its key is right, and so guesses like any other.
#[tokio::test]
async fn asking_about_an_address_is_guessing_its_key() {
    let site = Site::new("71").await;
    // One more each half minute.
    let two = (
        "FCOM_SIDECAR__LIMITS__UNKNOWN_KEYS_PER_MINUTE_PER_CLIENT",
        "2",
    );
    let sidecar = Watched::start_with(&site, &[two]).await;
    let ask = async |method, key: &str| {
        let headers = [("X-Forwarded-For", "203.0.113.1")];
        let target = target(key);
        let asked = sidecar.client.request(method, &target, &headers, b"");
        asked.await.status
    };
    let mut guesses = 0;
    while ask(["HEAD", "GET"][guesses % 2], &format!("{guesses:032x}")).await == 404 {
        guesses += 1;
        assert!(guesses < 60, "no guess is refused");
    }
    assert!(guesses >= 2, "{guesses}");
    let same = [("X-Forwarded-For", "203.0.113.1")];
    assert_eq!(call_from(&sidecar, &same, GUESS).await.status, 429);
    for (method, status) in [("HEAD", 429), ("GET", 429), ("OPTIONS", 204)] {
        assert_eq!(ask(method, GUESS).await, status, "{method}");
    }
    assert_eq!(ask("HEAD", PLAIN_HOOK).await, 200);
    assert_eq!(call_from(&sidecar, &same, PLAIN_HOOK).await.status, 200);
}

#[tokio::test]
async fn the_number_of_guesses_and_the_proxy_s_header_are_settings() {
    let site = Site::new("71").await;
    let guesses_setting = "FCOM_SIDECAR__LIMITS__UNKNOWN_KEYS_PER_MINUTE_PER_CLIENT";
    let environment = [
        (guesses_setting, "2"),
        ("FCOM_SIDECAR__SERVER__FORWARDING_HEADER", "forwarded"),
    ];
    let sidecar = Watched::start_with(&site, &environment).await;
    let guesses = guesses_until_limited(&sidecar, |guess| {
        (
            "Forwarded",
            format!("for=\"198.51.100.{guess}, for=203.0.113.1;proto=https"),
        )
    });
    assert!((2..10).contains(&guesses.await));
    let other = [
        ("Forwarded", "for=203.0.113.2"),
        ("X-Forwarded-For", "203.0.113.1"),
    ];
    assert_eq!(call_from(&sidecar, &other, PLAIN_HOOK).await.status, 200);
    drop(sidecar);

    let sidecar = Watched::start_with(&site, &[(guesses_setting, "0")]).await;
    for guess in 0..40 {
        let response = sidecar.client.call(&format!("{guess:032x}"), &[]).await;
        assert_eq!(response.status, 404);
    }
}

/// If a proxy does not forward the client's address, one guessing client would block all others.
#[tokio::test]
async fn a_proxy_that_names_no_client_is_not_taken_for_one() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    for guess in 0..40 {
        let response = sidecar.client.call(&format!("{guess:032x}"), &[]).await;
        assert_eq!(response.status, 404);
    }
    let fields = [("email", "member@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
}

/// Up to the answer, which reveals the difference anyway, a wrong key costs the same work as a right one: one identical
/// statement, which also looks up the user.
#[tokio::test]
async fn a_wrong_key_costs_what_a_right_one_costs_before_it_is_refused() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = Watched::start(&site).await;
    site.execute("SET GLOBAL log_output = 'TABLE', general_log = ON")
        .await;
    let mut statements = Vec::new();
    let statements_of = async |key: &str, email: &str| {
        // The daemon's work apart from calls concerns its own tables or looks for the last rows of others; refused calls
        // are recorded after the answer.
        let log = "(SELECT event_time, thread_id, CONVERT(argument USING utf8mb4) AS argument FROM mysql.general_log \
             WHERE command_type = 'Execute') log";
        let of_the_call = format!(
            "SELECT REGEXP_REPLACE(REGEXP_REPLACE(REPLACE(REPLACE(argument, '{key}', 'KEY'), '{email}', 'EMAIL'), \
                'UNHEX[(].[0-9a-f]+.[)]', 'HASH'), 'TIMESTAMP.[0-9: -]+', 'NOW') \
             FROM {log} WHERE (argument LIKE '%{key}%' OR argument NOT LIKE '%fcom_sidecar_%') \
             AND argument NOT LIKE 'INSERT INTO wp_fcom_sidecar_refused%' AND argument NOT LIKE 'SELECT MAX(%' \
             AND thread_id IN (SELECT thread_id FROM {log} WHERE argument LIKE '%{key}%') ORDER BY event_time"
        );
        site.column(&of_the_call).await.join("\n")
    };
    let mut questions = Vec::new();
    for (key, status) in [(GUESS, 404), (PLAIN_HOOK, 200)] {
        site.execute("TRUNCATE mysql.general_log").await;
        let asked = sidecar.client.request("HEAD", &target(key), &[], b"").await;
        assert_eq!(asked.status, status);
        questions.push(statements_of(key, "EMAIL").await);
    }
    assert!(questions[0].contains("KEY"), "{}", questions[0]);
    assert_eq!(questions[0], questions[1]);
    // A right key whose call is refused as early as possible: its record is unreadable.
    site.execute("UPDATE wp_fcom_meta SET value = 'x' WHERE id = 3")
        .await;
    for (key, email, status) in [
        (GUESS, "nobody@example.com", 404),
        (GUESS, "existing@example.com", 404),
        (PLAIN_HOOK, "nobody@example.com", 423),
        (PLAIN_HOOK, "existing@example.com", 423),
    ] {
        site.execute("TRUNCATE mysql.general_log").await;
        let response = sidecar.client.call(key, &[("email", email)]).await;
        assert_eq!(response.status, status, "{}", response.text());
        statements.push(statements_of(key, email).await);
    }
    assert!(statements[0].contains("EMAIL"), "{}", statements[0]);
    // The statement also looks up the login that this address would get.
    for (wrong, right) in [(0, 2), (1, 3)] {
        assert_eq!(statements[wrong], statements[right]);
    }
}

/// Guesses that wait for the database leave slots for good keys.
#[tokio::test]
async fn guesses_do_not_take_the_slots_of_good_calls() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    let few = [("FCOM_SIDECAR__LIMITS__MAX_CALLS_IN_FLIGHT", "8")];
    let sidecar = Watched::start_with(&site, &few).await;
    // A long body has the keys read.
    let long = "x".repeat(5_000);
    let fields = [("email", "member@example.com"), ("filler", &long)];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;

    let mut locked = site.pool().acquire().await.unwrap();
    let locks = sqlx::raw_sql("LOCK TABLES wp_users WRITE");
    locks.execute(&mut *locked).await.unwrap();
    let call = |key: &'static str| {
        let client = sidecar.client.clone();
        tokio::spawn(async move {
            let fields = [("email", "member@example.com")];
            client.call(key, &fields).await
        })
    };
    let guesses: Vec<_> = (0..20).map(|_| call(GUESS)).collect();
    let refused = async || guesses.iter().filter(|guess| guess.is_finished()).count() == 18;
    until("more than a quarter of the slots is for guesses", refused).await;
    let good: Vec<_> = (0..6).map(|_| call(PLAIN_HOOK)).collect();
    let all = |slots: f64| slots >= 8.0;
    metrics::wait_for(&sidecar.client, "fcom_sidecar_calls_in_flight", all).await;
    let unlocks = sqlx::raw_sql("UNLOCK TABLES");
    unlocks.execute(&mut *locked).await.unwrap();
    for call in good {
        assert_eq!(call.await.unwrap().status, 200);
    }
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(guess.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[404; 2].as_slice(), &[503; 18]].concat());
}
