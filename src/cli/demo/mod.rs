//! `fcom-sidecar demo`: starts a private MariaDB with a sample site and the daemon in front of it, makes the webhook
//! call of the FluentCommunity documentation, and shows the response and the rows written. Touches nothing outside a
//! temporary folder.

mod rows;

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context;

use super::block_on;
use super::database::connect;
use super::terminal;
use crate::config::{Config, Sources};
use crate::http::Inherited;
use crate::lifecycle::{self, StopSignals};
use crate::sample::machine::free_port;
use crate::sample::mailbox::Mailbox;
use crate::sample::server::{Options, PrivateServer};
use crate::site::Site;
use crate::{app, telemetry};

/// WordPress 7.1 with FluentCommunity 2.8.1, a dozen users, spaces, courses and webhooks.
const SAMPLE_SITE: &str = include_str!("../../../sql/fixtures/wordpress-71.sql");
const DATABASE: &str = "sample_site";
/// A webhook of the sample site: two spaces and two courses to join, others to leave, welcome mail.
const WEBHOOK_KEY: &str = "22222222222222222222222222222222";
/// The form fields of the documentation's example.
const FIELDS: [&str; 4] = [
    "email=user@example.com",
    "first_name=Jane",
    "last_name=Doe",
    "user_login=janedoe",
];
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the call; with `keep_serving` the daemon then keeps running until it is asked to stop.
pub(super) fn run(keep_serving: bool) -> anyhow::Result<ExitCode> {
    block_on(async {
        say("Starting a private MariaDB with a sample WordPress + FluentCommunity site …");
        let mariadb = PrivateServer::start(Options::default()).await?;
        mariadb.create_database(DATABASE).await?;
        mariadb.load_sql(DATABASE, SAMPLE_SITE).await?;

        let (listen, admin) = (free_port(), free_port());
        let mut mailbox = Mailbox::open().await?;
        let token = token();
        let sources = sources(&mariadb, listen, admin, mailbox.port(), &token);
        let config = Config::load(sources.clone())?;
        telemetry::start(&config.log, None)?;
        let daemon = app::start(&config, sources, Inherited::default())?;
        let site = daemon.site.clone();
        let mut signals = StopSignals::receive()?;
        let mut shown = Ok(());
        let demonstration = async {
            shown = demonstrate(&site, &config, listen, &mut mailbox).await;
            if keep_serving && shown.is_ok() {
                say(&format!(
                    "\nThe console:      http://127.0.0.1:{admin}/console/\nits admin token:  {token}\n\n\
                     The daemon serves calls on 127.0.0.1:{listen}, health on http://127.0.0.1:{admin}/readyz. The database is\n  \
                     mariadb --socket={} -uroot {DATABASE}\nCtrl-C ends it and deletes everything.",
                    mariadb.socket().display()
                ));
                signals.next().await;
            }
        };
        lifecycle::serve(daemon, PATIENCE, demonstration).await?;
        shown.map(|()| ExitCode::SUCCESS)
    })
}

/// For this demo only.
fn token() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

fn sources(mariadb: &PrivateServer, listen: u16, admin: u16, mail: u16, token: &str) -> Sources {
    let overrides = [
        ("server.listen", format!("127.0.0.1:{listen}")),
        ("server.admin_listen", format!("127.0.0.1:{admin}")),
        ("database.url", mariadb.url(DATABASE)),
        ("smtp.url", format!("smtp://127.0.0.1:{mail}")),
        ("wordpress.version", "7.1".to_owned()),
        ("log.filter", "warn".to_owned()),
        ("admin.token", token.to_owned()),
    ];
    let overrides = overrides
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
    Sources {
        overrides,
        ..Sources::default()
    }
}

async fn demonstrate(
    site: &Site,
    config: &Config,
    port: u16,
    mailbox: &mut Mailbox,
) -> anyhow::Result<()> {
    tokio::time::timeout(PATIENCE, site.readiness.wait())
        .await
        .context("the daemon does not become ready")?;
    let (mut connection, tables) = (connect(config).await?, &site.tables);
    let url = format!(
        "http://127.0.0.1:{port}/portal/?fcom_action=incoming_webhook&webhook={WEBHOOK_KEY}"
    );
    let fields = FIELDS
        .map(|field| format!("  --form '{field}'"))
        .join(" \\\n");
    say("\nThe call, as in the FluentCommunity documentation:\n");
    say(&format!(
        "curl --request POST \\\n  --url '{url}' \\\n{fields}\n"
    ));
    let answer = call(&url).await?;
    say(&format!("The answer:\n\n{answer}\n"));
    let success: serde_json::Value = serde_json::from_str(&answer)?;
    let user_id = success["user_id"]
        .as_u64()
        .context("the call was not executed")?;
    say("What WordPress and FluentCommunity find in their tables now:");
    rows::show(&mut connection, tables, user_id, &rows::ALL).await?;
    let mail = tokio::time::timeout(PATIENCE, mailbox.next())
        .await
        .context("no mail came")?
        .unwrap_or_default();
    say(&format!(
        "\nThe mail that reached the mail server:\n\n{}",
        mail.message.trim_end()
    ));

    say("\nThe same call again finds the user and changes nothing but running_count:\n");
    say(&call(&url).await?);
    rows::show(&mut connection, tables, user_id, &rows::WEBHOOK).await
}

/// Runs exactly the command that was printed.
async fn call(url: &str) -> anyhow::Result<String> {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--request",
        "POST",
        "--url",
        url,
    ]);
    curl.args(FIELDS.iter().flat_map(|field| ["--form", field]));
    let answer = tokio::task::spawn_blocking(move || curl.output())
        .await?
        .context("curl could not be run: install it with `apt-get install curl`")?;
    anyhow::ensure!(
        answer.status.success(),
        "the daemon did not answer: {}",
        String::from_utf8_lossy(&answer.stderr)
    );
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// Prints a text, which may have several lines.
fn say(text: &str) {
    text.lines().for_each(terminal::say);
}
