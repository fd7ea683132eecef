//! Passes a request on to PHP as it came but for what belongs to the connection, exactly once. One connection each: a client that keeps
//! connections would try again where one has been closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// By this header a request that has passed here is known when it comes back, also through other instances: each adds a mark of its own.
const MARK: &str = "x-fcom-sidecar-shadow";
/// How long PHP's web server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long PHP may take for all of it. The web server in front gives up sooner.
const LIMIT: Duration = Duration::from_mins(5);
/// Bytes of the longest head, and its lines.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 128;
/// Headers of a connection, not of a message (RFC 9110, 7.6.1). Those that the caller's `Connection` names beside are passed on: they may be
/// headers that the web server has set, such as the caller's address.
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

/// What tells this process's requests from what anybody else sends.
#[derive(Clone)]
pub(super) struct Mark(Arc<str>);

/// A request as it is passed on. Holds the key and the fields, hence no `Debug`.
pub(super) struct Message(Request<Full<Bytes>>);

/// PHP's answer, of which the body has yet to be read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    body: Incoming,
    pub(super) deadline: Instant,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub(super) enum PhpError {
    #[error("PHP cannot be reached at shadow.php")]
    Away(#[source] io::Error),
    #[error("the connection to PHP broke off")]
    Broken(#[source] hyper::Error),
    #[error("PHP's answer is no HTTP")]
    Unreadable,
    #[error("PHP took longer than {} seconds", LIMIT.as_secs())]
    Slow,
}

impl From<hyper::Error> for PhpError {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() {
            Self::Unreadable
        } else {
            Self::Broken(error)
        }
    }
}

impl Mark {
    pub(super) fn new() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    /// Whether a request has passed here.
    pub(super) fn is_on(&self, request: &HttpRequest) -> bool {
        listed(request.headers(), MARK).any(|mark| mark == &*self.0)
    }
}

impl Message {
    /// `None` if the address is none: the server that read it takes a few that are not.
    pub(super) fn of(request: &HttpRequest, body: Vec<u8>, mark: &Mark) -> Option<Self> {
        let target = request.uri().path_and_query();
        let mut passed = Request::builder()
            .method(request.method().as_str())
            .uri(target.map_or("/", |target| target.as_str()));
        let mut has_body = !body.is_empty();
        for (name, value) in request.headers() {
            let name = name.as_str();
            if ["content-length", "transfer-encoding"].contains(&name) {
                has_body = true;
            } else if !OF_CONNECTION.contains(&name) && name != "expect" {
                passed = passed.header(name, value.as_bytes());
            }
        }
        if has_body {
            passed = passed.header("content-length", body.len());
        }
        let passed = passed.header(MARK, &*mark.0).header("connection", "close");
        passed.body(Full::new(body.into())).ok().map(Self)
    }
}

impl Php {
    /// Sends the message and reads the head of the answer.
    ///
    /// # Errors
    /// There is none; PHP may have executed the call all the same, unless it is away.
    pub(super) async fn ask(&self, message: Message) -> Result<Answer, PhpError> {
        let deadline = Instant::now() + LIMIT;
        let connecting = timeout(CONNECT, TcpStream::connect(&self.0)).await;
        let stream = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = TokioIo::new(stream.map_err(PhpError::Away)?);
        let asking = async {
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(LONGEST_HEAD)
                .max_headers(MOST_HEADERS)
                .handshake(stream)
                .await?;
            // What fails on the connection fails the answer, too.
            tokio::spawn(connection);
            sender.send_request(message.0).await
        };
        let answer = timeout_at(deadline, asking).await;
        let (head, body) = answer.map_err(|_| PhpError::Slow)??.into_parts();
        let mut all = HeaderMap::new();
        for (name, value) in &head.headers {
            let name = HeaderName::from_bytes(name.as_str().as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(PhpError::Unreadable);
            };
            all.append(name, value);
        }
        // Here the web server says what is its connection's.
        let named: Vec<_> = listed(&all, "connection")
            .map(str::to_ascii_lowercase)
            .collect();
        let headers = all.iter().filter(|(name, _)| {
            let name = name.as_str();
            let is_of_connection =
                OF_CONNECTION.contains(&name) || named.iter().any(|of| of == name);
            !is_of_connection && name != "content-length"
        });
        Ok(Answer {
            status: StatusCode::from_u16(head.status.as_u16()).map_err(|_| PhpError::Unreadable)?,
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            body,
            deadline,
        })
    }
}

impl Answer {
    /// The length of the body, if it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
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
        loop {
            let frame = timeout_at(self.deadline, self.body.frame()).await;
            match frame.map_err(|_| PhpError::Slow)? {
                None => return Ok(None),
                Some(frame) => {
                    // Trailers are the connection's.
                    if let Ok(piece) = frame?.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

/// What a header lists, in one line or several: web servers join them.
fn listed<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name);
    let items = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    items.map(str::trim)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    #[tokio::test]
    async fn a_request_is_passed_on_as_it_came_but_for_the_connection() {
        let request = TestRequest::post()
            .uri("//portal/%70x/../?a='b'&c=%zz")
            .append_header(("Host", "community.example.com"))
            .append_header(("Connection", "close, X-Forwarded-For, Keep-Alive, X-Two"))
            .append_header(("Keep-Alive", "timeout=5"))
            .append_header(("X-Forwarded-For", "192.0.2.1"))
            .append_header(("X-Fcom-Sidecar-Shadow", "that of a stranger"))
            .append_header(("Expect", "100-continue"))
            .append_header(("Content-Length", "3"))
            .append_header(("Content-Type", "x/y"))
            .append_header(("X-Two", "1"))
            .append_header(("X-Two", "2"))
            .to_http_request();
        let (php, sent) = served(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        let mark = Mark::new();
        assert!(!mark.is_on(&request));
        let message = Message::of(&request, b"a=b".to_vec(), &mark).unwrap();
        assert_eq!(php.ask(message).await.unwrap().status, 204);
        let sent = String::from_utf8(sent.await.unwrap()).unwrap();
        let (head, body) = sent.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "a=b");
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
                &*format!("x-fcom-sidecar-shadow: {}", mark.0),
                "x-fcom-sidecar-shadow: that of a stranger",
                "x-forwarded-for: 192.0.2.1",
                "x-two: 1",
                "x-two: 2",
            ]
        );
    }

    #[test]
    fn what_has_passed_is_known_among_the_marks_of_others() {
        let (ours, others) = (Mark::new(), Mark::new());
        let on = |lines: &[&str]| {
            let mut request = TestRequest::get().uri("/");
            for line in lines {
                request = request.append_header((MARK, *line));
            }
            ours.is_on(&request.to_http_request())
        };
        assert!(on(&[&others.0, &ours.0]) && on(&[&format!("1, {},{}", ours.0, others.0)]));
        assert!(!on(&[]) && !on(&["", "1"]) && !on(&[&others.0]));
    }

    /// A server that answers one request with these bytes; and what it got.
    async fn served(bytes: &'static [u8]) -> (Php, JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let php = Php(listener.local_addr().unwrap().to_string());
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut got = Vec::new();
            while !got.ends_with(b"\r\n\r\n") && !got.ends_with(b"a=b") {
                assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0);
            }
            stream.write_all(bytes).await.unwrap();
            got
        });
        (php, serving)
    }

    /// The status, the headers and the body that a server's bytes make.
    async fn answered(bytes: &'static [u8]) -> Result<(u16, Vec<String>, Vec<u8>), PhpError> {
        let (php, _) = served(bytes).await;
        let request = TestRequest::get().uri("/").to_http_request();
        let message = Message::of(&request, Vec::new(), &Mark::new()).unwrap();
        let mut answer = php.ask(message).await?;
        let headers = answer.headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let headers = headers.collect();
        let mut body = Vec::new();
        while let Some(piece) = answer.piece().await? {
            body.extend_from_slice(&piece);
        }
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
        let message = Message::of(&request, Vec::new(), &Mark::new()).unwrap();
        let asked = php.ask(message).await;
        assert!(matches!(asked, Err(PhpError::Away(_))));
    }
}
