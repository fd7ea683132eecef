//! Who calls: the client's address and whether it used HTTPS, from the proxy's headers where the proxy is trusted.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// `None` over a Unix socket without a forwarded address.
    pub(super) address: Option<IpAddr>,
    /// Whether the client's own connection was encrypted, as the proxy says.
    pub(super) https: bool,
}

impl Client {
    /// Reads `X-Forwarded-For` and `X-Forwarded-Proto` if the peer is a trusted proxy. A peer on the Unix socket is one:
    /// the socket's permissions say who may connect.
    pub(super) fn of(request: &HttpRequest, trusted: &[IpNet]) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        if peer.is_some_and(|peer| !is_trusted(peer)) {
            return Self {
                address: peer,
                https: false,
            };
        }
        let header = |name: &str| {
            let values = request
                .headers()
                .get_all(name)
                .filter_map(|value| value.to_str().ok());
            values.collect::<Vec<_>>().join(",")
        };
        // Each proxy appends the peer it saw: the last address that is no proxy of ours is the client.
        let forwarded = header("x-forwarded-for");
        let mut address = peer;
        for hop in forwarded.rsplit(',').map(str::trim) {
            let Ok(hop) = hop.parse::<IpAddr>() else {
                break;
            };
            address = Some(hop.to_canonical());
            if !is_trusted(hop.to_canonical()) {
                break;
            }
        }
        let protocol = header("x-forwarded-proto");
        let https = protocol
            .rsplit(',')
            .next()
            .is_some_and(|p| p.trim().eq_ignore_ascii_case("https"));
        Self { address, https }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: Option<&str>, headers: &[(&'static str, &'static str)]) -> Client {
        let trusted: Vec<IpNet> = vec![
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        let mut request = TestRequest::default();
        if let Some(peer) = peer {
            request = request.peer_addr(format!("{peer}:1").parse().unwrap());
        }
        for header in headers {
            request = request.append_header(*header);
        }
        Client::of(&request.to_http_request(), &trusted)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
        ];
        let believed = Client {
            address: "203.0.113.9".parse().ok(),
            https: true,
        };
        assert_eq!(client(Some("127.0.0.1"), &headers), believed);
        assert_eq!(client(None, &headers), believed);
        let stranger = Client {
            address: "198.51.100.7".parse().ok(),
            https: false,
        };
        assert_eq!(client(Some("198.51.100.7"), &headers), stranger);
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
        for (forwarded, expected) in [
            ("203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.3", "10.0.0.3"),
            ("nonsense", "127.0.0.1"),
        ] {
            let found = client(Some("127.0.0.1"), &[("x-forwarded-for", forwarded)]);
            assert_eq!(found.address, expected.parse().ok(), "{forwarded}");
        }
    }
}
