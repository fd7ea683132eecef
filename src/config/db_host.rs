//! Parses `DB_HOST` as PHP does: `wpdb::parse_db_host` (WordPress 6.1 to 7.1) splits it, and PHP's mysqli decides
//! between a Unix socket and TCP.

use std::path::{Path, PathBuf};

/// Where the database server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address (IPv6 without brackets) and a port.
    Tcp { host: String, port: u16 },
    /// A Unix socket.
    Socket(PathBuf),
}

/// Where distributions put the socket that PHP's `mysqli.default_socket` names.
pub(super) const DEFAULT_SOCKETS: &[&str] = &[
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

const DEFAULT_PORT: u16 = 3306;

impl Host {
    /// `None` if WordPress cannot parse a host and a port. The first of `sockets` that exists is the default socket.
    pub(super) fn parse(text: &str, sockets: &[impl AsRef<Path>]) -> Option<Self> {
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
        let default = || sockets.iter().map(AsRef::as_ref).find(|path| path.exists());
        match socket.map(Path::new).or_else(default) {
            Some(path) => Some(Self::Socket(path.to_owned())),
            None => Some(Self::Tcp {
                host: "127.0.0.1".to_owned(),
                port: port.unwrap_or(DEFAULT_PORT),
            }),
        }
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
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mysqld.sock");
        std::fs::write(&socket, "").unwrap();
        let sockets = [folder.path().join("missing"), socket.clone()];

        let tcp = |host: &str, port| Host::Tcp {
            host: host.to_owned(),
            port,
        };
        let default = || Host::Socket(socket.clone());
        let explicit = || Host::Socket("/s/m.sock".into());
        for (text, host) in [
            ("db.example", Some(tcp("db.example", 3306))),
            ("db.example:3307", Some(tcp("db.example", 3307))),
            ("127.0.0.1", Some(tcp("127.0.0.1", 3306))),
            ("127.0.0.1:3307", Some(tcp("127.0.0.1", 3307))),
            ("localhost", Some(default())),
            ("LOCALHOST", Some(default())),
            ("localhost:3307", Some(default())),
            ("", Some(default())),
            (":3307", Some(default())),
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
            assert_eq!(Host::parse(text, &sockets), host, "{text}");
        }
    }

    #[test]
    fn localhost_without_any_socket_is_the_loopback_address() {
        for (text, port) in [("localhost", 3306), ("localhost:3307", 3307), ("", 3306)] {
            let host = "127.0.0.1".to_owned();
            assert_eq!(
                Host::parse(text, &["/missing.sock"]),
                Some(Host::Tcp { host, port })
            );
        }
    }
}
