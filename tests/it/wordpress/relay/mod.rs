//! The hooks that plugins receive: the must-use plugin inside a real WordPress, with a plugin that records every hook.

mod backlog;
mod burst;
mod caches;
mod hooks;
mod manners;
mod routes;
mod speed;
mod stray;
mod trouble;

use std::fs;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::PREFIX;
use super::installation::Installation;
use super::php;
use super::release;
use super::web_server::WebServer;
use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

/// Shared by both sides.
const SECRET: &str = "a secret that both sides know";
/// Short intervals of the plugin, for tests that cannot wait.
const PACE: &str = "define( 'FCOM_SIDECAR_SECRET', 'a secret that both sides know' );\n\
                    define( 'FCOM_SIDECAR_ATTEMPTS', 3 );\n\
                    define( 'FCOM_SIDECAR_FIRST_RETRY', 1 );\n\
                    define( 'FCOM_SIDECAR_GRACE', 1 );\n";
/// Where the daemon wakes the plugin.
const WAKE: &str = "/?rest_route=/fcom-sidecar/v1/wake";

/// A fixture's site with Debian's WordPress on top, the plugin, and a recording plugin.
struct Relayed {
    site: Site,
    installation: Installation,
}

impl Relayed {
    async fn new() -> Self {
        Self::with(PACE).await
    }

    /// Defines these constants in `wp-config.php`.
    async fn with(constants: &str) -> Self {
        let site = release::sample_site().await;
        let installation = Installation::on(&site.server, &site.database, constants);
        let relayed = Self { site, installation };
        let plugins = relayed.plugins();
        fs::create_dir_all(&plugins).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let plugin = root.join("deploy/mu-plugin/fcom-sidecar.php");
        fs::copy(plugin, plugins.join("fcom-sidecar.php")).unwrap();
        for file in ["recorder.php", "community.php"] {
            let source = root.join("tests/data/php/mu-plugins").join(file);
            fs::copy(source, plugins.join(file)).unwrap();
        }
        relayed
    }

    fn plugins(&self) -> std::path::PathBuf {
        self.installation.root().join("wp-content/mu-plugins")
    }

    /// The daemon with the relay on, but no WordPress to wake.
    async fn sidecar(&self, environment: &[(&str, &str)]) -> Sidecar {
        let root = self.installation.root().display();
        let sections = format!(
            "[wordpress]\nroot = \"{root}\"\n[relay]\nenabled = true\n[mail]\ntransport = \"off\""
        );
        Sidecar::start_configured(&self.site, &sections, environment).await
    }

    /// The daemon with the relay on, and a web server that it wakes.
    async fn woken(&self) -> (Sidecar, WebServer) {
        self.woken_with(&[], &[]).await
    }

    /// The same with these settings of PHP, and these variables in the daemon's environment.
    async fn woken_with(
        &self,
        settings: &[&str],
        environment: &[(&str, &str)],
    ) -> (Sidecar, WebServer) {
        let server = self.serve_with(settings).await;
        let url = format!("http://{}/", server.address);
        let relay = [
            ("FCOM_SIDECAR__RELAY__URL", url.as_str()),
            ("FCOM_SIDECAR__RELAY__SECRET", SECRET),
        ];
        let sidecar = self.sidecar(&[&relay, environment].concat()).await;
        sidecar.client.record(&[SECRET.to_owned()]);
        (sidecar, server)
    }

    async fn serve(&self) -> WebServer {
        self.serve_with(&[]).await
    }

    async fn serve_with(&self, settings: &[&str]) -> WebServer {
        let server = WebServer::start_with(self.installation.root(), settings).await;
        self.site
            .execute(&format!(
                "UPDATE {PREFIX}options SET option_value = 'http://{}' WHERE option_name IN ('siteurl', 'home')",
                server.address
            ))
            .await;
        server
    }

    async fn php(&self, script: &'static str, input: Value) -> Value {
        let root = self.installation.root().to_owned();
        tokio::task::spawn_blocking(move || php::run(script, &root, "localhost", &input))
            .await
            .unwrap()
    }

    /// One run of the plugin.
    async fn run(&self) -> Value {
        self.php("relay_run", json!({})).await
    }

    /// One run of the plugin, triggered as the daemon does.
    async fn wake(&self, server: &WebServer) -> Value {
        let headers = signed(SECRET, self.site.now().await, "wake");
        let (status, ran) = request(server, "POST", WAKE, &headers).await;
        assert_eq!(status, 200, "{ran} {}", server.log("errors"));
        ran
    }

    /// The hooks recorded so far, in order.
    fn record(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.installation.root().join("record")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What listeners observed beside their arguments, without duplicates.
    fn ground(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.installation.root().join("ground")).unwrap();
        let mut found: Vec<Value> = Vec::new();
        for line in text.lines() {
            let line = serde_json::from_str(line).unwrap();
            if !found.contains(&line) {
                found.push(line);
            }
        }
        found
    }

    fn forget_record(&self) {
        let _ = fs::remove_file(self.installation.root().join("record"));
    }

    /// Names of the recorded hooks.
    fn heard(&self) -> Vec<String> {
        let record = self.record().into_iter();
        record
            .map(|line| line["hook"].as_str().unwrap().to_owned())
            .collect()
    }

    /// From now on the listener to `hook` misbehaves for this user.
    fn trouble(&self, user: u64, hook: &str, how: &str) {
        self.write_trouble(&json!({ "user": user, "hook": hook, "how": how }));
    }

    /// All listeners misbehave.
    fn trouble_for_all(&self, how: &str) {
        self.write_trouble(&json!({ "user": "anybody", "hook": "any", "how": how }));
    }

    fn write_trouble(&self, trouble: &Value) {
        fs::write(self.trouble_file(), trouble.to_string()).unwrap();
    }

    fn end_trouble(&self) {
        fs::remove_file(self.trouble_file()).unwrap();
    }

    fn trouble_file(&self) -> std::path::PathBuf {
        self.installation.root().join("trouble.json")
    }

    /// Kind, state and one column of every event, in order.
    async fn events(&self, column: &str) -> Vec<String> {
        self.site
            .column(&format!(
                "SELECT CONCAT_WS(' ', kind, state, {column}) FROM {PREFIX}fcom_sidecar_events ORDER BY id"
            ))
            .await
    }

    async fn count(&self, condition: &str) -> u64 {
        let sql = format!("SELECT COUNT(*) FROM {PREFIX}fcom_sidecar_events WHERE {condition}");
        self.site.number(&sql).await
    }

    /// Waits until no event meets the condition.
    async fn wait_until_none(&self, condition: &str) {
        eventually(async || match self.count(condition).await {
            0 => Ok(()),
            _ => Err(format!(
                "{condition}: {:?}",
                self.events("last_error").await
            )),
        })
        .await;
    }
}

fn signature(secret: &str, time: u64, purpose: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{purpose}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold(String::new(), |mut digits, byte| {
        digits.push_str(&format!("{byte:02x}"));
        digits
    })
}

/// Status and body of a request with these headers.
async fn request(
    server: &WebServer,
    method: &str,
    target: &str,
    headers: &[(&str, String)],
) -> (u16, Value) {
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let response = http::request(server.address, method, target, &headers, b"").await;
    let response = response.unwrap();
    (response.status, response.json())
}

fn signed(secret: &str, time: u64, purpose: &str) -> Vec<(&'static str, String)> {
    vec![
        ("X-Fcom-Sidecar-Time", time.to_string()),
        ("X-Fcom-Sidecar-Signature", signature(secret, time, purpose)),
    ]
}
