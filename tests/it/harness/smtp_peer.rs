//! A mail server on a real port that plays a script before it accepts mail normally; optionally with TLS and a login.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fcom_sidecar::sample::mailbox::{Received, address, read_message};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::harness::eventually::time_passes;

/// One fault; each is played once, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Play {
    /// Answers the connection with this line and closes it.
    Greeting(&'static str),
    /// Sends this instead of a greeting, again and again until the client goes.
    EndlessGreeting(&'static str),
    /// The same instead of the answer to EHLO.
    EndlessReply(&'static str),
    /// Answers EHLO with these lines.
    Hello(&'static str),
    /// Does not answer EHLO, or the next mail on an open connection.
    Stall,
    /// Answers the recipient with this line.
    Recipient(&'static str),
    /// Accepts the message and closes the connection before confirming it.
    DropAfterData,
    /// The same, but confirms it after so many seconds.
    ConfirmLate(u64),
    /// Closes the connection instead of answering MAIL.
    DropAtMail,
    /// Closes the connection instead of answering DATA.
    DropAtData,
    /// Answers STARTTLS with this line.
    StartTls(&'static str),
}

/// Refuses every connection as busy.
pub(crate) const BUSY: Play = Play::Greeting("421 4.3.2 too busy for you");

/// The server's requirements for its clients.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// With a certificate: TLS from the first byte on, or after STARTTLS.
    pub(crate) tls: Option<(TlsAcceptor, Tls)>,
    /// User and password; only this login may send.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// Whether EHLO must say a name with a dot.
    pub(crate) full_names: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    FromTheStart,
    AfterStartTls,
}

/// What the server has observed.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) mails: Vec<Received>,
    /// The MAIL and RCPT commands of each of these mails, as they came: other connections' stand between them in `commands`.
    pub(crate) envelopes: Vec<[String; 2]>,
    /// Every command, in order.
    pub(crate) commands: Vec<String>,
    /// Connections so far.
    pub(crate) connections: usize,
    /// Most connections at once.
    pub(crate) most_at_once: usize,
    /// Attempts to log in.
    pub(crate) logins: usize,
    open: usize,
}

impl Seen {
    /// The names in EHLO.
    pub(crate) fn hellos(&self) -> Vec<&str> {
        let said = self.commands.iter();
        said.filter_map(|line| line.strip_prefix("EHLO ")).collect()
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Play>,
    /// Nobody may log in.
    is_revoked: bool,
    /// Connections end at recipients that begin with this.
    poison: Option<&'static str>,
    /// What recipients that begin with this get.
    unwelcome: Option<(&'static str, &'static str)>,
    /// How many more mails are taken, and what the recipients of others get.
    quota: Option<(usize, &'static str)>,
    seen: Seen,
}

/// The server, which ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct SmtpPeer {
    rules: Rules,
    state: Arc<Mutex<State>>,
}

/// A port that is reserved, so that no other process gets it, but not listening yet.
pub(crate) struct Closed(TcpSocket);

impl Closed {
    /// Reserves a port.
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Starts to listen.
    pub(crate) fn open(self) -> SmtpPeer {
        self.open_with(Rules::default())
    }

    /// The same, with rules.
    pub(crate) fn open_with(self, rules: Rules) -> SmtpPeer {
        let listener = self.0.listen(64).unwrap();
        let state = Arc::default();
        let peer = SmtpPeer { rules, state };
        let opened = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let peer = peer.clone();
                tokio::spawn(async move {
                    peer.change(|state| {
                        state.seen.connections += 1;
                        state.seen.open += 1;
                        state.seen.most_at_once = state.seen.most_at_once.max(state.seen.open);
                    });
                    let _ = peer.serve(stream).await;
                    peer.change(|state| state.seen.open -= 1);
                });
            }
        });
        opened
    }
}

impl SmtpPeer {
    /// Adds to the script.
    pub(crate) fn play(&self, plays: &[Play]) {
        self.change(|state| state.script.extend(plays));
    }

    /// Plays nothing more.
    pub(crate) fn behave(&self) {
        self.change(|state| state.script.clear());
    }

    /// Refuses every login, or no longer.
    pub(crate) fn revoke(&self, is_revoked: bool) {
        self.change(|state| state.is_revoked = is_revoked);
    }

    /// Takes only so many more mails, and answers the recipients of others with this line; or takes all again.
    pub(crate) fn throttle(&self, quota: Option<(usize, &'static str)>) {
        self.change(|state| state.quota = quota);
    }

    /// Ends every connection at a recipient whose address begins with this.
    pub(crate) fn drop_at(&self, recipient: &'static str) {
        self.change(|state| state.poison = Some(recipient));
    }

    /// Answers recipients whose addresses begin with this with this line.
    pub(crate) fn refuse(&self, recipient: &'static str, line: &'static str) {
        self.change(|state| state.unwelcome = Some((recipient, line)));
    }

    /// The recipients that were named so far.
    pub(crate) fn named(&self) -> Vec<String> {
        let commands = self.seen().commands.into_iter();
        let named = commands.filter_map(|line| line.strip_prefix("RCPT").map(address));
        named.collect()
    }

    /// What has happened so far.
    pub(crate) fn seen(&self) -> Seen {
        self.change(|state| state.seen.clone())
    }

    /// Whether nobody is connected.
    pub(crate) fn is_left(&self) -> bool {
        self.seen().open == 0
    }

    /// Every accepted message, headers and body, in order.
    pub(crate) fn messages(&self) -> Vec<String> {
        let mails = self.seen().mails.into_iter();
        mails.map(|mail| mail.message).collect()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// The next play, if it is one of these.
    fn next(&self, wanted: impl Fn(Play) -> bool) -> Option<Play> {
        self.change(|state| {
            let first = *state.script.front()?;
            wanted(first).then(|| state.script.pop_front()).flatten()
        })
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        match &self.rules.tls {
            None => self.greet(stream).await,
            Some((acceptor, Tls::FromTheStart)) => self.greet(acceptor.accept(stream).await?).await,
            Some((acceptor, Tls::AfterStartTls)) => {
                let mut plain = BufReader::new(stream);
                plain.write_all(b"220 peer.invalid\r\n").await?;
                loop {
                    if !read_line(&mut plain).await?.starts_with("STARTTLS") {
                        plain
                            .write_all(b"250-peer.invalid\r\n250 STARTTLS\r\n")
                            .await?;
                        continue;
                    }
                    let play = self.next(|play| matches!(play, Play::StartTls(_)));
                    let Some(Play::StartTls(line)) = play else {
                        break;
                    };
                    answer(&mut plain, line).await?;
                }
                plain.write_all(b"220 go on\r\n").await?;
                let stream = acceptor.accept(plain.into_inner()).await?;
                self.converse(BufReader::new(stream)).await
            }
        }
    }

    async fn greet<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let play = self.next(|play| matches!(play, Play::Greeting(_)));
        if let Some(Play::Greeting(line)) = play {
            return answer(&mut stream, line).await;
        }
        let play = self.next(|play| matches!(play, Play::EndlessGreeting(_)));
        if let Some(Play::EndlessGreeting(words)) = play {
            return flood(&mut stream, words).await;
        }
        answer(&mut stream, "220 peer.invalid").await?;
        self.converse(stream).await
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
    ) -> io::Result<()> {
        let (mut mail, mut envelope) = (Received::default(), [String::new(), String::new()]);
        let mut may_send = self.rules.login.is_none();
        loop {
            let line = read_line(&mut stream).await?;
            let (verb, rest) = line.split_at_checked(4).unwrap_or((&line, ""));
            let mut words = "250 fine".to_owned();
            let flooding =
                self.next(|play| verb == "EHLO" && matches!(play, Play::EndlessReply(_)));
            if let Some(Play::EndlessReply(words)) = flooding {
                return flood(&mut stream, words).await;
            }
            self.change(|state| state.seen.commands.push(line.clone()));
            match verb {
                "EHLO" | "MAIL" if self.next(|play| play == Play::Stall).is_some() => {
                    // Until the client gives up.
                    stream.read_to_end(&mut Vec::new()).await?;
                    return Ok(());
                }
                "EHLO"
                    if let Some(Play::Hello(lines)) =
                        self.next(|play| matches!(play, Play::Hello(_))) =>
                {
                    lines.clone_into(&mut words);
                }
                "EHLO" if self.rules.full_names && !rest.contains('.') => {
                    "504 5.5.2 need fully-qualified hostname".clone_into(&mut words);
                }
                "EHLO" if self.rules.login.is_some() => {
                    "250-peer.invalid\r\n250 AUTH PLAIN".clone_into(&mut words);
                }
                "AUTH" => {
                    may_send = self.knows(rest) && !self.change(|state| state.is_revoked);
                    self.change(|state| state.seen.logins += 1);
                    words = if may_send {
                        "235 welcome".to_owned()
                    } else {
                        "535 5.7.8 who are you".to_owned()
                    };
                }
                "MAIL" if self.next(|play| play == Play::DropAtMail).is_some() => return Ok(()),
                "MAIL" if !may_send => "530 5.7.0 log in first".clone_into(&mut words),
                "MAIL" => {
                    mail.from = address(rest);
                    envelope[0].clone_from(&line);
                }
                "RCPT"
                    if self
                        .change(|state| state.poison)
                        .is_some_and(|poison| address(rest).starts_with(poison)) =>
                {
                    return Ok(());
                }
                "RCPT" => {
                    let play = self.next(|play| matches!(play, Play::Recipient(_)));
                    if let Some(Play::Recipient(line)) = play {
                        line.clone_into(&mut words);
                    }
                    if let Some((unwelcome, line)) = self.change(|state| state.unwelcome)
                        && address(rest).starts_with(unwelcome)
                    {
                        line.clone_into(&mut words);
                    }
                    if let Some((0, line)) = self.change(|state| state.quota) {
                        line.clone_into(&mut words);
                    }
                    mail.to = vec![address(rest)];
                    envelope[1].clone_from(&line);
                }
                "DATA" if self.next(|play| play == Play::DropAtData).is_some() => return Ok(()),
                "DATA" => {
                    answer(&mut stream, "354 go on").await?;
                    mail.message = read_message(&mut stream).await?;
                    self.change(|state| {
                        state.seen.mails.push(mail.clone());
                        state.seen.envelopes.push(envelope.clone());
                        if let Some((left, _)) = &mut state.quota {
                            *left = left.saturating_sub(1);
                        }
                    });
                    match self
                        .next(|play| matches!(play, Play::DropAfterData | Play::ConfirmLate(_)))
                    {
                        Some(Play::ConfirmLate(seconds)) => {
                            time_passes(Duration::from_secs(seconds)).await;
                        }
                        Some(_) => return Ok(()),
                        None => {}
                    }
                }
                "QUIT" => return answer(&mut stream, "221 bye").await,
                _ => {}
            }
            answer(&mut stream, &words).await?;
        }
    }

    /// ` PLAIN` and base64 of NUL, user, NUL, password.
    fn knows(&self, given: &str) -> bool {
        let given = given.trim().strip_prefix("PLAIN ").unwrap_or_default();
        self.rules.login.is_some_and(|(user, password)| {
            given == STANDARD.encode(format!("\0{user}\0{password}"))
        })
    }
}

/// A line without its line end; an error if the client has disconnected.
async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

async fn answer<S: AsyncWrite + AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
    line: &str,
) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// Sends this until the client goes.
async fn flood<S: AsyncWrite + AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
    words: &str,
) -> io::Result<()> {
    let words = words.repeat(1 + (64 << 10) / words.len());
    loop {
        stream.write_all(words.as_bytes()).await?;
        stream.flush().await?;
    }
}

/// A self-signed certificate for this name; its PEM text goes into `folder`.
pub(crate) fn certificate(name: &str, folder: &Path) -> (TlsAcceptor, String) {
    certified(&CertificateParams::new([name.to_owned()]).unwrap(), folder)
}

/// A self-signed certificate; its PEM text goes into `folder`.
pub(crate) fn certified(params: &CertificateParams, folder: &Path) -> (TlsAcceptor, String) {
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    let file = folder.join("authority.pem");
    std::fs::write(&file, cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (
        TlsAcceptor::from(Arc::new(config)),
        file.display().to_string(),
    )
}
