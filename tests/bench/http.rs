//! A minimal HTTP/1.1 client with keep-alive, which handles only the answers that occur here.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::{Answer, Subject};

/// Writes the request of this number.
type Write = dyn Fn(u64) -> String + Send + Sync;

/// A server and the kind of request to send to it.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) address: SocketAddr,
    pub(crate) request: Arc<Write>,
    /// The status that marks a request as successful.
    pub(crate) success: u16,
}

impl Subject for Calls {
    type Caller = Connection;

    async fn caller(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address).await
    }

    async fn call(&self, caller: &mut Connection, number: u64) -> anyhow::Result<Answer> {
        let (status, body) = caller.exchange(&(self.request)(number)).await?;
        match status {
            status if status == self.success => Ok(Answer::Executed),
            429 | 503 => Ok(Answer::Refused),
            status => bail!("status {status}: {}", String::from_utf8_lossy(body)),
        }
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    address: SocketAddr,
    closed: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            stream: connect(address).await?,
            buffer: Vec::with_capacity(16 << 10),
            address,
            closed: false,
        })
    }

    /// Sends a request and reads the complete answer: its status and its raw body.
    pub(crate) async fn exchange(&mut self, request: &str) -> anyhow::Result<(u16, &[u8])> {
        if self.closed {
            self.stream = connect(self.address).await?;
        }
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let (status, body) = loop {
            let length = self.stream.read_buf(&mut self.buffer).await?;
            anyhow::ensure!(length > 0, "the connection was closed");
            let Some(head) = find(&self.buffer, b"\r\n\r\n") else {
                continue;
            };
            let (text, body) = (std::str::from_utf8(&self.buffer[..head])?, head + 4);
            self.closed = header(text, "connection").is_some_and(|value| value == "close");
            let is_complete = match header(text, "content-length") {
                Some(length) => self.buffer.len() >= body + length.parse::<usize>()?,
                // No length, so the body is chunked, and an empty chunk ends it.
                None => self.buffer.ends_with(b"\r\n0\r\n\r\n"),
            };
            if is_complete {
                let status = text.get(9..12).context("no status line")?.parse()?;
                break (status, body);
            }
        };
        Ok((status, &self.buffer[body..]))
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A request with a body. Each line of `headers` ends with a line break.
pub(crate) fn post(target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}
