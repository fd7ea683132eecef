//! Checks against WordPress itself: Debian's package, installed into a database of its own and served by PHP's built-in
//! server. The daemon gets `wordpress.root` and discovers the rest.

mod addresses;
mod afterlife;
mod browser;
mod guard;
mod hashes;
mod installation;
mod login;
mod network;
mod parity;
mod php;
mod posted;
mod random_bodies;
mod random_forms;
mod relay;
mod release;
mod reset;
mod roles;
mod same_user;
mod shadow;
mod web_server;
mod webhooks;
mod welcome_mail;
pub(crate) mod wp_admin;
mod wp_config;

use fcom_sidecar::sample::mailbox::Mailbox;
use serde_json::{Value, json};

use self::browser::Browser;
use self::installation::Installation;
use self::php::Server;
use crate::harness::client::Client;
use crate::harness::programs;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

/// The table prefix of every installation.
const PREFIX: &str = "wpx_";
/// The password of the user `admin`, whose id is 1.
const ADMIN_PASSWORD: &str = "the \"admin's\" password";

/// A WordPress that answers HTTP, with FluentCommunity's tables beside its own.
struct RealSite {
    site: Site,
    installation: Installation,
    server: Server,
}

impl RealSite {
    /// Installs WordPress as its own installer does. Webhooks, spaces and courses are those of the fixture.
    async fn install() -> Self {
        let site = release::sample_site().await;
        site.execute(&format!(
            "DROP TABLE {PREFIX}users, {PREFIX}usermeta, {PREFIX}options; \
             TRUNCATE {PREFIX}fcom_xprofile; TRUNCATE {PREFIX}fcom_space_user; \
             DELETE FROM {PREFIX}fcom_meta WHERE object_type = 'user'"
        ))
        .await;
        let installation = Installation::on(&site.server, &site.database, "");
        let server = Server::start(installation.root()).await;
        let real = Self {
            site,
            installation,
            server,
        };
        let url = format!("http://{}", real.server.address);
        let input = json!({ "url": url, "password": ADMIN_PASSWORD });
        let version = real.php("install", input).await;
        assert_eq!(version, release::version());
        // Ids that occur nowhere else in a user's rows.
        real.site
            .execute(&format!("ALTER TABLE {PREFIX}users AUTO_INCREMENT = 7001"))
            .await;
        real
    }

    /// Starts the daemon with `wordpress.root`.
    async fn sidecar(&self) -> Sidecar {
        self.sidecar_with(&[]).await
    }

    async fn sidecar_with(&self, environment: &[(&str, &str)]) -> Sidecar {
        let root = self.installation.root().display();
        let sections = format!("[wordpress]\nroot = \"{root}\"");
        Sidecar::start_configured(&self.site, &sections, environment).await
    }

    /// The same with a mail server.
    async fn sidecar_with_mail(&self, environment: &[(&str, &str)]) -> (Sidecar, Mailbox) {
        let mailbox = Mailbox::open().await.unwrap();
        let url = format!("smtp://127.0.0.1:{}", mailbox.port());
        let mut all = vec![("FCOM_SIDECAR__SMTP__URL", url.as_str())];
        all.extend(environment);
        (self.sidecar_with(&all).await, mailbox)
    }

    /// Runs a script in this WordPress.
    async fn php(&self, script: &'static str, input: Value) -> Value {
        let host = self.server.address.to_string();
        let root = self.installation.root().to_owned();
        tokio::task::spawn_blocking(move || php::run(script, &root, &host, &input))
            .await
            .unwrap()
    }

    fn browser(&self) -> Browser {
        Browser::new(self.server.address)
    }

    /// Stores a site option.
    async fn set_option(&self, name: &str, value: &str) {
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        self.site
            .execute(&format!(
                "INSERT INTO {PREFIX}options (option_name, option_value) VALUES ('{name}', '{value}') \
                 ON DUPLICATE KEY UPDATE option_value = VALUES(option_value)"
            ))
            .await;
    }

    /// A column of a user's row.
    async fn column(&self, column: &str, id: u64) -> String {
        let sql = format!("SELECT {column} FROM {PREFIX}users WHERE ID = {id}");
        self.site.text(&sql).await.unwrap()
    }

    /// The user's row and metadata, in the format of the scripts' answers.
    async fn rows(&self, id: u64) -> Value {
        let columns = [
            "ID",
            "user_login",
            "user_pass",
            "user_nicename",
            "user_email",
            "user_url",
            "user_registered",
            "user_activation_key",
            "user_status",
            "display_name",
        ];
        let sql = format!(
            "SELECT {} FROM {PREFIX}users WHERE ID = {id}",
            columns.join(", ")
        );
        let row = self.site.rows(&sql).await.swap_remove(0);
        let user: serde_json::Map<String, Value> = columns
            .into_iter()
            .map(String::from)
            .zip(row.into_iter().map(Value::from))
            .collect();
        let sql = format!(
            "SELECT meta_key, meta_value FROM {PREFIX}usermeta WHERE user_id = {id} ORDER BY umeta_id"
        );
        json!({ "user": user, "meta": self.site.rows(&sql).await })
    }
}

/// Posts a form as a client without a front web server, over plain HTTP. Returns the new user's id.
async fn create_over_http(client: &Client, key: &str, fields: &[(&str, &str)]) -> u64 {
    let body = serde_urlencoded::to_string(fields).unwrap();
    let headers = [("Content-Type", crate::harness::client::FORM)];
    let target = crate::harness::site::target(key);
    let response = client
        .request("POST", &target, &headers, body.as_bytes())
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["user_id"].as_u64().unwrap()
}
