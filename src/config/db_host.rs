//! Parses `DB_HOST` as PHP does: `wpdb::parse_db_host` (WordPress 6.1 to 7.1) splits it, and PHP's mysqli decides
//! between a Unix socket and TCP.

use std::path::PathBuf;

/// Where the database server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address (IPv6 without brackets) and a port.
    Tcp { host: String, port: u16 },
    /// A Unix socket.
    Socket(PathBuf),
    /// `localhost`: the server's socket where it usually is, which exists only while the server runs. Without any, the
    /// loopback address and this port.
    Local {
        /// Where the socket may be; the first one that exists is it.
        sockets: Sockets,
        port: u16,
    },
}

/// Paths of sockets.
pub type Sockets = &'static [&'static str];

/// Where distributions put the socket that PHP's `mysqli.default_socket` names.
pub(super) const DEFAULT_SOCKETS: Sockets = &[
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

const DEFAULT_PORT: u16 = 3306;

impl Host {
    /// `None` if WordPress cannot parse a host and a port. `sockets` are the places of the default socket. Does not look at
    /// them: the same text is the same host, whether the server runs or not.
    pub(super) fn parse(text: &str, sockets: Sockets) -> Option<Self> {
        let (text, socket) = match text.find(":/") {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let (host, port) = split(text)?;
        // As in WordPress's pattern, text after the host that is not a port is ignored, and port 0 is not a port.
        let port = match port {
            "" => None,
            digits => Some(digits.parse::<u16>().ok()?).filter(|port| *port != 0),
        };
        // mysqli uses the socket only for the host "localhost", and then with any port.
        if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
            return Some(Self::Tcp {
                host: host.to_owned(),
                port: port.unwrap_or(DEFAULT_PORT),
            });
        }
        Some(match socket {
            Some(path) => Self::Socket(path.into()),
            None => Self::Local {
                sockets,
                port: port.unwrap_or(DEFAULT_PORT),
            },
        })
    }
}

/// Splits off the digits of the port, if any. Two or more colons make an IPv6 address.
fn split(text: &str) -> Option<(&str, &str)> {
    let leading = |text: &str, wanted: fn(char) -> bool| {
        text.find(|letter| !wanted(letter)).unwrap_or(text.len())
    };
    let digits = |text: &'_ str| leading(text, |letter| letter.is_ascii_digit());
    if text.matches(':').count() > 1 {
        let inner = text.strip_prefix('[').unwrap_or(text);
        let (host, rest) = inner.split_at(leading(inner, |c| c.is_ascii_hexdigit() || c == ':'));
        let port = rest.strip_prefix("]:").unwrap_or_default();
        return (!host.is_empty()).then(|| (host, &port[..digits(port)]));
    }
    let (host, rest) = text.split_at(leading(text, |c| c != ':' && c != '/'));
    let port = rest.strip_prefix(':').unwrap_or_default();
    Some((host, &port[..digits(port)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `parse_db_host` of WordPress 6.1 returns, and what mysqli under PHP 8.2 then connects to.
    #[test]
    fn hosts_resolve_as_wordpress_and_mysqli_resolve_them() {
        let sockets: Sockets = &["/missing/mysqld.sock"];
        let tcp = |host: &str, port| Host::Tcp {
            host: host.to_owned(),
            port,
        };
        let local = |port| Host::Local { sockets, port };
        let explicit = || Host::Socket("/s/m.sock".into());
        for (text, host) in [
            ("db.example", Some(tcp("db.example", 3306))),
            ("db.example:3307", Some(tcp("db.example", 3307))),
            ("127.0.0.1", Some(tcp("127.0.0.1", 3306))),
            ("127.0.0.1:3307", Some(tcp("127.0.0.1", 3307))),
            ("localhost", Some(local(3306))),
            ("LOCALHOST", Some(local(3306))),
            ("localhost:3307", Some(local(3307))),
            ("", Some(local(3306))),
            (":3307", Some(local(3307))),
            ("localhost:/s/m.sock", Some(explicit())),
            (":/s/m.sock", Some(explicit())),
            ("localhost:3307:/s/m.sock", Some(explicit())),
            ("db.example:3307:/s/m.sock", Some(tcp("db.example", 3307))),
            ("127.0.0.1:/s/m.sock", Some(tcp("127.0.0.1", 3306))),
            ("[::1]", Some(tcp("::1", 3306))),
            ("[::1]:3307", Some(tcp("::1", 3307))),
            ("::1", Some(tcp("::1", 3306))),
            ("[::1]:/s/m.sock", Some(tcp("::1", 3306))),
            ("2001:db8::1", Some(tcp("2001:db8::1", 3306))),
            ("[2001:db8::1]:3307", Some(tcp("2001:db8::1", 3307))),
            ("::1:3307", Some(tcp("::1:3307", 3306))),
            ("[::1]x", Some(tcp("::1", 3306))),
            ("fe80::1%eth0", Some(tcp("fe80::1", 3306))),
            ("db.example:", Some(tcp("db.example", 3306))),
            ("db.example:0", Some(tcp("db.example", 3306))),
            ("db.example:abc", Some(tcp("db.example", 3306))),
            ("db.example/", Some(tcp("db.example", 3306))),
            ("p:localhost", Some(tcp("p", 3306))),
            ("db.example:99999", None),
            ("xx::1", None),
            ("p:db.example:3307", None),
        ] {
            assert_eq!(Host::parse(text, sockets), host, "{text}");
        }
    }
}
