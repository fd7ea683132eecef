//! `[server]`: where the daemon listens and which proxies it trusts for a client's address. Mirrors nothing in PHP.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "server.listen",
    "server.admin_listen",
    "server.admin_hosts",
    "server.socket_mode",
    "server.trusted_proxies",
    "server.forwarding_header",
    "server.shutdown_seconds",
];

/// The longest path the kernel accepts for a Unix socket, without the final NUL byte.
const LONGEST_SOCKET_PATH: usize = 107;

/// Resolved `[server]` options.
#[derive(Debug, Clone)]
pub struct Server {
    /// Takes webhook calls from the site's web server.
    pub listen: Listen,
    /// Takes health checks, metrics and management; never proxied.
    pub admin_listen: Listen,
    /// Names under which `admin_listen` answers, in small letters; `*` stands for any.
    pub admin_hosts: Vec<String>,
    /// Permission bits of Unix sockets, e.g. `0o660`.
    pub socket_mode: u32,
    /// Peers whose forwarding headers are trusted; a bare address is a network of one.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they send the client's address.
    pub forwarding_header: ForwardingHeader,
    /// How long calls in progress may still take after the daemon is asked to stop.
    pub shutdown: Duration,
}

/// The header in which proxies send the client's address. Only one of the two is read: a proxy passes the other one on
/// as the client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardingHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// An address to listen on; displayed as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Whether only one of the two can be listened on. All addresses of IPv6 include those of IPv4.
    fn excludes(&self, other: &Self) -> bool {
        let (Self::Tcp(one), Self::Tcp(other)) = (self, other) else {
            return self == other;
        };
        let includes = |all: IpAddr, address: IpAddr| {
            all.is_unspecified() && (all.is_ipv6() || address.is_ipv4())
        };
        let (a, b) = (one.ip(), other.ip());
        one.port() == other.port()
            && one.port() != 0
            && (a == b || includes(a, b) || includes(b, a))
    }

    fn parse(text: &str) -> Result<Self, Flaw> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !Path::new(path).is_absolute() || path.len() > LONGEST_SOCKET_PATH {
                return Err(Flaw::new(
                    "is not usable as a Unix socket",
                    "write an absolute path of at most 107 bytes, e.g. \"unix:/run/fcom-sidecar.sock\"",
                ));
            }
            return Ok(Self::Unix(path.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            let bare = text.trim_matches(['[', ']']).parse::<IpAddr>();
            let port = text
                .rsplit(':')
                .next()
                .and_then(|port| port.parse::<u16>().ok());
            match (bare, port) {
                (Ok(address), _) => Flaw::new(
                    "has no port",
                    format!("write \"{}\", for example", SocketAddr::new(address, 8095)),
                ),
                // A name may resolve to several addresses, and to others later.
                (_, Some(port)) => Flaw::new(
                    "does not start with an IP address",
                    format!("write \"127.0.0.1:{port}\" or \"[::1]:{port}\", names are not looked up"),
                ),
                _ => Flaw::new(
                    "is not an address",
                    "write address:port, e.g. \"127.0.0.1:8095\", or \"unix:/run/fcom-sidecar.sock\"",
                ),
            }
        })
    }
}

fn parse_mode(text: &str) -> Result<u32, Flaw> {
    let digits = text.trim_start_matches("0o");
    let octal = digits.bytes().all(|byte| byte.is_ascii_digit());
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o777)
        .ok_or_else(|| {
            Flaw::new(
                "is not a file mode",
                "write octal digits in quotes, e.g. \"0660\"",
            )
        })
}

pub(super) fn parse_network(text: &str) -> Result<IpNet, Flaw> {
    let network = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| {
        Flaw::new(
            "is neither a network nor an address",
            "write it like \"10.0.0.0/8\", \"::1/128\" or \"192.0.2.7\"",
        )
    })
}

/// A host name as it stands in a Host header, without the port.
fn parse_host(text: &str) -> Result<String, Flaw> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = text == "*" || (!text.is_empty() && text.bytes().all(is_part));
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    is_name.then_some(name).ok_or_else(|| {
        Flaw::new(
            "is not a host name",
            "write it without scheme and port, e.g. \"fcom-sidecar.monitoring.svc\"",
        )
    })
}

impl Server {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let listen = settings.parsed("server.listen", Listen::parse);
        let admin_listen = settings.parsed("server.admin_listen", Listen::parse);
        let admin_hosts = settings.list("server.admin_hosts", parse_host);
        let socket_mode = settings.parsed("server.socket_mode", parse_mode);
        let trusted_proxies = settings.list("server.trusted_proxies", parse_network);
        let forwarding_headers = [
            ("x-forwarded-for", ForwardingHeader::XForwardedFor),
            ("forwarded", ForwardingHeader::Forwarded),
        ];
        let forwarding_header = settings.one_of("server.forwarding_header", &forwarding_headers);
        let shutdown = settings.number("server.shutdown_seconds", 1..=3600);
        if let (Ok(listen), Ok(admin_listen)) = (&listen, &admin_listen)
            && listen.excludes(admin_listen)
        {
            return Err(settings.note(Problem::new(
                "server.admin_listen",
                "is also an address of server.listen",
                "give management a place of its own, e.g. \"127.0.0.1:9095\"",
            )));
        }
        Ok(Self {
            listen: listen?,
            admin_listen: admin_listen?,
            admin_hosts: admin_hosts?,
            socket_mode: socket_mode?,
            trusted_proxies: trusted_proxies?,
            forwarding_header: forwarding_header?,
            shutdown: Duration::from_secs(shutdown?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_are_addresses_or_socket_paths() {
        for text in [
            "127.0.0.1:8095",
            "[::1]:80",
            "0.0.0.0:0",
            "unix:/run/a.sock",
        ] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_places_to_listen_are_refused_with_a_remedy() {
        for (text, remedy) in [
            ("localhost:8095", "\"127.0.0.1:8095\" or \"[::1]:8095\""),
            (":8095", "\"127.0.0.1:8095\""),
            ("8095", "\"127.0.0.1:8095\""),
            ("127.0.0.1", "\"127.0.0.1:8095\""),
            ("[::1]", "\"[::1]:8095\""),
            ("::1", "\"[::1]:8095\""),
            ("127.0.0.1:99999", "address:port"),
            ("nonsense", "address:port"),
            ("unix:", "absolute path"),
            ("unix:run/a.sock", "absolute path"),
        ] {
            let flaw = Listen::parse(text).unwrap_err();
            assert!(flaw.remedy.contains(remedy), "{text}: {flaw:?}");
        }
        assert!(Listen::parse(&format!("unix:/{}", "a".repeat(106))).is_ok());
        assert!(Listen::parse(&format!("unix:/{}", "a".repeat(107))).is_err());
    }

    #[test]
    fn hosts_are_names_alone() {
        for (text, host) in [
            ("Sidecar.svc.", "sidecar.svc"),
            ("a_b-1", "a_b-1"),
            ("*", "*"),
        ] {
            assert_eq!(parse_host(text).as_deref(), Ok(host));
        }
        for text in ["", "http://a", "a:9095", "*.example.org", "a/b", "[::1]"] {
            assert!(parse_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn socket_modes_are_octal() {
        for (text, mode) in [("0660", 0o660), ("600", 0o600), ("0o777", 0o777), ("0", 0)] {
            assert_eq!(parse_mode(text), Ok(mode));
        }
        for text in ["0o", "888", "1777", "+660", "rw-rw----", "-1"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bare_addresses_are_networks_of_one() {
        for (text, network) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("::1", "::1/128"),
            ("10.0.0.0/8", "10.0.0.0/8"),
        ] {
            assert_eq!(parse_network(text).unwrap().to_string(), network);
        }
        assert!(parse_network("example.com").is_err());
        assert!(parse_network("10.0.0.0/33").is_err());
    }
}
