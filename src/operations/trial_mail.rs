//! Sends a trial welcome mail, whose link leads nowhere, so that operators can test the mail server and their own
//! templates.

use secrecy::SecretString;

use crate::config::Config;
use crate::db::{Connection, DatabaseError};
use crate::mail::{
    Failure, FailureKind, Header, Hello, MailOptions, NotAddresses, Sender, Smtp, SmtpError,
    Templates, TemplatesError, Text, Welcome, compose,
};
use crate::site::{self, Site};
use crate::wordpress::version::Version;

/// The remedy where [`rehearse`] fails.
pub const MEND: &str =
    "mend the file, or take mail.templates or smtp.ca_file out of the configuration";

/// Why the mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// No mail server is configured.
    #[error("smtp.url is not set: there is no server to send through")]
    NoServer,
    /// The site's options could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The site's address yields no valid sender; a readable reason.
    #[error("{0}")]
    NoSender(String),
    /// Addresses in `[mail]` are invalid.
    #[error(transparent)]
    Addresses(#[from] NotAddresses),
    /// The templates are unusable.
    #[error(transparent)]
    Templates(#[from] TemplatesError),
    /// A template fails to render.
    #[error("mail.templates cannot be rendered")]
    Rendering(#[from] minijinja::Error),
    /// The connection cannot be prepared.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// The server rejected it or could not be reached; its own words.
    #[error("{}", .0.words)]
    Refused(Failure),
}

/// Renders the mail and prepares the transport, without using the database and without sending.
///
/// # Errors
/// See [`TrialError`].
pub fn rehearse(config: &Config) -> Result<(), TrialError> {
    sample(config, &MailOptions::default())?;
    if let Some(url) = &config.smtp.url {
        Smtp::new(url, &config.smtp)?;
    }
    Ok(())
}

/// Sends the mail to an address; returns the sender's address.
///
/// # Errors
/// See [`TrialError`].
pub async fn send(
    config: &Config,
    site: &Site,
    connection: &mut Connection,
    to: &str,
) -> Result<String, TrialError> {
    let url = config.smtp.url.as_ref().ok_or(TrialError::NoServer)?;
    let mut options = MailOptions::load(connection, &site.statements, site.tables.prefix()).await?;
    let sender = Sender::new(&config.mail, &config.wordpress)?;
    sender.overlay(&mut options);
    let (from, name) = sender.from(&options).map_err(TrialError::NoSender)?;
    let text = sample(config, &options)?;
    let domain = from.rsplit('@').next().unwrap_or("localhost");
    let header = Header {
        from: (&from, &name),
        to,
        reply_to: sender.reply_to.as_deref(),
        envelope_from: sender.envelope_from.as_deref().unwrap_or(&from),
        message_id: &format!("test.{}@{domain}", site.clock.now().timestamp()),
    };
    let smtp = Smtp::new(url, &config.smtp)?;
    let (mut line, hello) = (smtp.line(), Hello::of_site(&options));
    let sent = line.send(&hello, &header, &text, config.smtp.timeout);
    let sent = sent.await;
    sent.map_err(TrialError::Refused)?;
    Ok(from)
}

/// The mail that a new user would get, with a key that is valid for nothing.
fn sample(config: &Config, options: &MailOptions) -> Result<Text, TrialError> {
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
        https: Sender::new(&config.mail, &config.wordpress)?.https_links,
    };
    let catalogues = site::catalogues(&config.wordpress);
    let templates = Templates::read(config.mail.templates.as_deref())?;
    Ok(compose(&welcome, &catalogues, &templates)?)
}

/// A remedy for a failure.
pub fn remedy(failure: &Failure) -> &'static str {
    let words = failure.words.to_lowercase();
    let has = |text: &str| words.contains(text);
    if has("helo") || has("(504)") {
        "set smtp.hello_name to a full host name that the server accepts in EHLO"
    } else if matches!(failure.kind, FailureKind::Never(_)) {
        "the server refuses sender or recipient: see its words; mail.from must be an address it accepts"
    } else if let FailureKind::Refused(refusal) = failure.kind {
        refusal.remedy()
    } else if has("no mail server") {
        "let host and port in smtp.url be those of a mail server; port 465 wants smtps://, 587 smtp+starttls://"
    } else if has("refused") || has("resolve") || has("lookup") || has("unreachable") {
        "check host and port in smtp.url, and that this machine may connect there"
    } else if has("timed out") || has("timeout") {
        "the server does not answer: check port and firewall; port 465 wants smtps://, 587 smtp+starttls://"
    } else {
        "the server cannot take it now: see its words; welcome mails are tried again by themselves"
    }
}
