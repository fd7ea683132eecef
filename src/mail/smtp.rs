//! Sends mails through the SMTP server in `smtp.url`.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::Starttls;
use rustls::pki_types::pem;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::failure::{Failure, FailureKind, Refusal};
use super::hello::Hello;
use super::message::{Header, message};
use super::peer::{Measured, Wire};
use super::text::Text;
use super::tls::{self, Tls};
use crate::config::{self, SmtpTls};

/// Shorter than mail servers keep idle connections, so that we never use one that the server has just closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait for the server's answer to QUIT, on which nothing depends.
const GOODBYE: Duration = Duration::from_secs(2);

/// The configured mail server.
pub struct Smtp {
    host: String,
    port: u16,
    encryption: Encryption,
    tls: Tls,
    is_verified: bool,
    credentials: Option<Credentials>,
    /// `smtp.hello_name`, which overrules the site's.
    hello: Option<Hello>,
    timeout: Duration,
}

/// When TLS begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// With the connection.
    AtOnce,
    /// After STARTTLS, and nothing is sent without.
    Required,
    /// After STARTTLS, if the server offers it.
    IfOffered,
    /// Never.
    Never,
}

/// Who can read what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// The server that `smtp.url` names.
    Verified,
    /// Whoever answers at its address.
    Unverified,
    /// Everybody on the way.
    Clear,
}

/// Why the connection to the mail server cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// `smtp.url` is not a URL.
    #[error("smtp.url cannot be read")]
    Url(#[source] url::ParseError),
    /// `smtp.url` has no host.
    #[error("smtp.url names no host")]
    NoHost,
    /// `smtp.ca_file` is missing or not readable.
    #[error("smtp.ca_file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// `smtp.ca_file` is not a PEM certificate.
    #[error("smtp.ca_file {} holds no PEM certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The system has no trusted certificates, or one in `smtp.ca_file` is damaged.
    #[error("TLS for smtp.url cannot start")]
    Tls(#[source] rustls::Error),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("cannot connect to the mail server")]
    Network(#[source] io::Error),
    #[error("no TLS with the mail server")]
    Tls(#[source] io::Error),
    #[error("the mail server offers no STARTTLS")]
    NoStartTls,
    #[error("the mail server refuses the login")]
    Login(#[source] Error),
    #[error(transparent)]
    Dialogue(#[from] Error),
    #[error("timed out: no answer within {} s", .0.as_secs_f32())]
    Silence(Duration),
}

impl ConnectError {
    fn kind(&self) -> FailureKind {
        let refused = |error: &Error, refusal| {
            // Also what the server says in a way that the library does not understand, or where it offers no login.
            let passes = error.is_transient() || error.status().is_none() && !error.is_client();
            if passes {
                FailureKind::Unavailable
            } else {
                FailureKind::Refused(refusal)
            }
        };
        match self {
            Self::Network(_) | Self::Silence(_) => FailureKind::Unavailable,
            // What the certificate or the host's name is worth; other errors are the connection's.
            Self::Tls(error) => match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::Other => {
                    FailureKind::Refused(Refusal::Tls)
                }
                _ => FailureKind::Unavailable,
            },
            Self::NoStartTls => FailureKind::Refused(Refusal::NoTls),
            Self::Login(error) => refused(error, Refusal::Login),
            Self::Dialogue(error) => refused(error, Refusal::Hello),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self {
            words: crate::telemetry::chain(&error),
            kind: error.kind(),
        }
    }
}

/// Timeout for an interactive command when the server may be down.
const LONGEST_GREETING: Duration = Duration::from_secs(15);

/// One sender's connection, opened for the first mail and reused for later ones.
pub struct Line<'a> {
    smtp: &'a Smtp,
    open: Option<(AsyncSmtpConnection, Instant)>,
}

impl Smtp {
    /// Prepares the transport; does not connect yet.
    ///
    /// # Errors
    /// See [`SmtpError`].
    pub fn new(url: &SecretString, smtp: &config::Smtp) -> Result<Self, SmtpError> {
        let url = Url::parse(url.expose_secret()).map_err(SmtpError::Url)?;
        let host = url.host_str().ok_or(SmtpError::NoHost)?;
        // In a URL an IPv6 host has brackets, as a host name it has none.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let authorities = match smtp.ca_file.clone() {
            None => Vec::new(),
            Some(path) => match std::fs::read(&path) {
                Ok(file) => tls::certificates(&file)
                    .map_err(|source| SmtpError::NoCertificate { path, source })?,
                Err(source) => return Err(SmtpError::Unreadable { path, source }),
            },
        };
        let is_verified = match smtp.tls {
            SmtpTls::Auto => smtp.ca_file.is_some() || !is_this_machine(&host),
            SmtpTls::Required => true,
            SmtpTls::Unverified | SmtpTls::None => false,
        };
        let tls = if is_verified {
            Tls::verified(authorities)
        } else {
            Tls::unverified()
        };
        let tls = tls.map_err(SmtpError::Tls)?;
        let has_login = !url.username().is_empty();
        let (at_most, port) = match url.scheme() {
            "smtps" => (Encryption::AtOnce, 465),
            "smtp+starttls" => (Encryption::Required, 587),
            _ => (Encryption::IfOffered, 25),
        };
        let encryption = match (at_most, smtp.tls) {
            (_, SmtpTls::None) => Encryption::Never,
            // Whoever can drop the offer of STARTTLS must not get the login for it.
            (Encryption::IfOffered, SmtpTls::Auto) if !has_login => Encryption::IfOffered,
            (Encryption::IfOffered, _) => Encryption::Required,
            (at_most, _) => at_most,
        };
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let password = || decoded(url.password().unwrap_or_default());
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            encryption,
            tls,
            is_verified,
            credentials: has_login.then(|| Credentials::new(decoded(url.username()), password())),
            hello: smtp.hello_name.as_ref().map(Hello::new),
            timeout: smtp.timeout,
        })
    }

    /// Whether the way to the server does not leave this machine.
    pub fn is_here(&self) -> bool {
        is_this_machine(&self.host)
    }

    /// A connection for one sender, not opened yet.
    pub fn line(&self) -> Line<'_> {
        Line {
            smtp: self,
            open: None,
        }
    }

    /// Connects with this name, logs in and quits; returns who could read along.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn greet(&self, hello: &Hello) -> Result<Privacy, Failure> {
        let meeting = async {
            let (mut connection, encrypted) = self.connect(hello).await?;
            let _ = connection.quit().await;
            Ok::<_, ConnectError>(encrypted)
        };
        let met = in_time(self.timeout.min(LONGEST_GREETING), meeting).await;
        Ok(match met? {
            true if self.is_verified => Privacy::Verified,
            true => Privacy::Unverified,
            false => Privacy::Clear,
        })
    }

    /// Connects and logs in; also returns whether the connection is encrypted. Has no time limit.
    async fn connect(&self, hello: &Hello) -> Result<(AsyncSmtpConnection, bool), ConnectError> {
        let hello = self.hello.as_ref().unwrap_or(hello);
        let (mut connection, encrypted) = self.open(hello).await?;
        if let Some(credentials) = &self.credentials {
            let login = connection.auth(DEFAULT_MECHANISMS, credentials).await;
            login.map_err(ConnectError::Login)?;
        }
        Ok((connection, encrypted))
    }

    async fn open(&self, hello: &Hello) -> Result<(AsyncSmtpConnection, bool), ConnectError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let wire = Wire::new(stream.map_err(ConnectError::Network)?);
        let encrypted = self.tls.encrypt(wire.clone(), &self.host);
        if self.encryption == Encryption::AtOnce {
            let stream = Measured::new(encrypted.await.map_err(ConnectError::Tls)?);
            return Ok((meet(stream, hello).await?, true));
        }
        let mut plain = meet(Measured::new(wire), hello).await?;
        if self.encryption != Encryption::Never && plain.can_starttls() {
            plain.command(Starttls).await?;
            // With what came behind the reply, which nobody has signed.
            drop(plain);
            let stream = Measured::greeted(encrypted.await.map_err(ConnectError::Tls)?);
            return Ok((meet(stream, hello).await?, true));
        }
        if self.encryption == Encryption::Required {
            let _ = plain.quit().await;
            return Err(ConnectError::NoStartTls);
        }
        Ok((plain, false))
    }
}

/// Whether a host is this machine, by its name only.
fn is_this_machine(host: &str) -> bool {
    match config::host_name(host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Reads the greeting and the server's extensions.
async fn meet(
    stream: impl AsyncTokioStream + 'static,
    hello: &Hello,
) -> Result<AsyncSmtpConnection, ConnectError> {
    let met = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello.id()).await;
    Ok(met?)
}

/// `work`, if it takes no longer than this. Dropping it closes what is open; the library's own timeout covers connecting only.
async fn in_time<T>(
    longest: Duration,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let done = tokio::time::timeout(longest, work).await;
    done.unwrap_or(Err(ConnectError::Silence(longest)))
}

impl Line<'_> {
    /// Whether there is a connection.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Sees to it that there is a connection, which began with this name, on which a mail can be sent. Takes at most `smtp.timeout_seconds`.
    ///
    /// # Errors
    /// The server's failure, never a mail's.
    pub async fn ready(&mut self, hello: &Hello) -> Result<(), Failure> {
        let connected = in_time(self.smtp.timeout, self.connection(hello)).await?;
        self.open = Some((connected, Instant::now()));
        Ok(())
    }

    /// Sends one mail, on a connection that began with this name; returns when the server has accepted it. Takes at most `smtp.timeout_seconds`, and at most
    /// `longest`.
    ///
    /// # Errors
    /// See [`Failure`]. The connection is closed then.
    pub async fn send(
        &mut self,
        hello: &Hello,
        header: &Header<'_>,
        text: &Text,
        longest: Duration,
    ) -> Result<(), Failure> {
        let message = message(header, text).map_err(|error| Failure {
            words: format!("the mail cannot be written: {error}"),
            kind: FailureKind::Never,
        })?;
        let longest = longest.min(self.smtp.timeout);
        let sending = async {
            let mut connection = match self.open.take() {
                Some((connection, _)) => connection,
                None => self.connection(hello).await?,
            };
            let sent = connection
                .send(message.envelope(), &message.formatted())
                .await;
            sent.map_err(|error| answered(&error))?;
            Ok(connection)
        };
        let in_time = tokio::time::timeout(longest, sending).await;
        let connection = in_time.unwrap_or_else(|_| {
            Err(Failure {
                words: ConnectError::Silence(longest).to_string(),
                kind: FailureKind::Lost,
            })
        })?;
        self.open = Some((connection, Instant::now()));
        Ok(())
    }

    /// The open connection, if the server still answers there, or a new one. Has no time limit.
    async fn connection(&mut self, hello: &Hello) -> Result<AsyncSmtpConnection, ConnectError> {
        if let Some((mut connection, used)) = self.open.take()
            && used.elapsed() < IDLE_TIMEOUT
            && connection.test_connected().await
        {
            return Ok(connection);
        }
        let (connection, _) = self.smtp.connect(hello).await?;
        Ok(connection)
    }

    /// Quits the connection if it has been idle for a while.
    pub(super) async fn close_when_idle(&mut self) {
        if let Some((mut connection, used)) = self.open.take() {
            if used.elapsed() < IDLE_TIMEOUT {
                self.open = Some((connection, used));
            } else {
                let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
            }
        }
    }
}

/// Replies to a login: the operator's mistake, not the recipient's, so the mail is kept.
const LOGIN_REFUSED: [u16; 4] = [530, 534, 535, 538];

/// The server closes the connection.
const CLOSING: u16 = 421;

/// Replies to the sender, recipient or message.
fn answered(error: &Error) -> Failure {
    let kind = match error.status().map(u16::from) {
        Some(CLOSING) => FailureKind::Busy,
        Some(code) if LOGIN_REFUSED.contains(&code) => FailureKind::Refused(Refusal::Login),
        Some(_) if error.is_permanent() => FailureKind::Never,
        Some(_) => FailureKind::NotNow,
        None => FailureKind::Lost,
    };
    Failure {
        words: crate::telemetry::chain(error),
        kind,
    }
}

/// A whole conversation with a server that says this, whatever it hears. It ends, and what is kept of it is short.
#[cfg(any(test, fuzzing))]
pub(crate) fn converse_with(said: &[u8]) {
    let server = tokio::io::join(io::Cursor::new(said.to_vec()), tokio::io::sink());
    let conversation = async {
        let (stream, hello) = (Box::new(Measured::new(server)), Hello::default());
        let mut connection =
            AsyncSmtpConnection::connect_with_transport(stream, hello.id()).await?;
        let login = Credentials::new("user".to_owned(), "password".to_owned());
        let _ = connection.auth(DEFAULT_MECHANISMS, &login).await;
        let address = lettre::Address::new("user", "example.com").expect("an address");
        let envelope = lettre::address::Envelope::new(None, vec![address]).expect("a recipient");
        connection.send(&envelope, b"Subject: x\r\n\r\nx").await?;
        connection.quit().await
    };
    let ended = futures_util::FutureExt::now_or_never(conversation);
    if let Err(error) = ended.expect("nobody else is waited for") {
        assert!(answered(&error).words.len() < 1 << 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machine() {
        for host in ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "192.0.2.1",
            "2001:db8::1",
            "mail.example.org",
            "localhost.example.org",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
