//! One sender's connection to the mail server, and what the server's answers to a mail mean.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use lettre::transport::smtp::Error;

use super::connect::{ConnectError, Session, in_time};
use super::failure::{Failure, FailureKind, Refusal, Reply};
use super::hello::Hello;
use super::message::{Header, message};
use super::smtp::Smtp;
use super::text::Text;

/// Shorter than mail servers keep idle connections, so that we never use one that the server has just closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait for the server's answer to QUIT, on which nothing depends.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long a server may take to confirm a mail: it may be delivering it. RFC 5321, 4.5.3.2.6.
const LONGEST_CONFIRMATION: Duration = Duration::from_mins(10);

/// One sender's connection, opened for the first mail and reused for later ones.
pub struct Line<'a> {
    smtp: &'a Smtp,
    open: Option<(Session, Instant)>,
}

impl Smtp {
    /// A connection for one sender, not opened yet.
    pub fn line(&self) -> Line<'_> {
        Line {
            smtp: self,
            open: None,
        }
    }
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
        let session = in_time(self.smtp.timeout, self.session(hello)).await?;
        self.open = Some((session, Instant::now()));
        Ok(())
    }

    /// Sends one mail, on a connection that began with this name; returns when the server has accepted it. Takes at most `smtp.timeout_seconds`
    /// until all of the content is on its way, ten minutes from then on, and at most `longest`.
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
            kind: FailureKind::Never(None),
        })?;
        let (started, mut limit) = (Instant::now(), longest.min(self.smtp.timeout));
        let mut session = match self.open.take() {
            Some((session, _)) => session,
            None => in_time(limit, self.session(hello)).await?,
        };
        let formatted = message.formatted();
        let sent = {
            let mut sending = pin!(session.connection.send(message.envelope(), &formatted));
            let sent = timeout(limit.saturating_sub(started.elapsed()), &mut sending).await;
            if sent.is_err() && session.content.is_complete() {
                limit = longest.min(LONGEST_CONFIRMATION).max(limit);
                timeout(limit.saturating_sub(started.elapsed()), sending).await
            } else {
                sent
            }
        };
        let is_complete = session.content.is_complete();
        match sent {
            Ok(Ok(_)) => session.content.has_arrived(),
            Ok(Err(error)) => return Err(answered(&error, is_complete)),
            Err(_) => {
                return Err(Failure {
                    words: ConnectError::Silence(limit).to_string(),
                    kind: ended(is_complete),
                });
            }
        }
        self.open = Some((session, Instant::now()));
        Ok(())
    }

    /// The open connection, if the server still answers there, or a new one. Has no time limit.
    async fn session(&mut self, hello: &Hello) -> Result<Session, ConnectError> {
        if let Some((mut session, used)) = self.open.take()
            && used.elapsed() < IDLE_TIMEOUT
            && session.connection.test_connected().await
        {
            return Ok(session);
        }
        self.smtp.connect(hello).await
    }

    /// Quits the connection if it has been idle for a while.
    pub(super) async fn close_when_idle(&mut self) {
        if let Some((mut session, used)) = self.open.take() {
            if used.elapsed() < IDLE_TIMEOUT {
                self.open = Some((session, used));
            } else {
                let _ = tokio::time::timeout(GOODBYE, session.connection.quit()).await;
            }
        }
    }
}

/// Replies to a login: the operator's mistake, not the recipient's, so the mail is kept.
const LOGIN_REFUSED: [u16; 4] = [530, 534, 535, 538];

/// The server closes the connection.
const CLOSING: u16 = 421;

/// Replies to the sender, recipient or message, which may be on its way as a whole.
fn answered(error: &Error, is_complete: bool) -> Failure {
    let words = crate::telemetry::chain(error);
    let kind = match error.status().map(u16::from) {
        Some(CLOSING) => FailureKind::Busy,
        Some(code) if LOGIN_REFUSED.contains(&code) => FailureKind::Refused(Refusal::Login),
        Some(code) => {
            let reply = Reply::new(code, &error_text(error));
            match reply.is_of_recipient() {
                _ if error.is_permanent() => FailureKind::Never(Some(reply)),
                true => FailureKind::Recipient,
                false => FailureKind::NotNow,
            }
        }
        // What the library does not send.
        None if error.is_client() => FailureKind::Recipient,
        None => ended(is_complete),
    };
    Failure { words, kind }
}

/// What the server said, without the code.
fn error_text(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// A connection ended, or fell silent, with a mail on it. Before the end of its content no mail has arrived.
fn ended(is_complete: bool) -> FailureKind {
    if is_complete {
        FailureKind::Lost
    } else {
        FailureKind::NotNow
    }
}

/// A whole conversation with a server that says this, whatever it hears. It ends, and what is kept of it is short.
#[cfg(any(test, fuzzing))]
pub(crate) fn converse_with(said: &[u8]) {
    use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
    use lettre::transport::smtp::client::AsyncSmtpConnection;
    use tokio::io;

    use super::peer::Measured;

    let server = io::join(std::io::Cursor::new(said.to_vec()), io::sink());
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
        assert!(answered(&error, true).words.len() < 1 << 16);
    }
}
