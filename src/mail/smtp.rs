//! Sending: the SMTP server that `smtp.url` names.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, MIME_VERSION_1_0};
use lettre::message::{Body, Mailbox};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransportBuilder, Error, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::text::Text;
use crate::config;

/// Shorter than a mail server keeps idle connections, so that none is used that the server has just closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes that a line of a mail may have, its end included (RFC 5322).
const LONGEST_LINE: usize = 998;

/// The way to the mail server, with its connections.
pub struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    /// With its pool of connections.
    transport: Mutex<Transport>,
    timeout: Duration,
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Why a mail did not leave.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The server's words, or what happened on the way.
    pub words: String,
    /// Whether the same mail would fail again.
    pub is_permanent: bool,
}

/// Header fields of a mail.
pub struct Header<'a> {
    /// Address and name.
    pub from: (&'a str, &'a str),
    /// The recipient.
    pub to: &'a str,
    /// If any.
    pub reply_to: Option<&'a str>,
    /// The envelope's sender.
    pub envelope_from: &'a str,
    /// Without the angle brackets; the same for every attempt.
    pub message_id: &'a str,
}

impl Smtp {
    /// Prepares the way; connects with the first mail. `connections` at most are open, and no mail takes longer than
    /// `longest`.
    ///
    /// # Errors
    /// The certificate authority's file cannot be used, or TLS cannot start.
    pub fn new(
        url: &SecretString,
        smtp: &config::Smtp,
        connections: u32,
        longest: Duration,
    ) -> anyhow::Result<Self> {
        let url = Url::parse(url.expose_secret()).context("smtp.url cannot be read")?;
        let host = url.host_str().context("smtp.url names no host")?;
        // In an address an IPv6 host has brackets, as a name it has none.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(file) = &smtp.ca_file {
            let shown = file.display();
            let pem = std::fs::read(file)
                .with_context(|| format!("smtp.ca_file {shown} cannot be read"))?;
            let authority = Certificate::from_pem(&pem)
                .with_context(|| format!("smtp.ca_file {shown} holds no PEM certificate"))?;
            tls = tls.add_root_certificate(authority);
        }
        let tls = tls.build().context("TLS for smtp.url cannot start")?;
        let (tls, port) = match url.scheme() {
            "smtps" => (Tls::Wrapper(tls), 465),
            "smtp+starttls" => (Tls::Required(tls), 587),
            _ => (Tls::Opportunistic(tls), 25),
        };
        let mut builder = Transport::builder_dangerous(host)
            .port(url.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(smtp.timeout))
            .pool_config(
                PoolConfig::new()
                    .max_size(connections)
                    .idle_timeout(IDLE_TIMEOUT),
            );
        if !url.username().is_empty() {
            let decoded = |text: &str| {
                percent_encoding::percent_decode_str(text)
                    .decode_utf8_lossy()
                    .into_owned()
            };
            let password = decoded(url.password().unwrap_or_default());
            builder = builder.credentials(Credentials::new(decoded(url.username()), password));
        }
        Ok(Self {
            transport: Mutex::new(builder.clone().build()),
            builder,
            timeout: smtp.timeout.min(longest),
        })
    }

    /// Sends one mail; returns when the server has taken it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&self, header: &Header<'_>, text: &Text) -> Result<(), Failure> {
        let message = message(header, text).map_err(|error| Failure {
            words: format!("the mail cannot be written: {error}"),
            is_permanent: true,
        })?;
        let transport = self.transport().clone();
        // The transport's own time limit is for connecting only.
        let sending = tokio::time::timeout(self.timeout, transport.send(message));
        if let Ok(sent) = sending.await {
            return sent.map(drop).map_err(|error| failure(&error));
        }
        // The pool takes back a connection on which the server owes an answer; nobody may use it again.
        *self.transport() = self.builder.clone().build();
        Err(Failure {
            words: format!("timed out: no answer within {} s", self.timeout.as_secs()),
            is_permanent: false,
        })
    }
}

impl Smtp {
    fn transport(&self) -> MutexGuard<'_, Transport> {
        self.transport
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn message(header: &Header<'_>, text: &Text) -> anyhow::Result<Message> {
    let mailbox = |address: &str, name: Option<&str>| -> anyhow::Result<Mailbox> {
        Ok(Mailbox::new(
            name.map(ToOwned::to_owned),
            address.parse::<Address>()?,
        ))
    };
    let (from, name) = header.from;
    let envelope = Envelope::new(
        Some(header.envelope_from.parse()?),
        vec![header.to.parse()?],
    )?;
    let mut builder = Message::builder()
        .from(mailbox(from, Some(name))?)
        .to(mailbox(header.to, None)?)
        .subject(&text.subject)
        .message_id(Some(format!("<{}>", header.message_id)))
        .date_now()
        .envelope(envelope);
    if let Some(reply_to) = header.reply_to {
        builder = builder.reply_to(reply_to.parse()?);
    }
    // As WordPress sends it: plain ASCII as it is; the rest in an encoding of lettre's choice.
    let body = if text.body.is_ascii() && text.body.lines().all(|line| line.len() < LONGEST_LINE) {
        // lettre would encode lines over 76 characters, as every link is.
        Body::dangerous_pre_encoded(
            text.body.clone().into_bytes(),
            ContentTransferEncoding::SevenBit,
        )
    } else {
        Body::new(text.body.clone())
    };
    Ok(builder
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(body)?)
}

/// Answers to a login: the operator's mistake, not the recipient's, so the mail is kept.
const LOGIN_REFUSED: [u16; 4] = [530, 534, 535, 538];

fn failure(error: &Error) -> Failure {
    let code = error.status().map(u16::from);
    Failure {
        words: crate::telemetry::chain(error),
        is_permanent: error.is_permanent()
            && code.is_none_or(|code| !LOGIN_REFUSED.contains(&code)),
    }
}
