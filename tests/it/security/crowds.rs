//! Crowds of strangers and callers who begin requests and do not end them: the daemon keeps to its memory and answers
//! everybody else.

use std::net::SocketAddr;
use std::time::Instant;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::FORM;
use crate::harness::crowd::Crowd;
use crate::harness::eventually::eventually;
use crate::harness::invariants;
use crate::harness::management::PATH;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, target};
use crate::harness::watched::{MEMORY, Watched};

const GUESS: &str = "99999999999999999999999999999999";
/// The longest body that is allowed.
const LONG: usize = 1 << 20;

fn head(key: &str, headers: &str) -> String {
    format!("POST {} HTTP/1.1\r\nHost: x\r\n{headers}\r\n", target(key))
}

/// A long form without its last byte.
fn form(key: &str) -> Vec<u8> {
    let head = head(
        key,
        &format!("Content-Type: {FORM}\r\nContent-Length: {LONG}\r\n"),
    );
    let mut request = head.into_bytes();
    let body = "email=held@example.com&filler=";
    request.extend_from_slice(body.as_bytes());
    request.resize(request.len() + LONG - body.len() - 1, b'x');
    request
}

/// The same as a multipart form.
fn multipart(key: &str) -> Vec<u8> {
    let headers = "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 1048576\r\n";
    let mut request = head(key, headers).into_bytes();
    let part = b"--XX\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n";
    request.extend_from_slice(part);
    request.resize(request.len() + LONG - part.len() - 1, b'x');
    request
}

/// The same in chunks.
fn chunked(key: &str) -> Vec<u8> {
    let headers = format!("Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n");
    let mut request = head(key, &headers).into_bytes();
    for _ in 0..LONG / 1024 {
        request.extend_from_slice(b"400\r\n");
        request.resize(request.len() + 1024, b'x');
        request.extend_from_slice(b"\r\n");
    }
    request
}

/// A request that never ends for a server that reads it as this protocol's, and is complete for one that does not.
fn endless(header: &str, body: &str) -> Vec<u8> {
    let headers = format!("Content-Type: {FORM}\r\n{header}\r\n");
    (head(GUESS, &headers) + body).into_bytes()
}

/// A complete short call before the long one on the same connection.
fn second(key: &str) -> Vec<u8> {
    let headers = format!("Content-Type: {FORM}\r\nContent-Length: 0\r\n");
    let mut requests = head(key, &headers).into_bytes();
    requests.extend(form(key));
    requests
}

fn attacks() -> Vec<(&'static str, Vec<u8>)> {
    let long_head = format!("A: {}\r\n", "x".repeat(100)).repeat(300);
    let mut long_head = head(GUESS, &long_head).into_bytes();
    long_head.truncate(30_000);
    let mut other_method = form(PLAIN_HOOK);
    other_method.splice(..4, *b"PUT");
    vec![
        ("nothing", Vec::new()),
        ("half a head", b"POST /portal/?fcom_act".to_vec()),
        ("two free kilobytes", form(PLAIN_HOOK)[..2_000].to_vec()),
        ("a long head", long_head),
        ("a wrong key", form(GUESS)),
        ("no key", form("")),
        ("another method", other_method),
        ("a good key", form(PLAIN_HOOK)),
        ("a multipart form", multipart(PLAIN_HOOK)),
        ("chunks", chunked(PLAIN_HOOK)),
        ("a second request", second(GUESS)),
        ("a request and then nothing", second(GUESS)[..300].to_vec()),
        (
            "a tunnel",
            endless("Content-Length: 0\r\nUpgrade: websocket", ""),
        ),
        (
            "odd ends of lines",
            endless("Transfer-Encoding: chunked", "0\r\nX: y\n\n"),
        ),
    ]
}

/// Attacks on the other listener.
fn attacks_on_management() -> Vec<(&'static str, Vec<u8>)> {
    let long =
        format!("POST /webhooks HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LONG}\r\n\r\n");
    let mut long = long.into_bytes();
    long.resize(LONG, b'x');
    let ask = |what: &str, header: &str| {
        format!("GET {what} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n").into_bytes()
    };
    vec![
        ("management", long),
        ("metrics", ask("/metrics", "")),
        (
            "passwords",
            ask(PATH, "Authorization: Basic YWRtaW46eA==\r\n"),
        ),
        ("half a question", b"GET /heal".to_vec()),
    ]
}

/// Calls of others, from four sides, who call again if they are told to.
async fn good_calls(sidecar: &Sidecar, during: &str) {
    let name = during.replace(' ', "");
    let lanes = (0..4).map(async |lane| {
        let mut times = Vec::new();
        for n in 0..25 {
            let email = format!("{name}{lane}x{n}@example.com");
            let started = Instant::now();
            eventually(async || {
                let answer = sidecar.client.call(PLAIN_HOOK, &[("email", &email)]).await;
                match answer.status {
                    200 => Ok(()),
                    503 => Err(answer.text()),
                    other => panic!("{during}: {other}: {}", answer.text()),
                }
            })
            .await;
            times.push(started.elapsed());
        }
        times
    });
    let mut times = join_all(lanes).await.concat();
    times.sort_unstable();
    let (median, p99, peak) = (times[50], times[98], sidecar.peak_memory() >> 20);
    eprintln!("{during}: good calls take {median:?}, p99 {p99:?}; memory so far {peak} MiB");
}

async fn withstand(crowd_size: usize) {
    let wanted = u64::try_from(crowd_size).unwrap() + 2_000;
    let allowed = rlimit::increase_nofile_limit(wanted).unwrap();
    assert!(
        allowed >= wanted,
        "this machine allows {allowed} open files only"
    );
    let site = Site::new("71").await;
    let passwords = ("FCOM_SIDECAR__ADMIN__APPLICATION_PASSWORDS", "on");
    // A daemon for each listener: all workers keep some of the memory that they had.
    let sidecar = Watched::start_with(&site, &[passwords]).await;
    for (name, bytes) in attacks() {
        withstand_one(&sidecar, sidecar.client.public, crowd_size, name, bytes).await;
    }
    drop(sidecar);
    let sidecar = Watched::start_with(&site, &[passwords]).await;
    for (name, bytes) in attacks_on_management() {
        withstand_one(&sidecar, sidecar.client.admin, crowd_size, name, bytes).await;
    }
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

async fn withstand_one(
    sidecar: &Sidecar,
    to: SocketAddr,
    crowd_size: usize,
    name: &str,
    bytes: Vec<u8>,
) {
    let mut crowd = Crowd::gather(to, crowd_size, bytes).await;
    good_calls(sidecar, name).await;
    for path in ["/healthz", "/readyz"] {
        let status = sidecar.client.admin_status(path).await;
        assert_eq!(status, 200, "{name}: {path}");
    }
    eprintln!("    {:?}", crowd.answers());
    let peak = sidecar.peak_memory();
    assert!(peak < MEMORY, "{name}: {} MiB", peak >> 20);
}

/// PHP may have created the webhook a moment ago.
#[tokio::test]
async fn a_long_call_to_a_webhook_of_this_moment_is_executed_and_one_with_a_wrong_key_is_not_read()
{
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    let filler = "x".repeat(100_000);
    let call = async |key: &str| {
        let fields = [("email", "long@example.com"), ("filler", &filler)];
        sidecar.client.call(key, &fields).await.status
    };
    for n in 0..3 {
        let key = format!("{n:032x}");
        assert_eq!(call(&key).await, 404);
        site.execute(&format!(
            "UPDATE wp_fcom_meta SET meta_key = '{key}' WHERE id = 3"
        ))
        .await;
        sidecar.client.record(std::slice::from_ref(&key));
        assert_eq!(call(&key).await, 200);
    }

    // Refused before the body has come.
    let mut strange = TcpStream::connect(sidecar.client.public).await.unwrap();
    strange.write_all(&form(GUESS)[..400]).await.unwrap();
    let mut answer = String::new();
    strange.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(
        answer.ends_with("{\"status\":\"error\",\"message\":\"Webhook not found\"}"),
        "{answer}"
    );
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Proxies send calls of all their callers over one connection.
#[tokio::test]
async fn a_call_that_is_not_read_is_answered_after_others_on_its_connection_too() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    let body = "email=first%40example.com";
    let headers = format!("Content-Type: {FORM}\r\nContent-Length: {}\r\n", body.len());
    let first = head(PLAIN_HOOK, &headers) + body;
    let mut too_long = head(PLAIN_HOOK, "Content-Length: 2000000\r\n").into_bytes();
    too_long.resize(500_000, b'x');
    for (second, answer) in [
        (form(GUESS), "HTTP/1.1 404 Not Found\r\n"),
        (too_long, "HTTP/1.1 413 Payload Too Large\r\n"),
    ] {
        let mut proxy = TcpStream::connect(sidecar.client.public).await.unwrap();
        proxy.write_all(first.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"}") {
            assert!(proxy.read_buf(&mut received).await.unwrap() > 0);
        }
        assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let (mut reader, mut writer) = proxy.into_split();
        let sending = tokio::spawn(async move { writer.write_all(&second).await });
        let mut refused = String::new();
        reader.read_to_string(&mut refused).await.unwrap();
        assert!(refused.starts_with(answer), "{refused}");
        drop(sending.await);
    }
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_caller_who_asks_whether_to_send_its_body_is_told_once() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    let body = format!("email=asks%40example.com&filler={}", "x".repeat(50_000));
    let headers = format!(
        "Content-Type: {FORM}\r\nExpect: 100-continue\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    let mut caller = TcpStream::connect(sidecar.client.public).await.unwrap();
    caller
        .write_all(head(PLAIN_HOOK, &headers).as_bytes())
        .await
        .unwrap();
    let mut told = [0; 25];
    caller.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    caller.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_who_hold_back_the_end_cost_no_memory() {
    withstand(2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some minutes; the same with fewer is above"]
async fn ten_thousand_who_hold_back_the_end_cost_no_memory() {
    withstand(10_000).await;
}
