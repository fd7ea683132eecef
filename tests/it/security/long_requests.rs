//! Long heads and long bodies: they are answered as short ones are, and a client that guesses with them is limited in the same way.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::FORM;
use crate::harness::invariants;
use crate::harness::site::{PLAIN_HOOK, Site, target};
use crate::harness::watched::Watched;

const GUESS: &str = "99999999999999999999999999999999";
const GUESSER: &str = "X-Forwarded-For: 198.51.100.7, 203.0.113.1\r\n";

fn head(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

/// Sends the parts one after another and reads to the end of the connection.
async fn converse(sidecar: &Watched, parts: &[&[u8]]) -> String {
    let stream = TcpStream::connect(sidecar.client.public).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let send = async {
        for part in parts {
            // It may have been refused before.
            let _ = writer.write_all(part).await;
            tokio::task::yield_now().await;
        }
        writer
    };
    let mut answers = Vec::new();
    // Open until the answer has come.
    let (_writer, received) = tokio::join!(send, reader.read_to_end(&mut answers));
    // A reset after the answer ends it, too.
    assert!(received.is_ok() || !answers.is_empty(), "{received:?}");
    String::from_utf8(answers).unwrap()
}

/// The beginning of a long body, and nothing more.
async fn begin_long(sidecar: &Watched, key: &str, headers: &str) -> String {
    let headers = format!("Content-Type: {FORM}\r\nContent-Length: 100000\r\n{headers}");
    let begun = head("POST", &target(key), &headers) + "email=ann%40example.com&filler=xxxxxxxxxx";
    converse(sidecar, &[begun.as_bytes()]).await
}

#[tokio::test]
async fn long_bodies_with_wrong_keys_count_as_guesses() {
    let site = Site::new("71").await;
    // One more each half minute.
    let limit = "FCOM_SIDECAR__LIMITS__UNKNOWN_KEYS_PER_MINUTE_PER_CLIENT";
    let sidecar = Watched::start_with(&site, &[(limit, "2")]).await;
    let mut guesses = 0;
    let refused = loop {
        let key = match guesses {
            0 => String::new(),
            guess => format!("{guess:032x}"),
        };
        let answer = begin_long(&sidecar, &key, GUESSER).await;
        if !answer.starts_with("HTTP/1.1 404 ") {
            break answer;
        }
        guesses += 1;
        assert!(guesses < 20, "no guess is refused");
    };
    assert!(guesses >= 2, "{guesses}");
    assert!(
        refused.starts_with("HTTP/1.1 429 ") && refused.contains("\r\nretry-after: "),
        "{refused}"
    );
    let message = "{\"status\":\"error\",\"message\":\"Too many wrong keys from this client\"}";
    assert!(refused.ends_with(message), "{refused}");

    // For short ones as well; and a good key is executed.
    let forwarded = [("Content-Type", FORM), ("X-Forwarded-For", "203.0.113.1")];
    let call = async |key: &str, filler: usize| {
        let body = format!("email=ann%40example.com&filler={}", "x".repeat(filler));
        let target = target(key);
        let client = &sidecar.client;
        let called = client.request("POST", &target, &forwarded, body.as_bytes());
        called.await.status
    };
    assert_eq!(call(GUESS, 0).await, 429);
    assert_eq!(call(PLAIN_HOOK, 100_000).await, 200);
    assert_eq!(call(PLAIN_HOOK, 0).await, 200);
    let other = begin_long(&sidecar, GUESS, "X-Forwarded-For: 203.0.113.2\r\n").await;
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
    drop(sidecar);

    let limit = "FCOM_SIDECAR__LIMITS__CALLS_PER_SECOND_PER_CLIENT";
    let sidecar = Watched::start_with(&site, &[(limit, "1")]).await;
    let begun = (0..3).map(|_| begin_long(&sidecar, "", GUESSER));
    let answers = futures_util::future::join_all(begun).await;
    let are_told = answers.iter().filter(|answer| {
        answer.starts_with("HTTP/1.1 429 ") && answer.ends_with("calls from this client\"}")
    });
    assert!(are_told.count() > 0, "{answers:?}");
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Cookies, and what proxies add.
#[tokio::test]
async fn long_heads_are_answered_as_short_ones() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    let right = target(PLAIN_HOOK);
    let (wrong, other) = (target(GUESS), format!("/portal/?webhook={GUESS}"));
    let form = format!("Content-Type: {FORM}\r\n");
    let body = "email=existing%40example.com";
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (method, target, headers, body) in [
        ("HEAD", &right, "", ""),
        ("GET", &right, "", ""),
        ("OPTIONS", &right, "", ""),
        ("HEAD", &wrong, "", ""),
        ("GET", &wrong, "", ""),
        ("OPTIONS", &wrong, "", ""),
        ("GET", &right, "Content-Length: 28\r\n", body),
        ("HEAD", &right, "Transfer-Encoding: chunked\r\n", &chunked),
        (
            "OPTIONS",
            &right,
            "Transfer-Encoding: chunked\r\n",
            &chunked,
        ),
        ("PUT", &right, "Content-Length: 28\r\n", body),
        ("POST", &right, "Content-Length: 28\r\n", body),
        ("POST", &wrong, "Content-Length: 28\r\n", body),
        ("POST", &other, "Content-Length: 28\r\n", body),
        ("POST", &right, "Transfer-Encoding: chunked\r\n", &chunked),
    ] {
        let mut answers = Vec::new();
        for length in [0, 1_000, 3_000, 8_000, 30_000] {
            let cookies = "Cookie: a=b\r\n".repeat(length / 1_000)
                + &format!("Traced: {}\r\n", "x".repeat(length));
            let headers = format!("{form}{headers}Connection: close\r\n{cookies}");
            let head = head(method, target, &headers);
            let answer = converse(&sidecar, &[head.as_bytes(), body.as_bytes()]).await;
            answers.push(without_names(&answer));
        }
        let short = answers[0].clone();
        assert!(short.starts_with("HTTP/1.1 "), "{short}");
        for long in &answers {
            assert_eq!(*long, short, "{method} {target} {headers}");
        }
    }
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// An answer without what differs from one to the next, its lines in some order.
fn without_names(answer: &str) -> String {
    let is_equal = |line: &&str| {
        !["x-request-id:", "date:"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let mut lines: Vec<&str> = answer.split("\r\n").filter(is_equal).collect();
    lines[1..].sort_unstable();
    let text = lines.join("\n");
    match text.split_once("\"execution_timestamp\":") {
        Some((before, after)) => {
            before.to_owned() + after.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        None => text,
    }
}

/// What is in a body that nobody reads is no request, and the next one on the connection gets its own answer.
#[tokio::test]
async fn an_answer_before_the_body_was_read_leaves_the_next_request_its_own() {
    let site = Site::new("71").await;
    let sidecar = Watched::start(&site).await;
    let call = |email: &str, last: &str| {
        let body = format!("email={email}%40example.com");
        let length = body.len();
        let headers = format!("Content-Type: {FORM}\r\nContent-Length: {length}\r\n{last}");
        head("POST", &target(PLAIN_HOOK), &headers) + &body
    };
    // Wherever a reader might begin.
    let smuggled = format!("\r\n0\r\n\r\n{}\r\n", call("smuggled", ""));
    for size in [3_000, 40_000, 200_000] {
        for framing in ["one chunk", "chunks", "length"] {
            let inside = smuggled.repeat(size / smuggled.len());
            let (header, body) = if framing == "length" {
                (format!("Content-Length: {}", inside.len()), inside)
            } else {
                let longest = if framing == "chunks" {
                    700
                } else {
                    inside.len()
                };
                let mut body = String::new();
                for chunk in inside.as_bytes().chunks(longest) {
                    let (length, chunk) = (chunk.len(), str::from_utf8(chunk).unwrap());
                    body += &format!("{length:x}\r\n{chunk}\r\n");
                }
                ("Transfer-Encoding: chunked".to_owned(), body + "0\r\n\r\n")
            };
            // No form: answered without the body.
            let headers = format!("Content-Type: application/json\r\n{header}\r\n");
            let early = head("POST", &target(PLAIN_HOOK), &headers) + &body;
            for is_at_once in [false, true] {
                let name = format!("next{size}{framing}{is_at_once}").replace(' ', "");
                let next = call(&name, "Connection: close\r\n");
                let both = early.clone() + &next;
                let parts = if is_at_once {
                    vec![both.as_bytes()]
                } else {
                    vec![early.as_bytes(), next.as_bytes()]
                };
                let users = format!("SELECT COUNT(*) FROM wp_users WHERE user_login = '{name}'");
                let answers = converse(&sidecar, &parts).await;
                let statuses: Vec<&str> = answers
                    .split("HTTP/1.1 ")
                    .skip(1)
                    .map(|answer| &answer[..3])
                    .collect();
                let executed = site.number(&users).await;
                match &statuses[..] {
                    ["415", "200"] => assert_eq!(executed, 1),
                    ["415"] => {
                        assert!(answers.contains("connection: close"), "{answers}");
                        assert_eq!(executed, 0);
                    }
                    _ => panic!("{size} {framing}: {answers}"),
                }
            }
        }
    }
    let smuggled = "SELECT COUNT(*) FROM wp_users WHERE user_email LIKE 'smuggled%'";
    assert_eq!(site.number(smuggled).await, 0);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
