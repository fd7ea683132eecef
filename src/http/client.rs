//! Determines the client's address and whether it used HTTPS, from the proxy's headers if the proxy is trusted.
//!
//! Anything a client sends itself stands to the left of what the proxies append. Headers are therefore read from the
//! right, only as far as the proxies are trusted, and nothing further left can change the result.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use ipnet::IpNet;

use crate::config::ForwardingHeader;

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// `None` over a Unix socket without a forwarded address.
    pub(super) address: Option<IpAddr>,
    /// Whether the client's own connection was encrypted, according to the proxy.
    pub(super) https: bool,
}

impl Client {
    /// Reads the header that the proxies write, if the peer is trusted. A peer on the Unix socket is: the socket's
    /// permissions control who can connect.
    pub(super) fn of(request: &HttpRequest, trusted: &[IpNet], written: ForwardingHeader) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip());
        Self::told(peer, |name| header(request, name), trusted, written)
    }

    /// The same, with what `header` joins of all lines of a header.
    pub(super) fn told(
        peer: Option<IpAddr>,
        header: impl Fn(&str) -> String,
        trusted: &[IpNet],
        written: ForwardingHeader,
    ) -> Self {
        let peer = peer.map(|peer| peer.to_canonical());
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        if peer.is_some_and(|peer| !is_trusted(peer)) {
            return Self {
                address: peer,
                https: false,
            };
        }
        let mut client = Self {
            address: peer,
            https: false,
        };
        let hops = match written {
            ForwardingHeader::XForwardedFor => {
                client.https = last_protocol(&header("x-forwarded-proto"));
                addresses(&header("x-forwarded-for"))
            }
            ForwardingHeader::Forwarded => elements(&header("forwarded")),
        };
        // Each proxy appends the peer it saw, so the last address that is not one of our proxies is the client.
        for hop in hops {
            client.address = Some(hop.address);
            client.https = hop.https.unwrap_or(client.https);
            if !is_trusted(hop.address) {
                break;
            }
        }
        client
    }
}

/// What one proxy reports about its peer.
struct Hop {
    address: IpAddr,
    /// `None` if another header carries it.
    https: Option<bool>,
}

fn header(request: &HttpRequest, name: &str) -> String {
    let lines = request.headers().get_all(name);
    joined(lines.map(HeaderValue::as_bytes))
}

/// Joins the lines of a header. Bytes that are not text must not make a line disappear: the client may have sent them,
/// and the proxy appended to that line.
pub(super) fn joined<'a>(lines: impl Iterator<Item = &'a [u8]>) -> String {
    let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
    lines.join(",")
}

fn last_protocol(header: &str) -> bool {
    let last = header.rsplit(',').next();
    last.is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("https"))
}

/// The addresses of `X-Forwarded-For`, last first, up to the first entry that is not an address.
fn addresses(header: &str) -> Vec<Hop> {
    let addresses = header.rsplit(',').map_while(|hop| node(hop.trim()));
    addresses
        .map(|address| Hop {
            address,
            https: None,
        })
        .collect()
}

/// The elements of `Forwarded` (RFC 7239), last first, up to the first one without an address.
fn elements(header: &str) -> Vec<Hop> {
    let hop = |element: &str| {
        let (mut address, mut https) = (None, false);
        for pair in split_from_the_right(element, b';') {
            let (name, value) = pair.split_once('=')?;
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                // Ambiguous if given twice.
                "for" if address.is_some() => return None,
                "for" => address = Some(node(value)?),
                "proto" => https = value.eq_ignore_ascii_case("https"),
                _ => {}
            }
        }
        Some(Hop {
            address: address?,
            https: Some(https),
        })
    };
    split_from_the_right(header, b',')
        .into_iter()
        .map_while(hop)
        .collect()
}

/// Splits at separators outside quotes, last part first. Starting from the end keeps a quote that a client left open
/// from swallowing what a proxy appended.
fn split_from_the_right(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut end, mut quoted) = (Vec::new(), text.len(), false);
    for (at, &byte) in text.as_bytes().iter().enumerate().rev() {
        if byte == b'"' {
            quoted = !quoted;
        } else if byte == separator && !quoted {
            parts.push(text[at + 1..end].trim());
            end = at;
        }
    }
    parts.push(text[..end].trim());
    parts
}

/// Parses an address with an optional port.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse();
    let address: IpAddr = bare
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()?;
    Some(address.to_canonical())
}

/// Checks that the address appended by the proxy is found, no matter what the client puts into the headers.
#[cfg(any(test, fuzzing))]
pub(crate) fn assert_last_hop_stands(invented: &str) {
    let appended: IpAddr = [192, 0, 2, 1].into();
    for hops in [
        addresses(&format!("{invented}, 192.0.2.1")),
        elements(&format!("{invented}, for=192.0.2.1;proto=https")),
        elements(&format!("{invented},proto=http;for=\"192.0.2.1:80\"")),
    ] {
        assert_eq!(hops.first().map(|hop| hop.address), Some(appended));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    fn client_by(
        written: ForwardingHeader,
        peer: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Client {
        let trusted: Vec<IpNet> = vec![
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        let mut request = TestRequest::default();
        if let Some(peer) = peer {
            request = request.peer_addr(format!("{peer}:1").parse().unwrap());
        }
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request = request.append_header((*name, value));
        }
        Client::of(&request.to_http_request(), &trusted, written)
    }

    fn client(peer: Option<&str>, headers: &[(&str, &str)]) -> Client {
        client_by(ForwardingHeader::XForwardedFor, peer, headers)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=203.0.113.9;proto=https"),
        ];
        let believed = Client {
            address: "203.0.113.9".parse().ok(),
            https: true,
        };
        let stranger = Client {
            address: "198.51.100.7".parse().ok(),
            https: false,
        };
        for written in [ForwardingHeader::XForwardedFor, ForwardingHeader::Forwarded] {
            assert_eq!(client_by(written, Some("127.0.0.1"), &headers), believed);
            assert_eq!(client_by(written, None, &headers), believed);
            assert_eq!(client_by(written, Some("198.51.100.7"), &headers), stranger);
        }
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
        for (forwarded, expected) in [
            ("203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.3, 203.0.113.9", "203.0.113.9"),
            ("\u{e9}, 203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("10.0.0.3", "10.0.0.3"),
            ("nonsense", "127.0.0.1"),
        ] {
            let found = client(Some("127.0.0.1"), &[("x-forwarded-for", forwarded)]);
            assert_eq!(found.address, expected.parse().ok(), "{forwarded}");
        }
        let lines = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        let found = client(Some("127.0.0.1"), &lines);
        assert_eq!(found.address, "203.0.113.9".parse().ok());
    }

    #[test]
    fn forwarded_is_read_as_its_specification_says() {
        for (forwarded, expected, https) in [
            (
                "for=192.0.2.60;proto=https;by=203.0.113.43",
                "192.0.2.60",
                true,
            ),
            (
                "For=\"[2001:db8:cafe::17]:4711\" ; Proto=HTTP",
                "2001:db8:cafe::17",
                false,
            ),
            (
                "for=192.0.2.43;proto=https, for=10.0.0.2;proto=http",
                "192.0.2.43",
                true,
            ),
            (
                "for=6.6.6.6;proto=https, for=192.0.2.43",
                "192.0.2.43",
                false,
            ),
            ("for=\"6.6.6.6, for=192.0.2.43", "192.0.2.43", false),
            ("for=\"6.6.6.6;x=\\\", for=192.0.2.43", "192.0.2.43", false),
            (
                "host=\"a,b;for=6.6.6.6\";for=192.0.2.43",
                "192.0.2.43",
                false,
            ),
            ("for=6.6.6.6;for=192.0.2.43", "127.0.0.1", false),
            ("for=6.6.6.6, for=unknown", "127.0.0.1", false),
            ("for=6.6.6.6, for=_hidden, for=10.0.0.2", "10.0.0.2", false),
            ("", "127.0.0.1", false),
        ] {
            let headers = [
                ("forwarded", forwarded),
                ("x-forwarded-for", "7.7.7.7"),
                ("x-forwarded-proto", "https"),
            ];
            let found = client_by(ForwardingHeader::Forwarded, Some("127.0.0.1"), &headers);
            assert_eq!(found.address, expected.parse().ok(), "{forwarded}");
            assert_eq!(found.https, https, "{forwarded}");
        }
    }

    /// A proxy that writes one of the headers passes the other on as the client sent it.
    #[test]
    fn the_header_that_the_proxy_does_not_write_is_not_read() {
        let headers = [("forwarded", "for=6.6.6.6;proto=https")];
        let found = client(Some("127.0.0.1"), &headers);
        assert_eq!(found.address, "127.0.0.1".parse().ok());
        assert!(!found.https);
    }
}
