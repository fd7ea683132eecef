//! Overload and misbehaving clients: accepted calls are carried out, the others are refused at once, and no call waits
//! for another client.

use std::sync::Arc;
use std::time::Duration;

use fcom_sidecar::sample::server::PrivateServer;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::FORM;
use crate::harness::eventually::until;
use crate::harness::http::Response;
use crate::harness::invariants;
use crate::harness::metrics;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, SPACES_HOOK, Site, server_options, target};

/// Longer than the daemon keeps a silent client.
const LIMIT: Duration = Duration::from_mins(1);
const KNOWN: &[(&str, &str)] = &[("email", "existing@example.com")];

/// A call as raw bytes, for connections without a proxy.
fn call(email: &str) -> String {
    let body = format!("email={email}");
    let (target, length) = (target(PLAIN_HOOK), body.len());
    format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn connect(sidecar: &Sidecar) -> TcpStream {
    TcpStream::connect(sidecar.client.public).await.unwrap()
}

/// Reads until this many answers have arrived or the connection ends.
async fn read_answers(stream: &mut TcpStream, count: usize) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let all = async {
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text.matches("\"status\":").count() >= count {
                return text;
            }
            match stream.read(&mut buffer).await {
                Ok(length) if length > 0 => bytes.extend_from_slice(&buffer[..length]),
                _ => return text,
            }
        }
    };
    tokio::time::timeout(LIMIT, all).await.unwrap()
}

#[track_caller]
fn assert_refused(response: &Response, why: &str) {
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.text().contains(why), "{}", response.text());
    assert!(response.header("retry-after").is_some());
}

#[tokio::test]
async fn while_the_database_is_away_calls_are_refused_without_waiting_for_it() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    // A call that waited for a connection would exceed the test's time limit.
    let patient = [("FCOM_SIDECAR__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "300")];
    let mut sidecar = Sidecar::start_with(&site, &patient).await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    server.kill();
    sidecar.client.readiness_becomes(503).await;
    // More than fit in at once.
    let refused = (0..400).map(|_| sidecar.client.call(PLAIN_HOOK, KNOWN));
    for response in join_all(refused).await {
        assert_refused(&response, "The database is away, nothing was changed");
    }
    server.restart().await.unwrap();
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn more_calls_than_there_are_places_are_refused_and_their_connections_go_on() {
    const PLACES: u32 = 3;
    let site = Site::new("71").await;
    let places = PLACES.to_string();
    let few = [("FCOM_SIDECAR__LIMITS__MAX_CALLS_IN_FLIGHT", places.as_str())];
    let sidecar = Sidecar::start_with(&site, &few).await;
    let lock = site.lock(KNOWN_USER).await;
    let under_way: Vec<_> = (0..PLACES)
        .map(|_| {
            let client = sidecar.client.clone();
            tokio::spawn(async move { client.call(PLAIN_HOOK, KNOWN).await })
        })
        .collect();
    let taken = |places: f64| places >= f64::from(PLACES);
    metrics::wait_for(&sidecar.client, "fcom_sidecar_calls_in_flight", taken).await;

    let before = site.number("SELECT COUNT(*) FROM wp_users").await;
    let mut refused = connect(&sidecar).await;
    // The second is longer than one read; both are read from the connection.
    let long = call(&format!("late@example.com&filler={}", "x".repeat(500_000)));
    let named = call("late@example.com").replacen("Host", "X-Request-Id: late-1\r\nHost", 1);
    for request in [&named, &long] {
        refused.write_all(request.as_bytes()).await.unwrap();
        let answer = read_answers(&mut refused, 1).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 503"), "{answer}");
        assert!(answer.contains("too many calls at once"), "{answer}");
        assert!(answer.contains("\r\nretry-after: "), "{answer}");
        assert!(answer.contains("\r\nx-request-id: "), "{answer}");
        assert_eq!(answer.contains(": late-1\r\n"), *request == named);
    }
    // More than the server has room for keep their connections, too.
    let mut crowd = Vec::new();
    for _ in 0..600 {
        let mut caller = connect(&sidecar).await;
        caller.write_all(named.as_bytes()).await.unwrap();
        crowd.push(caller);
    }
    for is_last in [false, true] {
        for caller in &mut crowd {
            let answer = read_answers(caller, 1).await.to_ascii_lowercase();
            assert!(answer.starts_with("http/1.1 503"), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
            if !is_last {
                caller.write_all(named.as_bytes()).await.unwrap();
            }
        }
    }
    assert_eq!(site.number("SELECT COUNT(*) FROM wp_users").await, before);

    lock.rollback().await.unwrap();
    for call in under_way {
        assert_eq!(call.await.unwrap().status, 200);
    }
    refused
        .write_all(call("late@example.com").as_bytes())
        .await
        .unwrap();
    let answer = read_answers(&mut refused, 1).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_users_do_not_queue_behind_new_ones() {
    const NEW: usize = 10;
    let site = Site::new("71").await;
    let slow_hashes = [
        ("FCOM_SIDECAR__WORDPRESS__PASSWORD_HASH", "wordpress"),
        ("FCOM_SIDECAR__LIMITS__HASH_THREADS", "1"),
        // New users may take nine of them; these and the known user's call fit.
        ("FCOM_SIDECAR__LIMITS__MAX_CALLS_IN_FLIGHT", "12"),
    ];
    let sidecar = Sidecar::start_with(&site, &slow_hashes).await;
    let new: Vec<_> = (0..NEW)
        .map(|n| {
            let client = sidecar.client.clone();
            tokio::spawn(async move {
                let email = format!("new{n}@example.com");
                let fields = [("email", email.as_str()), ("user_password", "a long one")];
                client.call(SPACES_HOOK, &fields).await
            })
        })
        .collect();
    // The first refusal shows that three quarters of the slots are taken.
    let refused = async || new.iter().any(tokio::task::JoinHandle::is_finished);
    until("nobody is refused", refused).await;
    for _ in 0..5 {
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    }
    assert!(
        !new.iter().all(tokio::task::JoinHandle::is_finished),
        "the known user came after all of the new ones"
    );
    let mut refused = 0;
    for call in new {
        let response = call.await.unwrap();
        if response.status != 200 {
            assert_refused(&response, "Too many new members at once");
            refused += 1;
        }
    }
    assert!((1..NEW as u64).contains(&refused), "{refused}");
    let users = "SELECT COUNT(*) FROM wp_users WHERE user_email LIKE 'new%@example.com'";
    assert_eq!(site.number(users).await, NEW as u64 - refused);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Slow heads, slow bodies, half-open connections and idle ones: each costs a little memory and delays no other call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_idle_and_slow_clients_are_in_nobody_s_way() {
    const IDLE: u64 = 10_000;
    let allowed = rlimit::increase_nofile_limit(IDLE + 2_000).unwrap();
    let idle = IDLE.min(allowed.saturating_sub(1_500));
    assert!(
        idle > 1_000,
        "this machine allows {allowed} open files only"
    );
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let mut clients = Vec::new();
    for n in 0..idle {
        let mut client = connect(&sidecar).await;
        let begun: &[u8] = match n % 4 {
            0 => b"",
            1 => b"POST /portal/?fcom_act",
            2 => b"POST /portal/?fcom_action=incoming_webhook HTTP/1.1\r\nHost: x\r\n",
            _ => {
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 100\r\n\r\nemail="
            }
        };
        client.write_all(begun).await.unwrap();
        clients.push(client);
    }
    for n in 0..20 {
        let email = format!("prompt{n}@example.com");
        let fields = [("email", email.as_str())];
        sidecar.client.execute(PLAIN_HOOK, &fields).await;
    }
    // One continues, byte by byte, and is served normally once it is complete.
    let (mut slow, bytes) = (connect(&sidecar).await, call("slow@example.com"));
    for byte in bytes.as_bytes() {
        slow.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = read_answers(&mut slow, 1).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(sidecar.client.admin_status("/readyz").await, 200);
    // The daemon gives up incomplete requests.
    let mut silent = clients.swap_remove(1);
    let answer = read_answers(&mut silent, 1).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_client_may_send_its_next_call_before_the_answer() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let mut client = connect(&sidecar).await;
    let calls: String = (0..5)
        .map(|n| call(&format!("piped{n}@example.com")))
        .collect();
    client.write_all(calls.as_bytes()).await.unwrap();
    let answers = read_answers(&mut client, 5).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 5, "{answers}");
    let logins = "SELECT user_login FROM wp_users WHERE user_email LIKE 'piped%' ORDER BY ID";
    let expected = ["piped0", "piped1", "piped2", "piped3", "piped4"];
    assert_eq!(site.column(logins).await, expected);
}

#[tokio::test]
async fn a_body_is_as_long_as_its_head_says_or_comes_in_chunks() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n",
        target(PLAIN_HOOK)
    );
    let body = "email=chunked%40example.com";
    let chunks = format!(
        "{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        9,
        &body[..9],
        body.len() - 9,
        &body[9..]
    );
    let mut client = connect(&sidecar).await;
    let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = read_answers(&mut client, 1).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // Longer than declared: the rest is not a request. Shorter, and the client disconnects: no call. Both lengths:
    // ambiguous.
    for (length, expected) in [
        ("Content-Length: 5", "423"),
        ("Content-Length: nonsense", "400"),
    ] {
        let mut client = connect(&sidecar).await;
        let request = format!("{head}{length}\r\n\r\nemail=long%40example.com");
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_answers(&mut client, 1).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{length}: {answer}"
        );
    }
    let mut client = connect(&sidecar).await;
    let request = format!("{head}Content-Length: 500\r\n\r\nemail=short%40example.com");
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let answer = read_answers(&mut client, 1).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    let runs = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";
    assert_eq!(site.number(runs).await, 1);
    let newest = "SELECT MAX(ID) FROM wp_users";
    assert_eq!(site.number(newest).await, site.last_user + 1);
}
