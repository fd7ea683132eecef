//! PHP's own door: a protected webhook is executed by PHP in no spelling, behind any of the web servers of `deploy/`,
//! whether the daemon runs or not. Webhooks that are not protected go to PHP as ever.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::PREFIX;
use super::installation::Installation;
use super::php::Server as Php;
use super::release;
use crate::harness::client::FORM;
use crate::harness::eventually::{eventually, until};
use crate::harness::front::{Front, Server};
use crate::harness::http::{self, Response};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

/// The key of a webhook that a protection names by id.
const SHOP: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
/// The key of one that a protection names by title.
const COURSE: &str = "b1b2c3d4e5f60718293a4b5c6d7e8f91";
/// The key of one that nothing protects.
const FREE: &str = "c1b2c3d4e5f60718293a4b5c6d7e8f92";
const TITLE: &str = "Höp!";

const PROTECTIONS: &str = "[protection.shop]\nwebhook_id = 3\nallowed_networks = [\"192.0.2.1\"]\n\
    [protection.course]\nwebhook_title = \"Höp!\"\nallowed_networks = [\"192.0.2.1\"]\n";

/// A WordPress with FluentCommunity's way from a request to a webhook.
struct Guarded {
    site: Site,
    installation: Installation,
}

impl Guarded {
    /// With the must-use plugin.
    async fn new() -> Self {
        let guarded = Self::without_plugin().await;
        guarded.install();
        guarded
    }

    async fn without_plugin() -> Self {
        let site = release::sample_site().await;
        for (id, key) in [(3, SHOP), (4, COURSE), (5, FREE)] {
            let value = r#"a:1:{s:5:"title";s:4:"Free";}"#;
            let value = match key {
                COURSE => value.replace(r#"s:4:"Free""#, &format!("s:5:\"{TITLE}\"")),
                _ => value.to_owned(),
            };
            site.execute(&format!(
                "UPDATE {PREFIX}fcom_meta SET meta_key = '{key}', value = '{value}', object_type = 'webhook' WHERE id = {id}"
            ))
            .await;
        }
        let installation = Installation::on(&site.server, &site.database, "");
        let guarded = Self { site, installation };
        fs::create_dir_all(guarded.root().join("wp-content/mu-plugins")).unwrap();
        guarded.copy("tests/data/php/mu-plugins/portal.php");
        guarded
    }

    fn root(&self) -> &Path {
        self.installation.root()
    }

    fn plugin(&self) -> PathBuf {
        self.root().join("wp-content/mu-plugins/fcom-sidecar.php")
    }

    fn install(&self) {
        self.copy("deploy/mu-plugin/fcom-sidecar.php");
    }

    fn copy(&self, file: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let folder = self.root().join("wp-content/mu-plugins");
        fs::copy(&source, folder.join(source.file_name().unwrap())).unwrap();
    }

    fn sections(&self, more: &str) -> String {
        let root = self.root().display();
        format!("[wordpress]\nroot = \"{root}\"\n[mail]\ntransport = \"off\"\n{more}")
    }

    /// A daemon with these protections, once PHP knows them.
    async fn sidecar(&self, protections: &str) -> Sidecar {
        let sections = self.sections(protections);
        let sidecar = Sidecar::start_configured(&self.site, &sections, &[]).await;
        let wanted = protections.matches("[protection.").count();
        until("the table does not name what is protected", async || {
            self.subjects("subject NOT LIKE 'guard %'").await.len() == wanted
        })
        .await;
        sidecar
    }

    async fn subjects(&self, condition: &str) -> Vec<String> {
        let sql = format!(
            "SELECT subject FROM {PREFIX}fcom_sidecar_guard WHERE {condition} ORDER BY subject"
        );
        self.site.column(&sql).await
    }

    /// What PHP has executed: ids of webhooks and addresses.
    fn executed(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root().join("executed")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// One way of writing a call.
struct Spelling {
    target: String,
    kind: &'static str,
    body: String,
    /// Whether the key is, byte by byte, the webhook's.
    is_exact: bool,
}

/// Ways of writing a call that FluentCommunity takes. The first is the documented one.
fn spellings(key: &str) -> Vec<Spelling> {
    const EMAIL: &str = "email=ann%40example.com";
    const ACTION: &str = "fcom_action=incoming_webhook";
    let form = |target: String, body: &str| Spelling {
        target,
        kind: FORM,
        body: format!("{EMAIL}&{body}").trim_end_matches('&').to_owned(),
        is_exact: true,
    };
    let inexact = |written: &str| Spelling {
        is_exact: false,
        ..form(format!("/?fcom_route=x&{ACTION}&{written}"), "")
    };
    let (first, rest) = key.split_at(1);
    let accented = match first {
        "a" => "%C3%A1",
        "b" => "%EF%BD%82",
        _ => "%C3%A7",
    };
    let part = |name: &str, value: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let (action, email) = (
        part("fcom_action", "incoming_webhook"),
        part("email", "ann@example.com"),
    );
    let multipart = Spelling {
        target: format!("/portal/?webhook={key}"),
        kind: "multipart/form-data; boundary=XX",
        body: format!("{action}{email}--XX--\r\n"),
        is_exact: true,
    };
    vec![
        form(format!("/portal/?{ACTION}&webhook={key}"), ""),
        form(format!("/?fcom_route=x&{ACTION}&webhook={key}"), ""),
        form(
            format!("/index.php?fcom_route=x&{ACTION}&webhook={key}"),
            "",
        ),
        form(format!("/portal/?webhook={key}"), ACTION),
        form(format!("/portal/?fcom_action=other&webhook={key}"), ACTION),
        form(
            format!("/?webhook={key}"),
            &format!("{ACTION}&fcom_route=x"),
        ),
        form(
            format!("/portal/?fcom_action=incoming%5Fwebhook&webhook={key}"),
            "",
        ),
        form(
            format!("/portal/?fcom_action=%20incoming_webhook%20&webhook={key}"),
            "",
        ),
        form(
            format!("/portal/?fcom_action=%3Cb%3Eincoming_webhook%3C/b%3E&webhook={key}"),
            "",
        ),
        form(
            format!("/portal/?fcom.action=incoming_webhook&webhook={key}"),
            "",
        ),
        form(
            format!("/?fcom_route=x&{ACTION}&webhook=0&webhook={key}"),
            "",
        ),
        form(format!("/?fcom_route=x&{ACTION}&web%68ook={key}"), ""),
        multipart,
        inexact(&format!("webhook={}", key.to_uppercase())),
        inexact(&format!("webhook={key}%20")),
        inexact(&format!("webhook={accented}{rest}")),
        inexact(&format!("webhook[]={key}")),
        inexact(&format!("webhook[a][b]={key}&webhook[c]={FREE}")),
    ]
}

async fn send(front: &Front, spelling: &Spelling) -> Response {
    let headers = [("Content-Type", spelling.kind)];
    let body = spelling.body.as_bytes();
    http::request(front.address, "POST", &spelling.target, &headers, body)
        .await
        .unwrap()
}

async fn judge(server: Server) {
    let guarded = Guarded::new().await;
    let mut sidecar = guarded.sidecar(PROTECTIONS).await;
    let front = Front::of_wordpress(guarded.root(), server, sidecar.client.public).await;
    for runs in [true, false] {
        for spelling in [SHOP, COURSE].into_iter().flat_map(spellings) {
            let response = send(&front, &spelling).await;
            let (status, text) = (response.status, response.text());
            let target = &spelling.target;
            // The sidecar refuses with 403, the guard with 503, or with 404 what it does not take for a key.
            let is_refused = status == 503 || runs && status == 403 || status == 404;
            assert!(is_refused, "{server:?} {target}: {status} {text}");
            if spelling.is_exact && status != 403 {
                assert_eq!(status, 503, "{server:?} {target}: {text}");
                assert_eq!(response.header("Retry-After"), Some("30"), "{target}");
                assert_eq!(response.json()["status"], "error", "{target}");
            }
            assert_eq!(guarded.executed(), [""; 0], "{server:?} {target}");
        }
        if runs {
            assert!(sidecar.terminate().unwrap().success());
        }
    }
    // Nothing is lost for the others: PHP executes what the web server gives it.
    let mut executed = 0;
    for spelling in spellings(FREE).iter().filter(|one| one.is_exact) {
        let response = send(&front, spelling).await;
        let what = format!("{server:?} {}: {}", spelling.target, response.text());
        assert_eq!(
            (response.status, &response.json()["by"]),
            (200, &"PHP".into()),
            "{what}"
        );
        executed += 1;
        assert_eq!(guarded.executed().len(), executed, "{what}");
    }
    // And each of them is a way to PHP indeed.
    fs::remove_file(guarded.plugin()).unwrap();
    for spelling in spellings(SHOP) {
        let response = send(&front, &spelling).await;
        let what = format!("{server:?} {}: {}", spelling.target, response.text());
        assert_eq!(response.status, 200, "{what}");
        executed += 1;
        assert_eq!(guarded.executed().len(), executed, "{what}");
    }
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_nginx() {
    judge(Server::Nginx).await;
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_apache() {
    judge(Server::Apache).await;
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_caddy() {
    judge(Server::Caddy).await;
}

#[tokio::test]
async fn php_executes_no_protected_webhook_behind_haproxy() {
    judge(Server::HaProxy).await;
}

/// The status and the text of a call that PHP gets.
async fn call_php(server: &Php, key: &str) -> (u16, String) {
    let target = format!("/?fcom_route=x&fcom_action=incoming_webhook&webhook={key}");
    let headers = [("Content-Type", FORM)];
    let body = b"email=ann%40example.com";
    let response = http::request(server.address, "POST", &target, &headers, body).await;
    let response = response.unwrap();
    (response.status, response.text())
}

#[tokio::test]
async fn a_replaced_key_opens_php_too_but_not_a_protected_webhook() {
    let guarded = Guarded::new().await;
    let sidecar = guarded.sidecar(PROTECTIONS).await;
    for id in ["3", "5"] {
        assert!(sidecar.run(&["webhook", "rotate", id]).success());
    }
    drop(sidecar);
    let server = Php::start(guarded.root()).await;
    let keys = format!("SELECT meta_key FROM {PREFIX}fcom_meta WHERE id IN (3, 5) ORDER BY id");
    let keys = guarded.site.column(&keys).await;
    for (key, status) in [
        (SHOP, 503),
        (&*keys[0], 503),
        (FREE, 200),
        (&*keys[1], 200),
        // Replaced keys are compared byte by byte.
        (&*FREE.to_uppercase(), 404),
        ("0123456789abcdef0123456789abcdef", 404),
    ] {
        let (answered, text) = call_php(&server, key).await;
        assert_eq!(answered, status, "{key}: {text}");
    }
    assert_eq!(guarded.executed(), ["5 ann@example.com"; 2]);
    let expire = format!(
        "UPDATE {PREFIX}fcom_sidecar_old_keys SET valid_until = UTC_TIMESTAMP() - INTERVAL 1 SECOND"
    );
    guarded.site.execute(&expire).await;
    for key in [SHOP, FREE] {
        assert_eq!(call_php(&server, key).await.0, 404);
    }
}

#[tokio::test]
async fn without_its_table_the_guard_lets_everything_pass() {
    let guarded = Guarded::new().await;
    let server = Php::start(guarded.root()).await;
    // Before the daemon ever ran.
    assert_eq!(call_php(&server, SHOP).await.0, 200);
    drop(guarded.sidecar(PROTECTIONS).await);
    assert_eq!(call_php(&server, SHOP).await.0, 503);
    let tables = guarded
        .site
        .column("SHOW TABLES LIKE '%fcom\\_sidecar%'")
        .await;
    guarded
        .site
        .execute(&format!("DROP TABLE {}", tables.join(", ")))
        .await;
    let (status, text) = call_php(&server, SHOP).await;
    assert_eq!(status, 200, "{text}");
    for page in ["/portal/", "/wp-login.php", "/wp-cron.php"] {
        let response = http::request(server.address, "GET", page, &[], b"")
            .await
            .unwrap();
        let text = response.text();
        assert!(response.status < 400, "{page}: {text}");
        assert!(!text.contains("rror"), "{page}: {text}");
    }
    // The plugin makes no table.
    let tables = guarded
        .site
        .column("SHOW TABLES LIKE '%fcom\\_sidecar%'")
        .await;
    assert_eq!(tables, [""; 0]);
}

#[tokio::test]
async fn a_table_that_cannot_be_read_opens_nothing() {
    let guarded = Guarded::new().await;
    drop(guarded.sidecar(PROTECTIONS).await);
    let server = Php::start(guarded.root()).await;
    let rename = format!("ALTER TABLE {PREFIX}fcom_sidecar_guard CHANGE subject other varchar(80)");
    guarded.site.execute(&rename).await;
    assert_eq!(call_php(&server, SHOP).await.0, 503);
    assert_eq!(guarded.executed(), [""; 0]);
}

#[tokio::test]
async fn a_protection_that_php_does_not_heed_is_not_served() {
    let guarded = Guarded::without_plugin().await;
    let mut sidecar = Sidecar::unstarted_with(&guarded.site, &guarded.sections(PROTECTIONS)).await;
    assert!(sidecar.run(&["migrate"]).success());
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
    let log = sidecar.log();
    for said in [
        "protection.course, protection.shop: PHP would execute the webhook for whoever has its key",
        "fcom-sidecar.php is not there",
        "php_may_execute = true",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    // A plugin without the guard.
    let shipped = include_str!("../../../deploy/mu-plugin/fcom-sidecar.php");
    fs::write(
        guarded.plugin(),
        shipped.replace("const GUARD", "const OTHER"),
    )
    .unwrap();
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78));
    assert!(sidecar.log().contains("is of a release without it"));
    guarded.install();
    sidecar.spawn();
    sidecar.says("PHP refuses protected webhooks: ").await;
    assert!(sidecar.terminate().unwrap().success());
}

/// PHP may run on another machine, whose files the daemon does not see.
#[tokio::test]
async fn the_plugin_says_in_the_database_that_it_works() {
    let guarded = Guarded::new().await;
    let (url, version) = (guarded.site.url(), guarded.site.wordpress);
    let sections = format!(
        "[wordpress]\ntable_prefix = \"{PREFIX}\"\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n{PROTECTIONS}"
    );
    let mut sidecar = Sidecar::unstarted_with(&guarded.site, &sections).await;
    assert!(sidecar.run(&["migrate"]).success());
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
    let never = "the must-use plugin has never said that it works";
    assert!(sidecar.log().contains(never), "{}", sidecar.log());

    let server = Php::start(guarded.root()).await;
    // Pages of visitors cost nothing more.
    http::request(server.address, "GET", "/portal/", &[], b"")
        .await
        .unwrap();
    assert_eq!(guarded.subjects("subject LIKE 'guard %'").await, [""; 0]);
    http::request(server.address, "GET", "/wp-cron.php", &[], b"")
        .await
        .unwrap();
    assert_eq!(
        guarded.subjects("subject LIKE 'guard %'").await,
        ["guard 1"]
    );
    sidecar.spawn();
    let said =
        "PHP refuses protected webhooks: the must-use plugin said that it works 0 minutes ago";
    sidecar.says(said).await;
    assert!(sidecar.terminate().unwrap().success());

    let long_ago = format!(
        "UPDATE {PREFIX}fcom_sidecar_guard SET seen_at = seen_at - INTERVAL 8 DAY WHERE subject = 'guard 1'"
    );
    guarded.site.execute(&long_ago).await;
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
    let long_ago = "last said that it works 8 days ago";
    assert!(sidecar.log().contains(long_ago), "{}", sidecar.log());
}

#[tokio::test]
async fn the_table_follows_the_configuration_and_other_instances() {
    let guarded = Guarded::without_plugin().await;
    let mut sidecar = guarded.sidecar("").await;
    let shop = PROTECTIONS.split("[protection.course]").next().unwrap();
    // Not without the plugin.
    sidecar.append_configuration(shop);
    sidecar.hang_up();
    sidecar
        .says("configuration not reloaded, the one before stays: the configuration has a problem")
        .await;
    guarded.install();
    sidecar.hang_up();
    sidecar
        .says("configuration reloaded; changed: protection.shop")
        .await;
    let named = async |wanted: &[&str]| {
        eventually(async || {
            let named = guarded.subjects("subject NOT LIKE 'guard %'").await;
            (named == wanted)
                .then_some(())
                .ok_or_else(|| format!("{named:?} {wanted:?}"))
        })
        .await;
    };
    named(&["webhook 3"]).await;
    // Another instance's stays as long as that confirms it; what none confirms goes.
    let others = format!(
        "INSERT INTO {PREFIX}fcom_sidecar_guard VALUES ('webhook 7', UTC_TIMESTAMP() + INTERVAL 1 HOUR),
            ('webhook 8', UTC_TIMESTAMP() - INTERVAL 1 HOUR), ('guard 1', UTC_TIMESTAMP() - INTERVAL 1 HOUR)"
    );
    guarded.site.execute(&others).await;
    sidecar.append_configuration(
        "[protection.more]\nwebhook_id = 5\nallowed_networks = [\"192.0.2.1\"]\n",
    );
    sidecar.hang_up();
    named(&["webhook 3", "webhook 5", "webhook 7"]).await;
    assert_eq!(guarded.subjects("subject = 'guard 1'").await.len(), 1);
    // Deleted by somebody: it comes back.
    sidecar.terminate();
    guarded
        .site
        .execute(&format!("DELETE FROM {PREFIX}fcom_sidecar_guard"))
        .await;
    sidecar.restart().await;
    named(&["webhook 3", "webhook 5"]).await;
}

/// What `check` reports.
fn check(sidecar: &Sidecar) -> String {
    let before = sidecar.log().len();
    sidecar.run(&["check", "--json"]);
    let report: Value = serde_json::from_str(&sidecar.log()[before..]).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "guard")
        .unwrap();
    format!(
        "{} {}",
        check["status"].as_str().unwrap(),
        check["found"].as_str().unwrap()
    )
}

#[tokio::test]
async fn check_asks_the_site_whether_it_refuses() {
    let guarded = Guarded::new().await;
    let server = Php::start(guarded.root()).await;
    let home = format!(
        "UPDATE {PREFIX}options SET option_value = 'http://{}' WHERE option_name = 'home'",
        server.address
    );
    guarded.site.execute(&home).await;
    let mut sidecar = guarded.sidecar(PROTECTIONS).await;
    // It writes to the same log.
    assert!(sidecar.terminate().unwrap().success());
    assert_eq!(
        check(&sidecar),
        "ok PHP refuses protected webhooks: the site's answer says so"
    );
    // Whatever the plugin said a minute ago.
    fs::remove_file(guarded.plugin()).unwrap();
    let open = "PHP would execute the webhook for whoever has its key";
    let answers = "FluentCommunity answers where the must-use plugin should";
    assert_eq!(check(&sidecar), format!("failed {open}: {answers}"));
    drop(server);
    assert!(
        check(&sidecar).starts_with("ok PHP refuses protected webhooks: the must-use plugin said")
    );
    sidecar.append_configuration(
        "[protection.open]\nwebhook_id = 5\nallowed_networks = [\"192.0.2.1\"]\nphp_may_execute = true\n",
    );
    assert_eq!(
        check(&sidecar),
        "warning PHP executes these webhooks for whoever has their key: open (php_may_execute)"
    );
    let forget = format!("DELETE FROM {PREFIX}fcom_sidecar_guard WHERE subject = 'guard 1'");
    guarded.site.execute(&forget).await;
    let report = check(&sidecar);
    assert!(
        report.starts_with(&format!("failed {open}: ")) && report.contains("is not there"),
        "{report}"
    );
}
