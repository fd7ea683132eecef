//! Connects to the mail server: TLS, the name that it is greeted with, and the login.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::Starttls;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::failure::{Failure, FailureKind, Refusal};
use super::hello::Hello;
use super::peer::{Content, Measured, Wire};
use super::smtp::{Encryption, Smtp};

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

/// A connection on which mails can be sent.
pub(super) struct Session {
    pub(super) connection: AsyncSmtpConnection,
    pub(super) content: Content,
    is_encrypted: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot connect to the mail server")]
    Network(#[source] io::Error),
    #[error("no TLS with the mail server")]
    Tls(#[source] io::Error),
    #[error("the mail server offers no STARTTLS")]
    NoStartTls,
    #[error("the mail server refuses STARTTLS, which it offers")]
    StartTls(#[source] Error),
    #[error("the mail server refuses the login")]
    Login(#[source] Error),
    #[error("the mail server offers neither AUTH PLAIN nor AUTH LOGIN")]
    NoLogin,
    #[error(transparent)]
    Dialogue(#[from] Error),
    #[error("timed out: no answer within {} s", .0.as_secs_f32())]
    Silence(Duration),
}

impl ConnectError {
    fn kind(&self) -> FailureKind {
        let refused = |error: &Error, refusal| {
            // Also what the server says in a way that the library does not understand.
            let passes = error.is_transient() || error.status().is_none();
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
            Self::StartTls(error) => refused(error, Refusal::StartTls),
            Self::Login(error) => refused(error, Refusal::Login),
            Self::NoLogin => FailureKind::Refused(Refusal::NoLogin),
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

/// How long one address of the server has to itself.
const HEAD_START: Duration = Duration::from_secs(2);

/// Timeout for an interactive command when the server may be down.
const LONGEST_GREETING: Duration = Duration::from_secs(15);

impl Smtp {
    /// Connects with this name, logs in and quits; returns who could read along.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn greet(&self, hello: &Hello) -> Result<Privacy, Failure> {
        let meeting = async {
            let mut session = self.connect(hello).await?;
            let _ = session.connection.quit().await;
            Ok::<_, ConnectError>(session.is_encrypted)
        };
        let met = in_time(self.timeout.min(LONGEST_GREETING), meeting).await;
        Ok(match met? {
            true if self.is_verified => Privacy::Verified,
            true => Privacy::Unverified,
            false => Privacy::Clear,
        })
    }

    /// Connects and logs in. Has no time limit.
    pub(super) async fn connect(&self, hello: &Hello) -> Result<Session, ConnectError> {
        let hello = self.hello.as_ref().unwrap_or(hello);
        let mut session = self.open(hello).await?;
        if let Some(credentials) = &self.credentials {
            let login = session
                .connection
                .auth(DEFAULT_MECHANISMS, credentials)
                .await;
            login.map_err(|error| {
                if error.is_client() {
                    ConnectError::NoLogin
                } else {
                    ConnectError::Login(error)
                }
            })?;
        }
        Ok(session)
    }

    async fn open(&self, hello: &Hello) -> Result<Session, ConnectError> {
        let stream = async {
            let addresses = lookup_host((self.host.as_str(), self.port)).await?;
            connect_to_any(addresses).await
        };
        let wire = Wire::new(stream.await.map_err(ConnectError::Network)?);
        let encrypted = self.tls.encrypt(wire.clone(), &self.host);
        if self.encryption == Encryption::AtOnce {
            let stream = encrypted.await.map_err(ConnectError::Tls)?;
            return meet(Measured::new(stream), hello, true).await;
        }
        let mut plain = meet(Measured::new(wire), hello, false).await?;
        if self.encryption != Encryption::Never && plain.connection.can_starttls() {
            let ready = plain.connection.command(Starttls).await;
            ready.map_err(ConnectError::StartTls)?;
            // With what came behind the reply, which nobody has signed.
            drop(plain);
            let stream = encrypted.await.map_err(ConnectError::Tls)?;
            return meet(Measured::greeted(stream), hello, true).await;
        }
        if self.encryption == Encryption::Required {
            let _ = plain.connection.quit().await;
            return Err(ConnectError::NoStartTls);
        }
        Ok(plain)
    }
}

/// Connects to the address that is the first to answer. Each gets a head start over the next one: where nothing answers at some, as
/// with IPv6 behind many a firewall, that shows after minutes only.
async fn connect_to_any(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let (mut trying, mut addresses) = (JoinSet::new(), addresses.fuse());
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        if let Some(address) = addresses.next() {
            trying.spawn(TcpStream::connect(address));
        } else if trying.is_empty() {
            return Err(failed);
        }
        if let Ok(Some(tried)) = timeout(HEAD_START, trying.join_next()).await {
            match tried.expect("connecting does not panic") {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
    }
}

/// Reads the greeting and the server's extensions.
async fn meet<S>(
    stream: Measured<S>,
    hello: &Hello,
    is_encrypted: bool,
) -> Result<Session, ConnectError>
where
    Measured<S>: AsyncTokioStream + 'static,
{
    let content = stream.content();
    let met = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello.id());
    Ok(Session {
        connection: met.await?,
        content,
        is_encrypted,
    })
}

/// `work`, if it takes no longer than this. Dropping it closes what is open; the library's own timeout covers connecting only.
pub(super) async fn in_time<T>(
    longest: Duration,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let done = timeout(longest, work).await;
    done.unwrap_or(Err(ConnectError::Silence(longest)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_where_nothing_answers_hides_no_other() {
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let dead = silent.local_addr().unwrap();
        let full = silent.listen(1).unwrap();
        // Nobody accepts these, so that the next ones get no answer.
        let mut waiting = JoinSet::new();
        for _ in 0..8 {
            waiting.spawn(TcpStream::connect(dead));
        }
        while let Ok(Some(_)) = timeout(Duration::from_millis(500), waiting.join_next()).await {}
        assert!(!waiting.is_empty(), "all are answered");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let live = listener.local_addr().unwrap();
        let connected = timeout(
            Duration::from_secs(30),
            connect_to_any([dead, live].into_iter()),
        );
        let stream = connected.await.expect("it waits").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        // One that refuses costs no time.
        drop(listener);
        let refused = connect_to_any([live].into_iter()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        drop(full);
    }
}
