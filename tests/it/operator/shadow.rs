//! Shadow mode without WordPress: what reaches PHP, and what callers and operators get. A small peer stands for PHP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::grants::least_account;
use crate::harness::agreement::check;
use crate::harness::client::FORM;
use crate::harness::eventually::{eventually, until};
use crate::harness::http;
use crate::harness::management::{self, TOKEN};
use crate::harness::metrics::{scrape, value};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{LEAVING_HOOK, PLAIN_HOOK, Site, target};
use crate::harness::snapshot::Snapshot;
use crate::harness::webhook_record::running_count;

/// What PHP does with a request, which is given as it came: the answer, head and all.
type Execute =
    Arc<dyn Fn(String) -> futures_util::future::BoxFuture<'static, Vec<u8>> + Send + Sync>;

/// Stands for PHP.
struct Peer {
    address: SocketAddr,
    /// Every request as it came.
    reached: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    async fn start(execute: Execute) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let reached: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = Arc::clone(&reached);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (all, execute) = (Arc::clone(&all), Arc::clone(&execute));
                tokio::spawn(async move {
                    // `check` connects and says nothing.
                    if let Some(request) = read(&mut stream).await {
                        all.lock().unwrap().push(request.clone());
                        let answer = execute(request).await;
                        let _ = stream.write_all(&answer).await;
                    }
                });
            }
        });
        Self { address, reached }
    }

    /// One that gives everybody the same answer.
    async fn saying(answer: &'static str) -> Self {
        Self::start(Arc::new(move |_| {
            Box::pin(async move { answer.as_bytes().to_vec() })
        }))
        .await
    }

    /// A web server that sends calls to the sidecar at this address.
    async fn leading_to(address: Arc<OnceLock<SocketAddr>>) -> Self {
        Self::start(Arc::new(move |request| {
            let address = *address.get().unwrap();
            Box::pin(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                answer
            })
        }))
        .await
    }

    fn reached(&self) -> Vec<String> {
        self.reached.lock().unwrap().clone()
    }

    async fn sidecar(&self, site: &Site) -> Sidecar {
        Sidecar::start_with(site, &shadow(&format!("http://{}", self.address))).await
    }
}

fn shadow(php: &str) -> [(&str, &str); 2] {
    [
        ("FCOM_SIDECAR__SHADOW__ENABLED", "true"),
        ("FCOM_SIDECAR__SHADOW__PHP", php),
    ]
}

/// A whole request; `None` if there is none.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("\r\n")
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
}

fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json; charset=UTF-8\r\nX-PHP: yes\r\nSet-Cookie: a=1\r\n\
    Set-Cookie: b=2\r\nTransfer-Encoding: chunked\r\n\r\n34\r\n{\"status\":\"error\",\"message\":\"Webhook not \
    found\"}    \r\n0\r\n\r\n";

const BAD_GATEWAY: &str =
    "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\noops";

async fn report(sidecar: &Sidecar, calls: u64) -> Value {
    eventually(async || {
        let (worked, said, complained) = sidecar.output(&["shadow", "report", "--json"]);
        assert!(worked, "{complained}");
        let report: Value = serde_json::from_str(&said).unwrap();
        if report["calls"] == calls && report["running"] == 0 {
            Ok(report)
        } else {
            Err(said)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_gets_the_request_as_it_came_and_the_caller_what_php_answers() {
    let site = Site::new("71").await;
    let peer = Peer::saying(NOT_FOUND).await;
    let sidecar = peer.sidecar(&site).await;
    let before = Snapshot::take(&site).await;
    let wrong = "/portal//x?fcom_action=incoming_webhook&webhook=wrong'key&a=%zz";
    let headers = [
        ("Host", "community.example.com"),
        ("Content-Type", FORM),
        ("X-Forwarded-For", "203.0.113.7"),
        ("Idempotency-Key", "1"),
    ];
    let body = b"email=jane%40example.com&user_password=correct+horse";
    let response = sidecar.client.request("POST", wrong, &headers, body).await;
    assert_eq!(
        (response.status, response.header("x-php")),
        (404, Some("yes"))
    );
    assert_eq!(response.headers("set-cookie").count(), 2);
    assert_eq!(response.json()["message"], "Webhook not found");

    let [request] = &peer.reached()[..] else {
        panic!("{:?}", peer.reached())
    };
    assert!(
        request.starts_with(&format!("POST {wrong} HTTP/1.1\r\n")),
        "{request}"
    );
    assert!(
        request.ends_with(&format!("\r\n\r\n{}", String::from_utf8_lossy(body))),
        "{request}"
    );
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").skip(1).collect();
    lines.sort_unstable();
    let mark = lines
        .iter()
        .position(|line| line.starts_with("x-fcom-sidecar-shadow: "));
    lines.remove(mark.unwrap());
    assert_eq!(
        lines,
        [
            "connection: close",
            "content-length: 52",
            "content-type: application/x-www-form-urlencoded",
            "host: community.example.com",
            "idempotency-key: 1",
            "x-forwarded-for: 203.0.113.7",
        ]
    );
    assert!(before.diff(&Snapshot::take(&site).await).is_empty());
}

/// Neither the probe of `check` nor what strangers send says anything about the members of the site.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_webhook_is_passed_on_and_not_recorded() {
    let site = Site::new("71").await;
    let peer = Peer::saying(NOT_FOUND).await;
    let sidecar = peer.sidecar(&site).await;
    let wrong = target("check-0123456789abcdef");
    for (method, target, kind, body) in [
        ("POST", "/portal/?x=1", FORM, "a=b"),
        ("POST", &*wrong, FORM, "email=a%40example.com"),
        ("POST", &*wrong, "application/json", "{}"),
        ("GET", &*wrong, FORM, ""),
        ("POST", "/portal/?fcom_action=incoming_webhook", FORM, "a=b"),
    ] {
        let headers = [("Content-Type", kind)];
        let answer = sidecar
            .client
            .request(method, target, &headers, body.as_bytes());
        assert_eq!(answer.await.status, 404);
    }
    let known = sidecar
        .client
        .call(PLAIN_HOOK, &[("email", "a@example.com")]);
    assert_eq!((known.await.status, peer.reached().len()), (404, 6));
    let report = report(&sidecar, 1).await;
    assert_eq!(report["unexplained"], 1, "{report}");
    let unexplained = value(
        &scrape(&sidecar.client).await,
        r#"fcom_sidecar_shadow_calls_total{verdict="unexplained"}"#,
    );
    assert!((unexplained - 1.0).abs() < f64::EPSILON, "{unexplained}");
    let told = check(&sidecar);
    told.assert("shadow", "warning", "1 call in shadow, 1 unexplained");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_that_did_nothing_or_is_away_is_told_as_such() {
    let site = Site::new("71").await;
    let silent = json(
        "200 OK",
        r#"{"status":"success","message":"webhook has been successfully executied","execution_timestamp":1,"user_id":99}"#,
    );
    let peer = Peer::start(Arc::new(move |_| {
        let silent = silent.clone();
        Box::pin(async move { silent })
    }))
    .await;
    let sidecar = peer.sidecar(&site).await;
    let fields = [
        ("email", "new@example.com"),
        ("user_password", "correct horse"),
    ];
    assert_eq!(sidecar.client.call(PLAIN_HOOK, &fields).await.status, 200);
    let found = report(&sidecar, 1).await;
    assert_eq!(found["unexplained"], 1, "{found}");
    let id = found["look_at"][0]["id"].to_string();
    let (_, shown, _) = sidecar.output(&["shadow", "show", &id]);
    for place in [
        "wp_users\n",
        "wp_fcom_xprofile\n",
        "wp_usermeta: nickname\n",
        "answer.user_id\n",
        "running_count\n",
    ] {
        assert!(shown.contains(place), "{place}: {shown}");
    }
    for secret in ["new@example.com", "correct horse", "$P$", PLAIN_HOOK] {
        let kept = site
            .column("SELECT findings FROM wp_fcom_sidecar_shadow")
            .await
            .concat();
        assert!(
            !shown.contains(secret) && !kept.contains(secret),
            "{secret}: {shown}"
        );
    }
    let (code, said, _) = sidecar.outcome(&["shadow", "report", "--since", "1h"]);
    assert!(
        code == 0 && said.contains("Not ready to switch: 1 call differs"),
        "{said}"
    );
    let (code, said, _) = sidecar.outcome(&["shadow", "report", "--since", "2999-01-01"]);
    assert!(
        code == 0 && said.contains("no call was found equal yet"),
        "{said}"
    );
    let (code, _, complained) = sidecar.outcome(&["shadow", "report", "--since", "soon"]);
    assert!(
        code == 1 && complained.contains("is no time"),
        "{complained}"
    );

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let php = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let away = Sidecar::start_with(&site, &shadow(&php)).await;
    let response = away.client.call(PLAIN_HOOK, &fields).await;
    assert_eq!(response.status, 502, "{}", response.text());
    let found = report(&away, 2).await;
    assert_eq!(found["uncompared"], 1, "{found}");
    assert!(
        found["reasons"]
            .to_string()
            .contains("PHP cannot be reached"),
        "{found}"
    );
    check(&away).assert("shadow", "failed", "PHP cannot be reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_leads_back_is_noticed() {
    const COMPLAINT: &str = "shadow.php leads back to the sidecar";
    let site = Site::new("71").await;
    for instances in [1, 2] {
        // Each leads to the next one, and the last to the first.
        let places: Vec<_> = (0..instances).map(|_| Arc::default()).collect();
        let (mut peers, mut sidecars) = (Vec::new(), Vec::new());
        for number in 0..instances {
            let next = Arc::clone(&places[(number + 1) % instances]);
            let peer = Peer::leading_to(next).await;
            let sidecar = peer.sidecar(&site).await;
            places[number].set(sidecar.client.public).unwrap();
            peers.push(peer);
            sidecars.push(sidecar);
        }
        let fields = [("email", "a@example.com")];
        let begun = Instant::now();
        for calls in 1..=20 {
            let response = sidecars[0].client.call(PLAIN_HOOK, &fields).await;
            assert_eq!(response.status, 508, "{}", response.text());
            assert!(peers.iter().all(|peer| peer.reached().len() == calls));
        }
        sidecars[0].says(COMPLAINT).await;
        let lines = sidecars[0].log().matches(COMPLAINT).count() as u64;
        assert!(lines <= begun.elapsed().as_secs() + 1, "{lines}");
    }
}

/// Nobody else can make the sidecar accuse its configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cannot_say_that_an_address_leads_back() {
    let site = Site::new("71").await;
    let peer = Peer::saying(NOT_FOUND).await;
    let sidecar = peer.sidecar(&site).await;
    let headers = [("Content-Type", FORM), ("X-Fcom-Sidecar-Shadow", "1")];
    let (call, body) = (target(PLAIN_HOOK), b"email=a%40example.com");
    let response = sidecar.client.request("POST", &call, &headers, body).await;
    assert_eq!(response.status, 404, "{}", response.text());
    let reached = peer.reached().concat();
    assert!(
        reached.contains("\r\nx-fcom-sidecar-shadow: 1\r\n"),
        "{reached}"
    );
    assert!(!sidecar.log().contains("leads back"));
}

/// Of a call that PHP never got, or did not answer, nobody can say what it would have done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_web_server_says_instead_of_php_is_not_compared() {
    let site = Site::new("71").await;
    let peer = Peer::saying(BAD_GATEWAY).await;
    let sidecar = peer.sidecar(&site).await;
    let call = sidecar
        .client
        .call(PLAIN_HOOK, &[("email", "new@example.com")]);
    assert_eq!(call.await.status, 502);
    let found = report(&sidecar, 1).await;
    assert_eq!(
        (&found["uncompared"], &found["unexplained"]),
        (&1.into(), &0.into())
    );
    let (_, said, _) = sidecar.outcome(&["shadow", "report"]);
    assert!(
        said.contains("PHP's web server answered with 502"),
        "{said}"
    );
}

/// The account of `grants.sql` may not read all that calls write: that is no agreement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_account_may_not_read_is_named_as_not_compared() {
    let site = Site::new("71").await;
    let peer = Peer::saying(NOT_FOUND).await;
    let (url, php) = (
        least_account(&site).await,
        format!("http://{}", peer.address),
    );
    let [enabled, php] = shadow(&php);
    let options = [enabled, php, ("FCOM_SIDECAR__DATABASE__URL", url.as_str())];
    let sidecar = Sidecar::unstarted(&site, &options).await;
    check(&sidecar).assert(
        "shadow",
        "warning",
        "not compared, unless you grant the account SELECT on it: wp_fcom_xprofile.display_name",
    );
}

/// PHP refuses protected webhooks, so there would be nothing to compare and nobody to execute them.
#[tokio::test]
async fn protected_webhooks_have_no_shadow() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::unstarted(&site, &shadow("http://127.0.0.1:8080")).await;
    sidecar.append_configuration(
        "[protection.shop]\nwebhook_id = 3\nallowed_networks = [\"10.0.0.0/8\"]\n",
    );
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78));
    let log = sidecar.log();
    assert!(
        log.contains("shadow.enabled: is true, and webhooks are protected"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comparisons_are_listed_and_forgotten_in_time() {
    let site = Site::new("71").await;
    let sidecar = management::start(&site).await;
    site.execute(
        "INSERT INTO wp_fcom_sidecar_shadow (started_at, ended_at, verdict, php_ms, sidecar_ms) VALUES \
         (UTC_TIMESTAMP() - INTERVAL 1 DAY, UTC_TIMESTAMP(), 'equal', 20, 9), \
         (UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'equal', 10, NULL), \
         (UTC_TIMESTAMP() - INTERVAL 1 HOUR, NULL, NULL, NULL, NULL)",
    )
    .await;
    let found = report(&sidecar, 3).await;
    assert_eq!(
        (&found["equal"], &found["uncompared"]),
        (&2.into(), &1.into())
    );
    // What was refused without the database took it no time.
    assert_eq!(
        (&found["php_ms"], &found["sidecar_ms"]),
        (&15.into(), &9.into())
    );
    let authorization = format!("Bearer {TOKEN}");
    let get = async |path: &str| {
        let headers = [("Authorization", authorization.as_str())];
        http::request(sidecar.client.admin, "GET", path, &headers, b"")
            .await
            .unwrap()
    };
    let page = get("/shadow?limit=2").await.json();
    assert_eq!(
        (&page["shadow"][0]["id"], &page["next_before"]),
        (&3.into(), &2.into())
    );
    let rest = get("/shadow?before=2").await.json();
    assert_eq!(rest["shadow"].as_array().unwrap().len(), 1);
    assert_eq!(get("/shadow/2").await.json()["verdict"], "equal");
    assert_eq!(get("/shadow/9").await.status, 404);
    assert_eq!(get("/shadow?limit=0").await.status, 400);

    site.execute(
        "UPDATE wp_fcom_sidecar_shadow SET started_at = started_at - INTERVAL 30 DAY WHERE id = 1",
    )
    .await;
    let mut other = Sidecar::unstarted(&site, &[]).await;
    other.spawn();
    until("old comparisons are kept", async || {
        site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_shadow")
            .await
            == 2
    })
    .await;
}

/// Does what the handler does for a member who is in no space: counts the run.
async fn count(pool: &sqlx::MySqlPool) -> Vec<u8> {
    let mut transaction = pool.begin().await.unwrap();
    let select = format!(
        "SELECT CAST(value AS CHAR) FROM wp_fcom_meta WHERE meta_key = '{LEAVING_HOOK}' FOR UPDATE"
    );
    let value: String = sqlx::query_scalar(AssertSqlSafe(select))
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let runs = running_count(&value);
    let more = value.replace(&format!("i:{runs};}}"), &format!("i:{};}}", runs + 1));
    assert_ne!(value, more);
    sqlx::query(
        "UPDATE wp_fcom_meta SET value = ?, updated_at = UTC_TIMESTAMP() WHERE meta_key = ?",
    )
    .bind(&more)
    .bind(LEAVING_HOOK)
    .execute(&mut *transaction)
    .await
    .unwrap();
    let now: i64 = sqlx::query_scalar("SELECT UNIX_TIMESTAMP()")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    json(
        "200 OK",
        &format!(
            r#"{{"status":"success","message":"webhook has been successfully executied","execution_timestamp":{now},"user_id":3}}"#
        ),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_calls_at_two_instances_each_reaches_php_once_and_is_compared_once() {
    const CALLS: usize = 1_000;
    const CALLERS: usize = 32;
    let site = Site::new("71").await;
    let pool = site.pool().clone();
    let peer = Peer::start(Arc::new(move |_| {
        let pool = pool.clone();
        Box::pin(async move { count(&pool).await })
    }))
    .await;
    let sidecars = [peer.sidecar(&site).await, peer.sidecar(&site).await];
    let callers = (0..CALLERS).map(|caller| {
        let client = sidecars[caller % 2].client.clone();
        async move {
            for number in (caller..CALLS).step_by(CALLERS) {
                let number = number.to_string();
                let fields = [
                    ("email", "profiled.user@example.com"),
                    ("number", number.as_str()),
                ];
                assert_eq!(client.call(LEAVING_HOOK, &fields).await.status, 200);
            }
        }
    });
    join_all(callers).await;
    let report = report(&sidecars[0], CALLS as u64).await;
    assert_eq!(
        (&report["unexplained"], &report["uncompared"]),
        (&0.into(), &0.into()),
        "{report}"
    );
    let mut numbers: Vec<usize> = peer
        .reached()
        .iter()
        .map(|request| request.rsplit_once("number=").unwrap().1.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..CALLS));
    let requests = "SELECT COUNT(DISTINCT request_id) FROM wp_fcom_sidecar_shadow";
    assert_eq!(site.number(requests).await, CALLS as u64);
}
