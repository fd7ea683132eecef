//! HTTP/1.1 on a connection that stays open, with no more to it than the answers here need.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::{Answer, Subject};

/// Writes the request of this number.
type Write = dyn Fn(u64) -> String + Send + Sync;

/// A server with a kind of request.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) address: SocketAddr,
    pub(crate) request: Arc<Write>,
    /// The status of a request that was carried out.
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

    /// Sends a request and reads the whole answer: its status and its body as it came.
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
                // Neither a length nor an end: chunks, of which an empty one is the last.
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

/// A request with a body. `headers` end with a line break each.
pub(crate) fn post(target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}
