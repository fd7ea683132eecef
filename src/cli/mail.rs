//! `fcom-sidecar mail test`: one real message through the configured server, and what came of it.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use secrecy::SecretString;

use super::database::with_database;
use super::terminal::{complain, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::mail::{Failure, Header, MailOptions, Sender, Smtp, Templates, Text, Welcome, compose};
use crate::site;
use crate::wordpress::version::Version;

/// What to do about mail.
#[derive(Debug, Subcommand)]
pub(super) enum Mail {
    /// Sends the welcome mail, with a link that leads nowhere, to an address
    Test {
        /// The address
        #[arg(long)]
        to: String,
    },
}

pub(super) fn run(command: &Mail, config: &Config) -> anyhow::Result<ExitCode> {
    let Mail::Test { to } = command;
    let url = config
        .smtp
        .url
        .as_ref()
        .context("smtp.url is not set: there is no server to send through")?;
    with_database(config, async |database| {
        let (connection, prefix) = (&mut database.connection, database.tables.prefix());
        let mut options = MailOptions::load(connection, &database.statements, prefix).await?;
        let sender = Sender::new(&config.mail, &config.wordpress);
        sender.overlay(&mut options);
        let (from, name) = sender.from(&options).map_err(anyhow::Error::msg)?;
        let text = sample(config, &options)?;
        let domain = from.rsplit('@').next().unwrap_or("localhost");
        let header = Header {
            from: (&from, &name),
            to,
            reply_to: sender.reply_to.as_deref(),
            envelope_from: sender.envelope_from.as_deref().unwrap_or(&from),
            message_id: &format!("test.{}@{domain}", Clock.now().timestamp()),
        };
        let smtp = Smtp::new(url, &config.smtp)?;
        match smtp.line().send(&header, &text, config.smtp.timeout).await {
            Ok(()) => {
                say(&format!(
                    "The server took the mail from {from} to {to}. Is it in the inbox?"
                ));
                Ok(ExitCode::SUCCESS)
            }
            Err(failure) => {
                complain(&format!("The mail did not leave: {}", failure.words));
                complain(&format!("Remedy: {}", remedy(&failure)));
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

/// Renders the mail and prepares the way to the server, without the database and without sending.
pub(super) fn rehearse(config: &Config) -> anyhow::Result<()> {
    sample(config, &MailOptions::default())?;
    if let Some(url) = &config.smtp.url {
        Smtp::new(url, &config.smtp)?;
    }
    Ok(())
}

/// The mail that a new user would get, with a key that opens nothing.
fn sample(config: &Config, options: &MailOptions) -> anyhow::Result<Text> {
    let configured = config
        .wordpress
        .version
        .as_ref()
        .and_then(|version| version.parse().ok());
    let found = options.site.version().map(|found| found.version);
    let key = SecretString::from("this-is-only-a-test");
    let welcome = Welcome {
        version: configured.or(found).unwrap_or(Version::NEWEST),
        options,
        login: "janedoe",
        display_name: "Jane Doe",
        locale: None,
        key: &key,
        https: Sender::new(&config.mail, &config.wordpress).https_links,
    };
    let templates = Templates::read(config.mail.templates.as_deref())?;
    let catalogues = site::catalogues(&config.wordpress);
    compose(&welcome, &catalogues, &templates).context("mail.templates cannot be rendered")
}

/// What an operator can do about a failure.
fn remedy(failure: &Failure) -> &'static str {
    let words = failure.words.to_lowercase();
    let has = |text: &str| words.contains(text);
    if failure.is_permanent {
        "the server refuses sender or recipient: see its words; mail.from must be an address it accepts"
    } else if has("certificate") || has("tls") {
        "let smtp.url name the host that the certificate is for, or smtp.ca_file the authority that signed it; \
         smtp:// works without TLS where the server offers none"
    } else if has("refused") || has("resolve") || has("lookup") || has("unreachable") {
        "check host and port in smtp.url, and that this machine may connect there"
    } else if has("timed out") || has("timeout") {
        "the server does not answer: check port and firewall; port 465 wants smtps://, 587 smtp+starttls://"
    } else if has("535") || has("534") || has("530") || has("authentication") {
        "check user and password in smtp.url; reserved characters must be percent-encoded"
    } else {
        "the server cannot take it now: see its words; welcome mails are tried again by themselves"
    }
}
