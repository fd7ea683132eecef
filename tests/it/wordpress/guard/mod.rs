//! PHP's own door: a protected webhook is executed by PHP in no spelling, behind any of the web servers of `deploy/`,
//! whether the daemon runs or not. Webhooks that are not protected go to PHP as ever.

mod served;
mod spellings;

use std::fs;
use std::path::{Path, PathBuf};

use super::PREFIX;
use super::installation::Installation;
use super::php::Server as Php;
use super::release;
use crate::harness::client::FORM;
use crate::harness::eventually::until;
use crate::harness::http;
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

    /// A daemon with these protections and sources, once PHP knows them.
    async fn sidecar(&self, protections: &str) -> Sidecar {
        let sections = self.sections(protections);
        let sidecar = Sidecar::start_configured(&self.site, &sections, &[]).await;
        let wanted = ["[protection.", "[source."].map(|table| protections.matches(table).count());
        let wanted: usize = wanted.into_iter().sum();
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

/// It would read the form in its own way, without the sender's signature.
#[tokio::test]
async fn a_webhook_with_a_source_is_not_executed_by_php() {
    let guarded = Guarded::new().await;
    let source = "[source.shop]\nwebhook_id = 3\npreset = \"woocommerce-order\"\nsecrets = [\"a-Secret-of-the-Sender-5309\"]\n";
    let sidecar = guarded.sidecar(source).await;
    let (_, said, _) = sidecar.output(&["check"]);
    assert!(said.contains("PHP refuses protected webhooks:"), "{said}");
    drop(sidecar);
    let server = Php::start(guarded.root()).await;
    for (key, status) in [(SHOP, 503), (FREE, 200)] {
        let (answered, text) = call_php(&server, key).await;
        assert_eq!(answered, status, "{key}: {text}");
    }
    assert_eq!(guarded.executed(), ["5 ann@example.com"]);
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
