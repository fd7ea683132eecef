//! The connection to a mail server, which may be anyone: the SMTP library reads a line to its end, however long, looks at
//! all lines of a reply again with each new one, panics at a blank one, and reads less than PHP does. So what arrives is measured before
//! the library sees it, and handed on line by line.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// With its line end. RFC 5321, 4.5.3.1.5, has 512; the library refuses more than this.
const LONGEST_LINE: usize = 1000;
/// The code of a reply and the character after it.
const CODE: usize = 4;
/// Servers announce some twenty extensions.
const MOST_LINES: usize = 128;
/// Of all lines together.
const LONGEST_REPLY: usize = 32 << 10;

/// A TCP connection that outlives the library's object for its plain part, so that TLS can begin after STARTTLS.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<TcpStream>>);

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    fn lock(&self) -> MutexGuard<'_, TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(context)
    }
}

/// What a server has sent since we wrote last: at most one reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reply {
    bytes: usize,
    lines: usize,
    /// Of the line that has not ended.
    line: usize,
}

/// Why a reply is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Endless {
    #[error("it sends a line of more than {LONGEST_LINE} bytes, so it is no mail server")]
    Line,
    #[error("its reply has more than {MOST_LINES} lines, so it is no mail server")]
    Lines,
    #[error("its reply has more than {LONGEST_REPLY} bytes, so it is no mail server")]
    Reply,
}

impl Reply {
    /// Adds what has arrived.
    ///
    /// # Errors
    /// Too much of it.
    fn add(&mut self, bytes: &[u8]) -> Result<(), Endless> {
        self.bytes += bytes.len();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line += line.len();
            if self.line > LONGEST_LINE {
                return Err(Endless::Line);
            }
            if line.ends_with(b"\n") {
                self.line = 0;
                self.lines += 1;
            }
        }
        if self.lines > MOST_LINES {
            return Err(Endless::Lines);
        }
        if self.bytes > LONGEST_REPLY {
            return Err(Endless::Reply);
        }
        Ok(())
    }
}

/// A line as the library reads it: in UTF-8, with CR LF at its end, a blank behind a bare code, and without its text if that is blank.
/// PHP's `PHPMailer` takes all of these.
fn readable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::with_capacity(line.len() + CODE);
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            // One byte, so that no line becomes too long.
            text.push('?');
        }
    }
    if let Some((end, _)) = text.char_indices().nth(CODE)
        && text[end..].trim().is_empty()
    {
        text.truncate(end);
    }
    if text.len() == CODE - 1 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.push(' ');
    }
    text.push_str("\r\n");
    text
}

/// Whether all of a mail is on its way: from then on it may arrive, whatever the server says.
#[derive(Clone, Debug, Default)]
pub(super) struct Content(Arc<AtomicU8>);

/// What the library sends by itself after the content.
const END: &[u8] = b"\r\n.\r\n";

impl Content {
    const NONE: u8 = 0;
    /// DATA was sent, which is answered before anything else is.
    const ANNOUNCED: u8 = 1;
    /// Some of it was sent, which is nothing yet.
    const CONTENT: u8 = 2;
    const COMPLETE: u8 = 3;

    pub(super) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::COMPLETE
    }

    /// The server has confirmed it.
    pub(super) fn has_arrived(&self) {
        self.0.store(Self::NONE, Ordering::Relaxed);
    }

    /// Follows what the library sends: a command at a time, or content.
    fn follow(&self, sent: &[u8]) {
        let now = match self.0.load(Ordering::Relaxed) {
            Self::COMPLETE if !sent.starts_with(b"MAIL FROM:") => return,
            Self::CONTENT if sent.len() > END.len() && !sent.ends_with(b".\r\n") => return,
            Self::CONTENT => Self::COMPLETE,
            // DATA was refused, or not answered.
            Self::ANNOUNCED if sent == b"QUIT\r\n" => Self::NONE,
            Self::ANNOUNCED => Self::CONTENT,
            _ if sent == b"DATA\r\n" => Self::ANNOUNCED,
            _ => Self::NONE,
        };
        self.0.store(now, Ordering::Relaxed);
    }
}

/// A plain connection, or the inside of an encrypted one, that ends with an error when a reply has no end.
pub(super) struct Measured<S> {
    stream: S,
    /// Whole lines, ready to be read.
    ready: Vec<u8>,
    /// The beginning of a line.
    begun: Vec<u8>,
    has_ended: bool,
    reply: Reply,
    content: Content,
}

impl<S> Measured<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            ready: Vec::new(),
            begun: Vec::new(),
            has_ended: false,
            reply: Reply::default(),
            content: Content::default(),
        }
    }

    /// The library begins with reading a greeting, which no server sends after STARTTLS.
    pub(super) fn greeted(stream: S) -> Self {
        Self {
            ready: b"220 \r\n".to_vec(),
            ..Self::new(stream)
        }
    }

    /// Adds what has arrived, nothing at the end of the stream.
    fn take(&mut self, arrived: &[u8]) {
        for line in arrived.split_inclusive(|&byte| byte == b'\n') {
            self.begun.extend_from_slice(line);
            if line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                self.ready.extend_from_slice(readable(&line).as_bytes());
            }
        }
        if arrived.is_empty() {
            self.has_ended = true;
            self.ready.append(&mut self.begun);
        }
    }

    /// Goes on to follow what is sent.
    pub(super) fn content(&self) -> Content {
        self.content.clone()
    }
}

/// Without the stream, which holds what was read.
impl<S> fmt::Debug for Measured<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured")
            .field("reply", &self.reply)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Measured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.ready.is_empty() && !self.has_ended {
            let mut chunk = [0; 1024];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut chunk))?;
            let arrived = chunk.filled();
            self.reply.add(arrived).map_err(io::Error::other)?;
            self.take(arrived);
        }
        let length = self.ready.len().min(buffer.remaining());
        buffer.put_slice(&self.ready[..length]);
        self.ready.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Measured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.reply = Reply::default();
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(length)) = written {
            self.content.follow(&bytes[..length]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Measured<S> {
    /// Nobody asks for it.
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn arrives(chunks: impl IntoIterator<Item = Vec<u8>>) -> Result<(), Endless> {
        let mut reply = Reply::default();
        chunks.into_iter().try_for_each(|chunk| reply.add(&chunk))
    }

    #[test]
    fn a_reply_ends() {
        let line = |length: usize| [vec![b'a'; length - 2], b"\r\n".to_vec()].concat();
        assert_eq!(arrives([line(LONGEST_LINE)]), Ok(()));
        assert_eq!(arrives([line(LONGEST_LINE + 1)]), Err(Endless::Line));
        assert_eq!(arrives(vec![b"a".to_vec(); LONGEST_LINE]), Ok(()));
        let endless = arrives(vec![b"a".to_vec(); LONGEST_LINE + 1]);
        assert_eq!(endless, Err(Endless::Line));
        assert_eq!(arrives(vec![line(9); MOST_LINES]), Ok(()));
        assert_eq!(arrives(vec![line(9); MOST_LINES + 1]), Err(Endless::Lines));
        assert_eq!(
            arrives([line(3).repeat(MOST_LINES + 1)]),
            Err(Endless::Lines)
        );
        assert_eq!(arrives(vec![line(900); 36]), Ok(()));
        assert_eq!(arrives(vec![line(900); 37]), Err(Endless::Reply));
    }

    #[tokio::test]
    async fn what_we_write_begins_another_reply() {
        let (mut server, client) = tokio::io::duplex(LONGEST_REPLY * 2);
        let mut measured = Measured::greeted(client);
        let mut buffer = [0; 2000];
        assert_eq!(measured.read(&mut buffer).await.unwrap(), 6);
        let line = [&[b'a'; 898][..], b"\r\n"].concat();
        for _ in 0..3 {
            server.write_all(&line).await.unwrap();
            assert_eq!(measured.read(&mut buffer).await.unwrap(), 900);
            measured.write_all(b"NOOP\r\n").await.unwrap();
        }
        server.write_all(&[b'a'; 1001]).await.unwrap();
        let error = measured.read(&mut buffer).await.unwrap_err();
        assert!(error.to_string().contains("1000 bytes"), "{error}");
    }

    async fn read(said: &[u8]) -> String {
        let (mut server, client) = tokio::io::duplex(1000);
        let mut measured = Measured::new(client);
        for chunk in said.chunks(3) {
            server.write_all(chunk).await.unwrap();
        }
        drop(server);
        let mut read = String::new();
        measured.read_to_string(&mut read).await.unwrap();
        read
    }

    /// The library panics at a line that has a text, but no word.
    #[tokio::test]
    async fn a_blank_line_has_no_text() {
        let said = "250-mail.example \r\n250- \t \r\n250-\u{3000}\u{a0}\n250-\r\n250  A B \r\n25\r\n\r\nend";
        let expected = "250-mail.example \r\n250-\r\n250-\r\n250-\r\n250  A B \r\n25\r\n\r\nend";
        assert_eq!(read(said.as_bytes()).await, expected);
    }

    #[tokio::test]
    async fn what_phpmailer_reads_is_readable() {
        for (said, expected) in [
            (&b"550 Empf\xe4nger\r\n"[..], "550 Empf?nger\r\n"),
            (b"250\r\n", "250 \r\n"),
            (b"250-a\n250 b\n", "250-a\r\n250 b\r\n"),
            ("220 M\u{fc}ller\r\n".as_bytes(), "220 M\u{fc}ller\r\n"),
        ] {
            assert_eq!(read(said).await, expected);
        }
    }
}
