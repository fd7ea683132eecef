//! The web servers of `deploy/` in front of the daemon and of PHP: which one gets each request, with which client
//! address, failover when the daemon is down, and that no log contains a key.

mod headers;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use fcom_sidecar::sample::machine::free_port;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::harness::check_report::check;
use crate::harness::eventually::until;
use crate::harness::front::{Front, Portal, Server};
use crate::harness::programs::program;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site, target};

#[tokio::test]
async fn nginx_hands_over_calls_and_nothing_else() {
    judge(Server::Nginx).await;
}

#[tokio::test]
async fn nginx_hands_calls_to_whichever_of_two_sidecars_is_there() {
    judge(Server::NginxOfTwo).await;
}

#[tokio::test]
async fn apache_hands_over_calls_and_nothing_else() {
    judge(Server::Apache).await;
}

#[tokio::test]
async fn caddy_hands_over_calls_and_nothing_else() {
    judge(Server::Caddy).await;
}

#[tokio::test]
async fn haproxy_hands_over_calls_and_nothing_else() {
    judge(Server::HaProxy).await;
}

#[tokio::test]
async fn portals_of_other_names_and_on_the_front_page_are_found() {
    let (site, sidecar) = daemon().await;
    for server in [
        Server::Nginx,
        Server::Apache,
        Server::Caddy,
        Server::HaProxy,
    ] {
        for (portal, path, others) in [
            (
                Portal::Renamed,
                "/forum/community/",
                ["/portal/", "/forum/communityx/"],
            ),
            (Portal::Root, "/", ["/portal/", "/x"]),
        ] {
            let front = Front::start(server, sidecar.client.public, portal).await;
            let call = target(PLAIN_HOOK);
            let query = call.split_once('?').unwrap().1;
            let at = |path: &str| format!("{path}?{query}");
            let fields = ["--data", "email=existing@example.com"];
            let executed = curl(&front, &at(path), &fields).await;
            assert_eq!(executed.by(), "sidecar", "{server:?} {path}");
            for other in others {
                let answer = curl(&front, &at(other), &fields).await;
                assert_eq!(answer.by(), "PHP", "{server:?} {other}");
            }
        }
    }
    drop(site);
}

/// Any process on the machine can connect there, whatever the site's own rules say.
#[tokio::test]
async fn the_address_for_calls_that_no_sidecar_gets_leads_to_wordpress_only() {
    let nobody = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    for server in [Server::Apache, Server::Caddy] {
        let front = Front::start(server, nobody, Portal::Usual).await;
        front.add("private/.htaccess", "Require all denied\n");
        for folder in ["", "private/"] {
            front.add(&format!("{folder}plain.txt"), "a file");
            front.add(&format!("{folder}other.php"), "<?php echo 'another';");
        }
        front.add("private/index.php", "<?php echo 'another';");
        for path in [
            "/plain.txt",
            "/other.php",
            "/other.php/x?a=1",
            "/private/plain.txt",
            "/private/other.php",
            "/private/index.php",
            "/private/",
            "/private",
            "/private/.htaccess",
            "/index.php",
            "/index.php/x",
            "/",
            "/portal/?a=%20b",
        ] {
            let answer = curl_at(&front, front.php, path, &[]).await;
            let uri = answer.json["uri"].as_str();
            assert_eq!((answer.by(), uri), ("PHP", Some(path)), "{server:?}");
        }
    }
}

/// A daemon that trusts 127.0.0.1 only, because the servers call from there; callers use other addresses of this
/// machine. The webhook for spaces accepts 127.0.0.2.
async fn daemon() -> (Site, Sidecar) {
    let site = Site::new("71").await;
    let id = site
        .number(&format!(
            "SELECT id FROM wp_fcom_meta WHERE meta_key = '{SPACES_HOOK}'"
        ))
        .await;
    let sections = format!(
        "trusted_proxies = [\"127.0.0.1\"]\n[wordpress]\ntable_prefix = \"wp_\"\nversion = \"{}\"\n[database]\n\
         url = \"{}\"\n[protection.spaces]\nwebhook_id = {id}\nallowed_networks = [\"127.0.0.2/32\"]\nphp_may_execute = true\n",
        site.wordpress,
        site.url()
    );
    let sidecar = Sidecar::start_configured(&site, &sections, &[]).await;
    (site, sidecar)
}

async fn judge(server: Server) {
    let (site, mut sidecar) = daemon().await;
    let front = Front::start(server, sidecar.client.public, Portal::Usual).await;
    site.execute(&format!(
        "UPDATE wp_options SET option_value = 'http://{}' WHERE option_name = 'home'",
        front.address
    ))
    .await;
    let before = front.seen_by_php().len();
    check(&site)
        .await
        .assert("web-server", "ok", "arrive at the sidecar");
    assert_eq!(front.seen_by_php().len(), before);
    calls_and_nothing_else(&front, &site).await;
    the_client_is_told(&front, &site).await;
    php_takes_over(&front, &site, &mut sidecar).await;
    nothing_is_done_twice(&front, &mut sidecar).await;
    no_log_holds_a_key(&front);
}

async fn calls_and_nothing_else(front: &Front, site: &Site) {
    // As in the plugin's documentation.
    let form = [
        "--form",
        "email=ann@example.com",
        "--form",
        "first_name=Ann",
    ];
    let call = target(PLAIN_HOOK);
    let answer = curl(front, &call, &form).await;
    assert_eq!((answer.status, answer.by()), (200, "sidecar"));
    let user = "SELECT ID FROM wp_users WHERE user_email = 'ann@example.com'";
    assert_eq!(answer.json["user_id"], site.number(user).await);
    let encoded = ["--data", "email=ann@example.com"];
    for path in [
        call.clone(),
        call.replace("/portal/", "/portal"),
        call.replace("/portal/", "/portal/x/y"),
    ] {
        let answer = curl(front, &path, &encoded).await;
        assert_eq!((answer.status, answer.by()), (200, "sidecar"), "{path}");
    }
    // The sidecar's own error for a wrong key.
    let answer = curl(front, &target("00000000000000000000000000000000"), &encoded).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json["message"], "Webhook not found");

    // Who tests an address before saving it.
    let before = front.seen_by_php().len();
    let wrong = target("00000000000000000000000000000000");
    for (arguments, right_key, wrong_key) in [
        (["--head"].as_slice(), 200, 404),
        (&[], 405, 404),
        (&["--request", "OPTIONS"], 204, 204),
    ] {
        for (path, status) in [(&call, right_key), (&wrong, wrong_key)] {
            let answer = curl(front, path, arguments).await;
            assert_eq!(answer.status, status, "{path} {arguments:?}");
        }
    }
    assert_eq!(front.seen_by_php().len(), before);

    let referrer = format!("http://{}{call}", front.address);
    for (path, arguments) in [
        ("/portal/".to_owned(), vec![]),
        ("/portal/".to_owned(), vec!["--referer", &referrer]),
        ("/portal/".to_owned(), encoded.to_vec()),
        (
            call.replace("incoming_webhook", "another_action"),
            encoded.to_vec(),
        ),
        (call.replace(PLAIN_HOOK, ""), encoded.to_vec()),
        (call.replace(PLAIN_HOOK, "0"), encoded.to_vec()),
        (call.replace("/portal/", "/portalx/"), encoded.to_vec()),
        (call.replace("/portal/", "/PORTAL/"), encoded.to_vec()),
        ("/wp-admin/admin-ajax.php".to_owned(), encoded.to_vec()),
    ] {
        let answer = curl(front, &path, &arguments).await;
        assert_eq!(answer.by(), "PHP", "{path} {arguments:?}");
        let seen = front.seen_by_php().pop().unwrap();
        assert_eq!(seen["uri"], path);
    }
}

async fn the_client_is_told(front: &Front, site: &Site) {
    let call = target(SPACES_HOOK);
    for (client, status) in [("127.0.0.2", 200), ("127.0.0.3", 403)] {
        let arguments = [
            "--interface",
            client,
            "--header",
            "X-Forwarded-For: 127.0.0.2",
            "--data",
            "email=existing@example.com",
        ];
        let answer = curl(front, &call, &arguments).await;
        assert_eq!(answer.status, status, "{client}: {}", answer.json);
    }
    let arguments = [
        "--header",
        "X-Forwarded-Proto: https",
        "--data",
        "email=scheme@example.com",
    ];
    assert_eq!(
        curl(front, &target(PLAIN_HOOK), &arguments).await.status,
        200
    );
    let https = "SELECT https FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
    assert_eq!(site.text(https).await.as_deref(), Some("0"));
}

/// PHP gets the body, from the first call on, until the sidecar is back.
async fn php_takes_over(front: &Front, site: &Site, sidecar: &mut Sidecar) {
    assert!(sidecar.terminate().unwrap().success());
    let path = target(PLAIN_HOOK);
    let long = format!("long={}", "x".repeat(900_000));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, format!("email=long@example.com&{long}")).unwrap();
    let from_file = format!("@{}", file.display());
    for (arguments, email) in [
        (["--form", "email=down@example.com"], "down@example.com"),
        (["--data", "email=down2@example.com"], "down2@example.com"),
        (["--data-binary", &from_file], "long@example.com"),
    ] {
        let before = front.seen_by_php().len();
        let answer = curl(front, &path, &arguments).await;
        assert_eq!((answer.status, answer.by()), (200, "PHP"), "{email}");
        let seen = front.seen_by_php();
        assert_eq!(seen.len(), before + 1);
        assert_eq!(seen[before]["fields"]["email"], email);
        assert_eq!(seen[before]["uri"], path);
        assert_eq!(seen[before]["method"], "POST");
        let host = seen[before]["host"].as_str().unwrap();
        assert!(host.starts_with("127.0.0.1"), "{host}");
        let length = seen[before]["fields"]["long"].as_str().map(str::len);
        assert_eq!(length, (email == "long@example.com").then_some(900_000));
    }
    let head = curl(front, &path, &["--head"]).await;
    let seen = front.seen_by_php();
    let before = seen.len();
    assert_eq!(head.status, 200);
    assert_eq!(seen[before - 1]["method"], "HEAD");
    check(site)
        .await
        .assert("web-server", "warning", "arrive at PHP");
    let seen = front.seen_by_php();
    assert_eq!(seen.len(), before + 1);
    assert_eq!(seen[before]["fields"], Value::Array(Vec::new()));
    sidecar.restart().await;
    until("PHP keeps the calls", async || {
        let answer = curl(front, &path, &["--data", "email=ann@example.com"]).await;
        answer.by() == "sidecar"
    })
    .await;
}

/// PHP must not repeat a call that reached a sidecar whose connection then broke.
async fn nothing_is_done_twice(front: &Front, sidecar: &mut Sidecar) {
    sidecar.kill();
    let broken = Broken::listen(sidecar.client.public).await;
    let mut number = 0;
    until("no call reaches the sidecar", async || {
        number += 1;
        let email = format!("broken{number}@example.com");
        let fields = format!("email={email}");
        let answer = curl(front, &target(PLAIN_HOOK), &["--data", &fields]).await;
        if !broken.has_seen(&email) {
            // The server has not yet noticed that it is back: PHP alone handles the call.
            assert_eq!(answer.by(), "PHP");
            return false;
        }
        assert_eq!(answer.status, 502);
        let repeated = front.seen_by_php();
        let repeated = repeated.iter().find(|one| one["fields"]["email"] == *email);
        assert_eq!(repeated, None);
        true
    })
    .await;
}

fn no_log_holds_a_key(front: &Front) {
    let logs = front.logs();
    let all: String = logs.iter().map(|(_, text)| text.as_str()).collect();
    for key in [PLAIN_HOOK, SPACES_HOOK] {
        let holding: Vec<_> = logs.iter().filter(|(_, text)| text.contains(key)).collect();
        assert!(holding.is_empty(), "{holding:#?}");
    }
    // Proves that requests are logged.
    assert!(all.contains("/portal/x/y"), "{logs:#?}");
}

/// Reads requests and closes the connection without an answer.
struct Broken {
    seen: Arc<Mutex<Vec<u8>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Broken {
    async fn listen(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = seen.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let all = all.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 65_536];
                    // These calls end with the host of their last field.
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        all.lock().unwrap().extend_from_slice(&buffer[..length]);
                        if buffer[..length].ends_with(b"@example.com") {
                            return;
                        }
                    }
                });
            }
        });
        Self { seen, accepting }
    }

    fn has_seen(&self, email: &str) -> bool {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).contains(email)
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Answer {
    status: u16,
    json: Value,
}

impl Answer {
    /// Which side answered.
    fn by(&self) -> &str {
        match self.json["by"].as_str() {
            Some(by) => by,
            None if self.json["status"].is_string() => "sidecar",
            None => "the server itself",
        }
    }
}

async fn curl(front: &Front, path: &str, arguments: &[&str]) -> Answer {
    curl_at(front, front.address, path, arguments).await
}

async fn curl_at(front: &Front, address: SocketAddr, path: &str, arguments: &[&str]) -> Answer {
    let mut command = program("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "30"])
        .args(["--write-out", "\n%{http_code}", "--url"])
        .arg(format!("http://{address}{path}"))
        .args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    assert!(
        output.status.success(),
        "{text} {:?}: {:#?}",
        output.stderr,
        front.logs()
    );
    Answer {
        status: status.parse().unwrap(),
        json: serde_json::from_str(body).unwrap_or_default(),
    }
}
