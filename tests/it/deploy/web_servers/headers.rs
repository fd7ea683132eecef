//! What callers cannot say through the web servers of `deploy/`: every header that the daemon believes from a proxy, in
//! each spelling. `docs/security.md` has the same table.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{curl, daemon};
use crate::harness::front::{Front, Portal, Server};
use crate::harness::programs::program;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site, target};

const SERVERS: [Server; 4] = [
    Server::Nginx,
    Server::Apache,
    Server::Caddy,
    Server::HaProxy,
];
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// Only a proxy may say these.
const PROXYS: [&str; 6] = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Request-Id",
    "traceparent",
    "tracestate",
];
/// These are the caller's own.
const CALLERS: [(&str, &str); 4] = [
    ("Idempotency-Key", "order-stranger"),
    ("webhook-id", "msg_stranger"),
    ("webhook-timestamp", "1700000000"),
    ("webhook-signature", "v1,stranger"),
];

/// What a caller may try, all at once or each alone. 127.0.0.2 is the address that it would like to have.
fn inventions() -> Vec<Vec<String>> {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let forwarded = "for=127.0.0.2;proto=https;host=stranger.example";
    let one = |name: &str, value: &str| vec![format!("{name}: {value}")];
    let mut all = vec![
        one("X-Request-Id", "stranger-1"),
        one("x-rEQUEST-iD", "stranger-2"),
        one("X_Request_Id", "stranger-3"),
        one("traceparent", &parent),
        one("TRACEPARENT", &parent),
        one("Forwarded", forwarded),
        one("X-Forwarded-For", "127.0.0.2"),
        one("X_Forwarded_For", "127.0.0.2"),
        one("X-Forwarded-Proto", "https"),
        one("X-Real-IP", "127.0.0.2"),
        // A proxy leaves out the headers that Connection names, perhaps even those that it has just set.
        one(
            "Connection",
            "close, X-Forwarded-For, X-Forwarded-Proto, X-Request-Id",
        ),
        one("X-Forwarded-Host", "stranger.example"),
        one("Origin", "https://stranger.example"),
        one("Authorization", "Bearer stranger"),
    ];
    for twice in [
        [
            "X-Request-Id: stranger-4".to_owned(),
            "X-Request-Id: stranger-5".to_owned(),
        ],
        [
            format!("traceparent: {parent}"),
            "tracestate: stranger=6".to_owned(),
        ],
        [
            "X-Forwarded-For: 127.0.0.2".to_owned(),
            "X-Forwarded-For: 127.0.0.2".to_owned(),
        ],
        [
            "X-Forwarded-Proto: https".to_owned(),
            "x-forwarded-proto: https".to_owned(),
        ],
    ] {
        all.push(twice.to_vec());
    }
    all.push(all.concat());
    all
}

fn arguments<'a>(client: &'a str, headers: &'a [String], data: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["--interface", client, "--data", data];
    arguments.extend(headers.iter().flat_map(|header| ["--header", header]));
    arguments
}

#[tokio::test]
async fn callers_cannot_say_what_proxies_say() {
    let (site, sidecar) = daemon().await;
    for server in SERVERS {
        let front = Front::start(server, sidecar.client.public, Portal::Usual).await;
        for (number, headers) in inventions().iter().enumerate() {
            let context = format!("{server:?} {headers:?}");
            let data = "email=existing@example.com";
            let call = target(SPACES_HOOK);
            let refused = curl(&front, &call, &arguments("127.0.0.3", headers, data)).await;
            assert_eq!(refused.status, 403, "{context}: {}", refused.json);
            let named = request_id(&front, &call, &arguments("127.0.0.2", headers, data)).await;
            assert!(!named.contains("stranger"), "{context}: {named}");
            let run = last_run(&sidecar);
            assert_eq!(run["request_id"], *named, "{context}");
            assert_eq!(run["client_address"], "127.0.0.2", "{context}");
            let data = format!("email=scheme{number}.{server:?}@example.com");
            let data = data.to_lowercase();
            let made = arguments("127.0.0.3", headers, &data);
            let made = curl(&front, &target(PLAIN_HOOK), &made).await;
            assert_eq!(made.status, 200, "{context}: {}", made.json);
            let https = "SELECT https FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
            assert_eq!(site.text(https).await.as_deref(), Some("0"), "{context}");
        }
        let log = sidecar.log();
        let repeated: Vec<_> = log
            .lines()
            .filter(|line| line.contains("stranger") || line.contains(TRACE))
            .collect();
        assert!(repeated.is_empty(), "{server:?}: {repeated:#?}");
    }
}

/// The id in the answer to a call, which must be executed.
async fn request_id(front: &Front, call: &str, arguments: &[&str]) -> String {
    let mut command = program("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "30", "--include"])
        .args(["--url", &format!("http://{}{call}", front.address)])
        .args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output());
    let answer = String::from_utf8(run.await.unwrap().unwrap().stdout).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let ids: Vec<_> = answer
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"))
        .map(|(_, id)| id.trim().to_owned())
        .collect();
    assert_eq!(ids.len(), 1, "{answer}");
    ids[0].clone()
}

fn last_run(sidecar: &Sidecar) -> Value {
    let (succeeded, runs, errors) = sidecar.output(&["runs", "list", "--limit", "1", "--json"]);
    assert!(succeeded, "{errors}");
    let runs: Value = serde_json::from_str(&runs).unwrap();
    runs["runs"][0].clone()
}

/// The bytes that arrive where the daemon would listen.
#[tokio::test]
async fn web_servers_pass_on_the_callers_own_headers_only() {
    let heads = Heads::listen().await;
    the_callers_own_arrive(&heads, heads.address).await;
}

/// The bytes that arrive at PHP.
#[tokio::test]
async fn so_does_the_daemon_in_shadow_mode() {
    let site = Site::new("71").await;
    let heads = Heads::listen().await;
    let php = format!("http://{}", heads.address);
    let shadow = [
        ("FCOM_SIDECAR__SHADOW__ENABLED", "true"),
        ("FCOM_SIDECAR__SHADOW__PHP", &php),
    ];
    let sidecar = Sidecar::start_with(&site, &shadow).await;
    the_callers_own_arrive(&heads, sidecar.client.public).await;
}

/// Whatever callers send, through the web servers in front of this address.
async fn the_callers_own_arrive(heads: &Heads, next: SocketAddr) {
    let document = include_str!("../../../../docs/security.md");
    for server in SERVERS {
        let front = Front::start(server, next, Portal::Usual).await;
        for mut headers in inventions() {
            headers.extend(CALLERS.map(|(name, value)| format!("{name}: {value}")));
            let arguments = arguments("127.0.0.3", &headers, "email=a@example.com");
            heads.seen.lock().unwrap().clear();
            let answer = curl(&front, &target(PLAIN_HOOK), &arguments).await;
            assert_eq!(answer.status, 200, "{server:?} {headers:?}");
            let seen = heads.seen.lock().unwrap().clone();
            let context = format!("{server:?} {headers:?}\n{seen:#?}");
            assert_eq!(seen.len(), 1, "{context}");
            let of = |name: &str| -> Vec<&str> {
                let found = seen[0].lines().filter_map(|line| line.split_once(':'));
                let found = found.filter(|(header, _)| header.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.trim()).collect()
            };
            for name in PROXYS {
                assert!(document.contains(&format!("| `{name}` |")), "{name}");
                let (values, is_set) = (of(name), name.starts_with("X-Forwarded-"));
                assert_eq!(!values.is_empty(), is_set, "{name}: {context}");
            }
            assert_eq!(of("X-Forwarded-Proto"), ["http"], "{context}");
            let connection = of("Connection");
            assert!(matches!(connection[..], [] | ["close"]), "{context}");
            let hops = of("X-Forwarded-For").join(",");
            assert!(hops.ends_with("127.0.0.3"), "{context}");
            for (name, value) in CALLERS {
                assert!(document.contains(&format!("`{name}`")), "{name}");
                assert_eq!(of(name), [value], "{context}");
            }
        }
    }
}

/// Answers every call, and keeps its head.
struct Heads {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Heads {
    /// Until the test's runtime ends.
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let all = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let all = all.clone();
                tokio::spawn(async move {
                    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65_536]);
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        bytes.extend_from_slice(&buffer[..length]);
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        let whole = text.split_once("\r\n\r\n");
                        if let Some((head, _)) =
                            whole.filter(|(_, body)| body.contains("@example.com"))
                        {
                            all.lock().unwrap().push(head.to_owned());
                            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                            let _ = stream.write_all(answer).await;
                            return;
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }
}
