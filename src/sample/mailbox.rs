//! A mail server that stores what it receives: the other end of the demo's SMTP. It mirrors no PHP function.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A mail with its envelope.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The sender of `MAIL FROM`.
    pub from: String,
    /// The recipients of `RCPT TO`.
    pub to: Vec<String>,
    /// Headers and body as they came.
    pub message: String,
}

/// Accepts any mail on a port of this machine.
pub struct Mailbox {
    port: u16,
    mails: mpsc::UnboundedReceiver<Received>,
}

impl Mailbox {
    /// Starts listening, for as long as the runtime lives.
    ///
    /// # Errors
    /// No port is free.
    pub async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (sender, mails) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Ok(Self { port, mails })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next mail.
    pub async fn next(&mut self) -> Option<Received> {
        self.mails.recv().await
    }

    /// A mail that has already arrived, if any.
    pub fn take(&mut self) -> Option<Received> {
        self.mails.try_recv().ok()
    }
}

/// Serves one connection: the part of SMTP that a client needs to deliver.
async fn serve(stream: TcpStream, mails: mpsc::UnboundedSender<Received>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mailbox.invalid\r\n").await?;
    let (mut line, mut mail) = (String::new(), Received::default());
    while stream.read_line(&mut line).await? > 0 {
        let verb = line
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                mail.message = read_message(&mut stream).await?;
                // The receiver may be gone, which does not concern the client.
                let _ = mails.send(std::mem::take(&mut mail));
                b"250 kept\r\n"
            }
            "MAIL" => {
                mail.from = address(&line);
                b"250 fine\r\n"
            }
            "RCPT" => {
                mail.to.push(address(&line));
                b"250 fine\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 fine\r\n",
        };
        stream.write_all(answer).await?;
        line.clear();
    }
    Ok(())
}

/// The address between the angle brackets of `MAIL FROM:<…>`.
#[must_use]
pub fn address(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside
        .map(|(address, _)| address.to_owned())
        .unwrap_or_default()
}

/// Reads up to the line with a single dot; a doubled dot at the beginning of a line stands for one.
///
/// # Errors
/// The connection failed, or the message is not UTF-8.
pub async fn read_message(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
