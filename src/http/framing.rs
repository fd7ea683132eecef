//! Finds where a request ends in the bytes of a connection, so that it can be collected before anything is spent on it.
//!
//! Decides nothing else: the server parses the same bytes again. If the two disagreed, a request would arrive late or break off.

use std::ops::Range;

use super::client;
use super::refusal;
use super::request_id::{RequestId, X_REQUEST_ID};

/// The most headers that the server reads.
const MOST_HEADERS: usize = 96;

/// What has to be known of a request before its body is read.
pub(super) struct Head {
    pub(super) is_post: bool,
    pub(super) query: Box<str>,
    /// Whether another request may follow on the connection.
    pub(super) is_kept: bool,
    /// The id that a proxy may have given to it.
    pub(super) request_id: Option<RequestId>,
    /// The beginning of what the body is said to be.
    pub(super) content_type: Option<Box<str>>,
    /// The header by which the caller asks whether to send the body: its place among the bytes.
    pub(super) expects: Option<Range<usize>>,
    pub(super) body: Body,
}

/// How the end of a body is told.
pub(super) enum Body {
    /// By its length in bytes.
    Length(usize),
    Chunked(Chunks),
    /// Not at all, in two ways, or by the end of the connection.
    Unclear,
}

/// The end of the head that these bytes begin with, which may follow empty lines. What is before `searched` has been
/// looked at.
pub(super) fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    let is_blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let begin = bytes.iter().position(|byte| !is_blank(byte))?;
    (begin.max(searched.saturating_sub(3))..bytes.len()).find_map(|at| match &bytes[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// The lines of a header in a head that the server will understand, joined.
pub(super) fn header(head: &[u8], name: &str) -> String {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let _ = request.parse(head);
    let lines = request.headers.iter();
    let lines = lines.filter(|header| header.name.eq_ignore_ascii_case(name));
    client::joined(lines.map(|header| header.value))
}

impl Head {
    /// `None` if the server will not understand it either.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(bytes).ok()?.is_complete().then_some(())?;
        let (mut lengths, mut encodings, mut expects) = (Vec::new(), Vec::new(), None);
        let mut ids = Vec::new();
        let mut is_kept = request.version == Some(1);
        // What follows such a head has no end, whatever its length says.
        let mut is_tunnel = request.method == Some("CONNECT");
        let mut content_type = None;
        for header in &*request.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                lengths.push(header.value);
            } else if is("transfer-encoding") {
                encodings.push(header.value);
            } else if is(X_REQUEST_ID.as_str()) {
                ids.push(header.value);
            } else if is("connection") {
                let mut options = header.value.split(|&byte| byte == b',');
                is_kept &=
                    !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
            } else if is("upgrade") {
                is_tunnel |= header.value.trim_ascii().eq_ignore_ascii_case(b"websocket");
            } else if is("content-type") {
                content_type = Some(refusal::content_type(header.value).into());
            } else if is("expect") {
                let begin = header.name.as_ptr() as usize - bytes.as_ptr() as usize;
                let line = bytes[begin..].iter().position(|&byte| byte == b'\n')?;
                expects = Some(begin..begin + line + 1);
            }
        }
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse().ok();
        let body = match (&*lengths, &*encodings) {
            _ if is_tunnel => Body::Unclear,
            ([], []) => Body::Length(0),
            ([length], []) => number(length).map_or(Body::Unclear, Body::Length),
            ([], [chunked]) if chunked.trim_ascii().eq_ignore_ascii_case(b"chunked") => {
                Body::Chunked(Chunks::default())
            }
            _ => Body::Unclear,
        };
        let query = request.path?.split_once('?').map_or("", |(_, query)| query);
        Some(Self {
            is_post: request.method == Some("POST"),
            query: query.into(),
            is_kept,
            request_id: match &*ids {
                [id] => RequestId::parse(id),
                _ => None,
            },
            content_type,
            expects,
            body,
        })
    }
}

/// Follows a chunked body.
#[derive(Default)]
pub(super) struct Chunks {
    at: At,
    /// The rest of the chunk.
    left: usize,
    /// The length of all chunks so far.
    pub(super) total: usize,
}

#[derive(Clone, Copy, Default)]
enum At {
    #[default]
    Size,
    Extension,
    Data,
    EndOfData,
    /// At the beginning of one of the last lines.
    LastLine,
    Trailer,
    EndOfTrailer,
    End,
}

/// Where a chunked body stands after some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed {
    Unfinished,
    /// The body ended after so many of these bytes.
    Ended(usize),
    Broken,
}

impl Chunks {
    /// Reads on.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut index = 0;
        while let Some(&byte) = bytes.get(index) {
            index += 1;
            self.at = match (self.at, byte) {
                (At::Size | At::Extension, b'\n') if self.left == 0 => At::LastLine,
                (At::Size | At::Extension, b'\n') => At::Data,
                (At::Size, _) => match char::from(byte).to_digit(16) {
                    Some(digit) if self.left < 1 << 40 => {
                        self.left = self.left * 16 + digit as usize;
                        At::Size
                    }
                    Some(_) => return Followed::Broken,
                    None => At::Extension,
                },
                (At::Extension, _) => At::Extension,
                (At::Data, _) => {
                    let length = self.left.min(bytes.len() - index + 1);
                    index += length - 1;
                    self.left -= length;
                    self.total += length;
                    if self.left == 0 {
                        At::EndOfData
                    } else {
                        At::Data
                    }
                }
                (At::EndOfData, b'\r') => At::EndOfData,
                (At::EndOfData, b'\n') => At::Size,
                (At::LastLine, b'\r') => At::End,
                (At::Trailer, b'\r') => At::EndOfTrailer,
                // The server takes no other end of a line here.
                (At::LastLine | At::Trailer, _) => At::Trailer,
                (At::EndOfTrailer, b'\n') => At::LastLine,
                (At::End, b'\n') => return Followed::Ended(index),
                (At::EndOfData | At::EndOfTrailer | At::End, _) => return Followed::Broken,
            };
        }
        Followed::Unfinished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        for (bytes, end) in [
            ("", None),
            ("\r\n\r\n", None),
            ("GET / HTTP/1.1\r\nA: b\r\n", None),
            ("GET / HTTP/1.1\r\nA: b\r\n\r\nrest", Some(24)),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(22)),
            ("GET / HTTP/1.1\nA: b\n\nrest", Some(21)),
        ] {
            assert_eq!(end_of_head(bytes.as_bytes(), 0), end, "{bytes:?}");
            // However it is cut.
            let found = (0..=bytes.len())
                .find_map(|end| end_of_head(&bytes.as_bytes()[..end], end.saturating_sub(1)));
            assert_eq!(found, end, "{bytes:?}");
        }
    }

    #[test]
    fn a_head_tells_how_its_body_ends() {
        for (headers, length) in [
            ("", Some(0)),
            ("Content-Length: 17\r\n", Some(17)),
            ("content-length:  0 \r\n", Some(0)),
            ("Content-Length: x\r\n", None),
            ("Content-Length: -1\r\n", None),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", None),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", None),
            ("Transfer-Encoding: gzip, chunked\r\n", None),
            ("Content-Length: 1\r\nUpgrade: WebSocket\r\n", None),
            ("Content-Length: 1\r\nUpgrade: h2c\r\n", Some(1)),
        ] {
            let bytes = format!("POST /a?b=c HTTP/1.1\r\n{headers}\r\n");
            let head = Head::parse(bytes.as_bytes()).unwrap();
            assert!(head.is_post);
            assert_eq!(&*head.query, "b=c");
            match (head.body, length) {
                (Body::Length(found), Some(length)) => assert_eq!(found, length),
                (Body::Unclear, None) => {}
                _ => panic!("{headers}"),
            }
        }
        let bytes =
            b"PUT / HTTP/1.1\r\nA: b\r\nExpect: 100-continue\r\nTransfer-Encoding: Chunked\r\n\r\n";
        let head = Head::parse(bytes).unwrap();
        assert!(!head.is_post && head.is_kept && matches!(head.body, Body::Chunked(_)));
        assert_eq!(&bytes[head.expects.unwrap()], b"Expect: 100-continue\r\n");
        assert!(Head::parse(b"nonsense\r\n\r\n").is_none());
        for ends in [
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n",
        ] {
            assert!(!Head::parse(ends.as_bytes()).unwrap().is_kept, "{ends}");
        }
    }

    #[test]
    fn chunks_are_followed_to_their_end_however_they_are_cut() {
        let body = b"5;a=b\r\nabcde\r\n1\r\n\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET";
        let end = body.len() - 3;
        assert_eq!(Chunks::default().follow(body), Followed::Ended(end));
        for size in 1..7 {
            let (mut chunks, mut seen) = (Chunks::default(), 0);
            for part in body.chunks(size) {
                match chunks.follow(part) {
                    Followed::Unfinished => seen += part.len(),
                    Followed::Ended(more) => {
                        seen += more;
                        break;
                    }
                    Followed::Broken => panic!("{size}"),
                }
            }
            assert_eq!((seen, chunks.total), (end, 16), "{size}");
        }
        // The server waits for another end.
        let unfinished = b"0\r\nX: y\n\n";
        assert_eq!(Chunks::default().follow(unfinished), Followed::Unfinished);
        for broken in [
            "1\r\nab",
            "fffffffffffffff\r\n",
            "0\r\n\r\r\n",
            "0\r\nX: y\r\r\n",
        ] {
            assert_eq!(
                Chunks::default().follow(broken.as_bytes()),
                Followed::Broken
            );
        }
    }
}
