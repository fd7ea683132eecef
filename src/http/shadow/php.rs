//! Passes a request on to PHP as it came, byte for byte but for what belongs to the connection, exactly once. A general client would
//! rewrite the address, add headers of its own, or try again.

use std::io;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};

/// By this header a request that has passed here is known when it comes back.
pub(super) const MARK: &str = "x-fcom-sidecar-shadow";
/// How long PHP's web server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long PHP may take for all of it. The web server in front gives up sooner.
const LIMIT: Duration = Duration::from_mins(5);
/// Bytes of the longest head.
const LONGEST_HEAD: u64 = 64 << 10;
const MOST_HEADERS: usize = 128;
/// Headers of a connection, not of a message (RFC 9110, 7.6.1).
const OF_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Where PHP answers.
#[derive(Clone)]
pub(super) struct Php(pub(super) String);

/// A request as it is passed on. Holds the key and the fields, hence no `Debug`.
pub(super) struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
    is_head: bool,
}

/// PHP's answer, of which the body has yet to be read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
    deadline: Instant,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub(super) enum PhpError {
    #[error("PHP cannot be reached at shadow.php")]
    Away(#[source] io::Error),
    #[error("the connection to PHP broke off")]
    Broken(#[source] io::Error),
    #[error("PHP's answer is no HTTP")]
    Unreadable,
    #[error("PHP took longer than {} seconds", LIMIT.as_secs())]
    Slow,
}

struct Body {
    reader: BufReader<OwnedReadHalf>,
    /// Kept open: a web server may take a connection that is closed on one side for a caller who has gone.
    _writer: OwnedWriteHalf,
    left: Left,
}

/// What is left of the body.
enum Left {
    Bytes(u64),
    /// Of the present chunk, and whether it is the first one.
    Chunk(u64, bool),
    UntilClose,
}

impl Message {
    pub(super) fn of(request: &HttpRequest, body: Vec<u8>) -> Self {
        let named = named_by_connection(request.headers());
        let target = request.uri().path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let mut head = format!("{} {target} HTTP/1.1\r\n", request.method()).into_bytes();
        let mut has_body = !body.is_empty();
        for (name, value) in request.headers() {
            let name = name.as_str();
            if ["content-length", "transfer-encoding"].contains(&name) {
                has_body = true;
            } else if !OF_CONNECTION.contains(&name)
                && name != "expect"
                && !named.contains(&name.to_owned())
            {
                for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    head.extend_from_slice(part);
                }
            }
        }
        if has_body {
            head.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        head.extend_from_slice(format!("{MARK}: 1\r\nconnection: close\r\n\r\n").as_bytes());
        Self {
            head,
            body,
            is_head: request.method() == actix_web::http::Method::HEAD,
        }
    }
}

impl Php {
    /// Sends the message and reads the head of the answer.
    ///
    /// # Errors
    /// There is none; PHP may have executed the call all the same, unless it is away.
    pub(super) async fn ask(&self, message: &Message) -> Result<Answer, PhpError> {
        let deadline = Instant::now() + LIMIT;
        let connecting = timeout(CONNECT, TcpStream::connect(&self.0)).await;
        let stream = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let (reader, mut writer) = stream.map_err(PhpError::Away)?.into_split();
        let mut reader = BufReader::new(reader);
        let sending = async {
            writer.write_all(&message.head).await?;
            writer.write_all(&message.body).await
        };
        let receiving = async {
            loop {
                let head = read_head(&mut reader).await?;
                if !head.status.is_informational() {
                    return Ok::<_, PhpError>(head);
                }
            }
        };
        // A server may answer before it has read the body, and then not read it.
        let both = async { tokio::join!(sending, receiving) };
        let (sent, received) = timeout_at(deadline, both)
            .await
            .map_err(|_| PhpError::Slow)?;
        let head = received.map_err(|error| match (error, sent) {
            (PhpError::Broken(_), Err(sent)) => PhpError::Broken(sent),
            (error, _) => error,
        })?;
        let is_empty = message.is_head || matches!(head.status.as_u16(), 204 | 304);
        let left = if is_empty {
            Left::Bytes(0)
        } else if head.is_chunked {
            Left::Chunk(0, true)
        } else {
            head.length.map_or(Left::UntilClose, Left::Bytes)
        };
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: Body {
                reader,
                _writer: writer,
                left,
            },
            deadline,
        })
    }
}

impl Answer {
    /// The length of the body, if it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self.body.left {
            Left::Bytes(length) => Some(length),
            _ => None,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&HeaderValue> {
        let header = self.headers.iter().find(|(of, _)| of == name);
        header.map(|(_, value)| value)
    }

    /// A piece of the body; `None` at its end.
    ///
    /// # Errors
    /// It breaks off.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, PhpError> {
        let read = timeout_at(self.deadline, self.body.piece()).await;
        read.map_err(|_| PhpError::Slow)?.map_err(PhpError::Broken)
    }
}

impl Body {
    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        if let Left::Chunk(0, is_first) = self.left {
            if !is_first {
                self.line().await?;
            }
            let size = self.line().await?;
            let digits = size.split(|byte| b";\r\n ".contains(byte)).next();
            let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let size = size.ok_or(io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !matches!(&*self.line().await?, b"\r\n" | b"\n") {}
                self.left = Left::Bytes(0);
            } else {
                self.left = Left::Chunk(size, false);
            }
        }
        let most = match self.left {
            Left::Bytes(0) => return Ok(None),
            Left::Bytes(left) | Left::Chunk(left, _) => usize::try_from(left).unwrap_or(usize::MAX),
            Left::UntilClose => usize::MAX,
        };
        let arrived = self.reader.fill_buf().await?;
        let piece = Bytes::copy_from_slice(&arrived[..arrived.len().min(most)]);
        self.reader.consume(piece.len());
        let taken = piece.len() as u64;
        match &mut self.left {
            Left::UntilClose if piece.is_empty() => return Ok(None),
            _ if piece.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Left::Bytes(left) | Left::Chunk(left, _) => *left -= taken,
            Left::UntilClose => {}
        }
        Ok(Some(piece))
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.reader).take(LONGEST_HEAD);
        bounded.read_until(b'\n', &mut line).await?;
        if line.ends_with(b"\n") {
            Ok(line)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

struct Head {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    length: Option<u64>,
    is_chunked: bool,
}

async fn read_head(reader: &mut BufReader<OwnedReadHalf>) -> Result<Head, PhpError> {
    let mut bytes = Vec::new();
    let mut bounded = reader.take(LONGEST_HEAD);
    loop {
        let before = bytes.len();
        let read = bounded.read_until(b'\n', &mut bytes).await;
        if read.map_err(PhpError::Broken)? == 0 {
            return Err(match before {
                0 => PhpError::Broken(io::ErrorKind::UnexpectedEof.into()),
                _ => PhpError::Unreadable,
            });
        }
        if matches!(&bytes[before..], b"\r\n" | b"\n") && before > 0 {
            break;
        }
    }
    parse_head(&bytes).ok_or(PhpError::Unreadable)
}

fn parse_head(bytes: &[u8]) -> Option<Head> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(bytes).ok()?.is_complete().then_some(())?;
    let mut head = Head {
        status: StatusCode::from_u16(response.code?).ok()?,
        headers: Vec::new(),
        length: None,
        is_chunked: false,
    };
    let mut all = HeaderMap::new();
    for header in &*response.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        all.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    let named = named_by_connection(&all);
    for (name, value) in &all {
        match name.as_str() {
            "content-length" => head.length = Some(value.to_str().ok()?.trim().parse().ok()?),
            "transfer-encoding" => head.is_chunked = true,
            other if OF_CONNECTION.contains(&other) || named.contains(&other.to_owned()) => {}
            _ => head.headers.push((name.clone(), value.clone())),
        }
    }
    Some(head)
}

/// Headers that are the connection's because it says so.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all("connection");
    let names = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_request_is_passed_on_as_it_came_but_for_the_connection() {
        let request = TestRequest::post()
            .uri("//portal/%70x/../?a='b'&c=%zz")
            .append_header(("Host", "community.example.com"))
            .append_header(("Connection", "close, X-Hop"))
            .append_header(("X-Hop", "1"))
            .append_header(("Expect", "100-continue"))
            .append_header(("Content-Length", "3"))
            .append_header(("Content-Type", "x/y"))
            .append_header(("X-Two", "1"))
            .append_header(("X-Two", "2"))
            .to_http_request();
        let message = Message::of(&request, b"a=b".to_vec());
        let head = String::from_utf8(message.head).unwrap();
        assert!(
            head.starts_with("POST //portal/%70x/../?a='b'&c=%zz HTTP/1.1\r\n"),
            "{head}"
        );
        let mut lines: Vec<&str> = head.trim_end().split("\r\n").skip(1).collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "connection: close",
                "content-length: 3",
                "content-type: x/y",
                "host: community.example.com",
                "x-fcom-sidecar-shadow: 1",
                "x-two: 1",
                "x-two: 2",
            ]
        );
    }

    /// The status, the headers and the body that a server's bytes make.
    async fn answered(bytes: &'static [u8]) -> Result<(u16, Vec<String>, Vec<u8>), PhpError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let php = Php(listener.local_addr().unwrap().to_string());
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(bytes).await.unwrap();
        });
        let request = TestRequest::get().uri("/").to_http_request();
        let mut answer = php.ask(&Message::of(&request, Vec::new())).await?;
        let headers = answer.headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let headers = headers.collect();
        let mut body = Vec::new();
        while let Some(piece) = answer.piece().await? {
            body.extend_from_slice(&piece);
        }
        serving.await.unwrap();
        Ok((answer.status.as_u16(), headers, body))
    }

    #[tokio::test]
    async fn answers_are_read_however_their_end_is_told() {
        for bytes in [
            &b"HTTP/1.1 404 Not Found\r\nX-A: 1\r\nContent-Length: 4\r\n\r\nbody and more"[..],
            b"HTTP/1.1 404 Not Found\r\nX-A: 1\r\nConnection: close\r\n\r\nbody",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\nT: 1\r\n\r\n",
        ] {
            let expected = (404, vec!["x-a: 1".to_owned()], b"body".to_vec());
            assert_eq!(answered(bytes).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn half_an_answer_is_none() {
        for bytes in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nContent-Len",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo",
            b"SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(answered(bytes).await.is_err());
        }
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let php = Php(nobody.local_addr().unwrap().to_string());
        drop(nobody);
        let request = TestRequest::get().uri("/").to_http_request();
        let asked = php.ask(&Message::of(&request, Vec::new())).await;
        assert!(matches!(asked, Err(PhpError::Away(_))));
    }
}
