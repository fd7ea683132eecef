//! Under which names the admin listener answers, and that nothing a client says becomes part of an address in its answers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::http::{self, Response, request_over_socket};
use crate::harness::management::{PATH, TOKEN};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

const PAGES: [&str; 6] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/runs",
    PATH,
];

async fn get(sidecar: &Sidecar, path: &str, headers: &[(&str, &str)]) -> Response {
    let authorization = format!("Bearer {TOKEN}");
    let mut all = vec![("Authorization", authorization.as_str())];
    all.extend(headers);
    http::request(sidecar.client.admin, "GET", path, &all, b"")
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_another_page_may_have_is_not_answered() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
        (
            "FCOM_SIDECAR__SERVER__ADMIN_HOSTS",
            "Sidecar,sidecar.monitoring.svc",
        ),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    let admin = sidecar.client.admin;
    for path in PAGES {
        for host in [
            &admin.to_string(),
            "10.2.3.4:9095",
            "[::1]:9095",
            "localhost",
            "LOCALHOST.:80",
            "sidecar:9095",
            "Sidecar.Monitoring.Svc",
        ] {
            let answer = get(&sidecar, path, &[("Host", host)]).await;
            assert_eq!(answer.status, 200, "{path} {host}: {}", answer.text());
        }
        for host in [
            "evil.example",
            "evil.example:9095",
            "127.0.0.1.evil.example:9095",
            "localhost.evil.example",
            "sidecar.evil.example",
            "evil.example\u{1b}[31m",
        ] {
            let answer = get(&sidecar, path, &[("Host", host)]).await;
            if host.contains('\u{1b}') && answer.status == 400 {
                continue;
            }
            assert_eq!(answer.status, 421, "{path} {host}: {}", answer.text());
            assert_eq!(answer.json()["code"], "unknown_host");
            assert!(
                answer.text().contains("server.admin_hosts"),
                "{}",
                answer.text()
            );
            assert!(!answer.text().contains("evil"), "{}", answer.text());
        }
        let target = format!("http://evil.example{path}");
        let answer = get(&sidecar, &target, &[]).await;
        assert_eq!(answer.status, 421, "{target}: {}", answer.text());
    }
    assert!(sidecar.log().contains("not known as \"evil.example:9095\""));
    // What probes send: HTTP/1.0, which need not name a host.
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let probe = b"GET /healthz HTTP/1.0\r\n\r\n";
    stream.write_all(probe).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 200 OK\r\n"), "{answer}");
    // Public calls may come under any name.
    let host = [("Host", "evil.example")];
    let call = sidecar.client.request("POST", "/", &host, b"").await;
    assert_ne!(call.status, 421, "{}", call.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_and_a_star_answer_under_any_name() {
    let site = Site::new("71").await;
    let hosts = [("FCOM_SIDECAR__SERVER__ADMIN_HOSTS", "*")];
    let sidecar = Sidecar::start_with(&site, &hosts).await;
    let host = [("Host", "any.example")];
    assert_eq!(get(&sidecar, "/metrics", &host).await.status, 200);
    drop(sidecar);

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let listen = format!("unix:{}", socket.display());
    let listen = [("FCOM_SIDECAR__SERVER__ADMIN_LISTEN", listen.as_str())];
    let mut sidecar = Sidecar::unstarted(&site, &listen).await;
    assert!(sidecar.run(&["migrate"]).success());
    sidecar.spawn();
    sidecar.says("for operators").await;
    let answer = request_over_socket(&socket, "GET", "/metrics", &host, b"").await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_client_says_becomes_a_page_s_address() {
    let site = Site::new("71").await;
    let sidecar = crate::harness::management::start(&site).await;
    let list = format!("{PATH}?page=2&per_page=1");
    for (headers, scheme) in [
        (vec![], "http"),
        (
            vec![("Forwarded", "proto=javascript;host=evil.example")],
            "http",
        ),
        (
            vec![("Forwarded", "proto=https;host=\"evil.example:1\"")],
            "http",
        ),
        (vec![("X-Forwarded-Proto", "javascript")], "http"),
        (
            vec![("X-Forwarded-Proto", "javascript:alert(1)//, https")],
            "https",
        ),
        (vec![("X-Forwarded-Proto", "https")], "https"),
        (
            vec![
                ("X-Forwarded-Host", "evil.example"),
                ("X-Forwarded-Port", "1"),
            ],
            "http",
        ),
        (
            vec![
                ("X-Original-Host", "evil.example"),
                ("X-Rewrite-URL", "/evil"),
            ],
            "http",
        ),
    ] {
        let answer = get(&sidecar, &list, &headers).await;
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
        let page = &answer.json()["webhooks"];
        let links = page["links"].as_array().unwrap().iter();
        let links = links.filter_map(|link| link["url"].as_str());
        let fields = [
            "path",
            "first_page_url",
            "last_page_url",
            "prev_page_url",
            "next_page_url",
        ];
        let urls = fields.map(|field| page[field].as_str().unwrap());
        let address = format!("{scheme}://{}{PATH}", sidecar.client.admin);
        for url in urls.into_iter().chain(links) {
            assert!(url.starts_with(&address), "{headers:?}: {url}");
        }
    }
}
