//! A minimal HTTP/1.1 client for the tests: one request per connection.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// The limit for every answer of the daemon, whatever has happened to its database.
const LIMIT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of the first header of this name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// The values of all headers of this name.
    pub(crate) fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, with replacement characters for invalid UTF-8.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, `null` if it is not JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends one request and reads the complete answer.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let head = head(&address.to_string(), method, target, headers, body);
    in_time(async { exchange(TcpStream::connect(address).await?, &head, body).await }).await
}

/// The same over a Unix socket.
pub(crate) async fn request_over_socket(
    socket: &Path,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let head = head("localhost", method, target, headers, body);
    in_time(async { exchange(UnixStream::connect(socket).await?, &head, body).await }).await
}

fn head(host: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let given = headers.iter().find(|(name, _)| *name == "Host");
    let host = given.map_or(host, |(_, host)| host);
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Host") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite,
    head: &str,
    body: &[u8],
) -> io::Result<Response> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    // A server may refuse a body before it has read it, so both directions run concurrently, and only the answer
    // counts.
    let send = async {
        let _ = writer.write_all(head.as_bytes()).await;
        let _ = writer.write_all(body).await;
    };
    let mut bytes = Vec::new();
    let (received, ()) = tokio::join!(reader.read_to_end(&mut bytes), send);
    let answer = if head.starts_with("HEAD ") {
        parse_head(&bytes).map(|(answer, _)| answer)
    } else {
        parse(&bytes)
    };
    answer.ok_or_else(|| {
        received.err().unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is incomplete")
        })
    })
}

async fn in_time(exchange: impl Future<Output = io::Result<Response>>) -> io::Result<Response> {
    tokio::time::timeout(LIMIT, exchange)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
}

/// Parses a complete answer; `None` if it is truncated.
fn parse(bytes: &[u8]) -> Option<Response> {
    let (mut response, rest) = parse_head(bytes)?;
    response.body = if response.header("transfer-encoding") == Some("chunked") {
        join_chunks(rest)?
    } else if let Some(length) = response.header("content-length") {
        rest.get(..length.parse().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(response)
}

/// Parses an answer up to its body, and returns what follows.
fn parse_head(bytes: &[u8]) -> Option<(Response, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let rest = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    if (100..200).contains(&status) {
        return parse_head(rest);
    }
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    Some((response, rest))
}

fn join_chunks(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[..line_end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        bytes = &bytes[line_end + 2..];
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes and returns the request.
    async fn answer_once(listener: TcpListener, answer: &[u8], expected: usize) -> Vec<u8> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = vec![0; expected];
        stream.read_exact(&mut received).await.unwrap();
        stream.write_all(answer).await.unwrap();
        received
    }

    #[tokio::test]
    async fn a_request_is_sent_whole_and_its_answer_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = format!(
            "POST /x?a=b HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-A: b\r\nContent-Length: 3\r\n\r\nabc"
        );
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-Y:  z \r\n\r\n{}";
        let (received, response) = tokio::join!(
            answer_once(listener, answer, sent.len()),
            request(address, "POST", "/x?a=b", &[("X-A", "b")], b"abc"),
        );
        assert_eq!(String::from_utf8(received).unwrap(), sent);
        let response = response.unwrap();
        assert_eq!((response.status, response.text().as_str()), (404, "{}"));
        assert_eq!(response.header("x-y"), Some("z"));
    }

    #[test]
    fn chunks_are_joined_and_interim_answers_skipped() {
        let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let response = parse(answer).unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "abcde"));
    }

    #[test]
    fn an_answer_that_is_cut_short_is_no_answer() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }
}
