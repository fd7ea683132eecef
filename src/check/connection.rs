//! Connects to the database and explains connection failures in an operator's terms.

use std::io::ErrorKind;

use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError};

use super::report::Finding;
use crate::config::{Database, Target};
use crate::db::{self, Connection};

const DATABASE: &str = super::server::DATABASE;

/// Connects once, with the daemon's own session settings.
pub(super) async fn open(database: &Database) -> Result<Connection, Finding> {
    let place = match db::connect_options(database) {
        Ok(options) => Place::of(&options, &database.target),
        Err(error) => {
            let found = format!("the database URL cannot be used: {error}");
            let remedy = "write mysql://user:password@host:3306/database in database.url";
            return Err(Finding::failed(DATABASE, found, remedy));
        }
    };
    let attempt = tokio::time::timeout(database.acquire_timeout, db::connect(database));
    let (found, remedy) = match attempt.await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => explain(&error, &place),
        Err(_) => {
            let seconds = database.acquire_timeout.as_secs();
            (
                format!("{} does not answer within {seconds} s", place.server),
                "check the address and the firewalls on the way".to_owned(),
            )
        }
    };
    Err(Finding::failed(DATABASE, found, remedy))
}

/// The database's address, and where it is configured.
struct Place {
    /// `127.0.0.1:3306` or a socket's path.
    server: String,
    is_socket: bool,
    host: String,
    user: String,
    database: String,
    source: &'static str,
    tls: &'static str,
    /// Where what TLS needs is configured: `wp-config.php` does not say it.
    tls_source: &'static str,
}

impl Place {
    fn of(options: &MySqlConnectOptions, target: &Target) -> Self {
        let server = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let (source, tls, tls_source) = match target {
            Target::Url(_) => (
                "database.url",
                "enable TLS (add ?ssl-mode=REQUIRED to database.url)",
                "database.url",
            ),
            Target::Parts { .. } => (
                "wp-config.php",
                "enable TLS (set database.url outright, with ?ssl-mode=REQUIRED)",
                "database.url, which is to be set outright then",
            ),
        };
        Self {
            server,
            is_socket: options.get_socket().is_some(),
            host: options.get_host().to_owned(),
            user: options.get_username().to_owned(),
            database: options.get_database().unwrap_or_default().to_owned(),
            source,
            tls,
            tls_source,
        }
    }
}

/// An error, and its remedy.
fn explain(error: &sqlx::Error, place: &Place) -> (String, String) {
    let Place {
        server,
        user,
        database,
        source,
        tls,
        ..
    } = place;
    match error {
        sqlx::Error::Io(error) => explain_io(error, place),
        sqlx::Error::Database(error) => {
            let error = error.try_downcast_ref::<MySqlDatabaseError>();
            let number = error.map_or(0, MySqlDatabaseError::number);
            let message = error.map_or("the server refused", MySqlDatabaseError::message);
            explain_refusal(number, message, place)
        }
        sqlx::Error::Tls(error) => (
            format!("no TLS with {server}: {error}"),
            format!(
                "let the server offer TLS with a certificate that ssl-mode accepts, or correct ssl-mode in {}",
                place.tls_source
            ),
        ),
        // The driver's error when the password must not be sent in the clear and the driver cannot encrypt it.
        sqlx::Error::Configuration(error) if error.to_string().contains("RSA") => (
            format!(
                "{user} logs in with caching_sha2_password or sha256_password, which needs an encrypted connection to {server}"
            ),
            format!(
                "let the server offer TLS and {tls}, or before MySQL 9 use mysql_native_password for this account"
            ),
        ),
        sqlx::Error::Protocol(message) if message.contains("authentication plugin") => (
            format!("{server} asks for another way to log in: {message}"),
            format!(
                "use caching_sha2_password with TLS (before MySQL 9 and on MariaDB also mysql_native_password) for {user}"
            ),
        ),
        error => (
            format!("cannot connect to {database} at {server}: {error}"),
            format!("check {source}"),
        ),
    }
}

fn explain_io(error: &std::io::Error, place: &Place) -> (String, String) {
    let Place {
        server,
        host,
        source,
        ..
    } = place;
    let text = error.to_string();
    if text.contains("lookup address") {
        return (
            format!("unknown host {host:?}: {text}"),
            format!("correct the host in {source}, or make this machine resolve it"),
        );
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => (
            format!("connection refused: nothing listens at {server}"),
            format!("start the database server, or correct host and port in {source}"),
        ),
        // Over the network, these are the only files opened.
        ErrorKind::NotFound if !place.is_socket => (
            format!("a file that TLS with {server} needs is not there: {text}"),
            format!("correct ssl-ca, ssl-cert or ssl-key in {}", place.tls_source),
        ),
        ErrorKind::PermissionDenied if !place.is_socket => (
            format!("this user may not read a file that TLS with {server} needs, or not connect: {text}"),
            format!(
                "let the daemon's user read what ssl-ca, ssl-cert and ssl-key name in {}, and look at the firewall",
                place.tls_source
            ),
        ),
        ErrorKind::NotFound => (
            format!("there is no socket at {server}"),
            format!("start the database server, or correct the socket's path in {source}"),
        ),
        ErrorKind::PermissionDenied => (
            format!("this user may not open {server}"),
            "run check as the user that runs serve, and give that user access to the socket"
                .to_owned(),
        ),
        ErrorKind::InvalidData => {
            let accept = || {
                format!(
                    "let the server use a certificate that ssl-mode accepts, name its authority's file with ssl-ca or correct \
                     ssl-mode in {}",
                    place.tls_source
                )
            };
            let remedy = db::mend_certificate(&text).map_or_else(accept, ToOwned::to_owned);
            (format!("no TLS with {server}: {text}"), remedy)
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => (
            format!("{server} closed the connection: {text}"),
            "check that this is a MySQL or MariaDB server which admits this machine; its log tells more"
                .to_owned(),
        ),
        _ => (
            format!("{server} cannot be reached: {text}"),
            "check the address, the network and the firewalls on the way".to_owned(),
        ),
    }
}

/// Explains an error from the server. Its messages name accounts and databases, never passwords.
fn explain_refusal(number: u16, message: &str, place: &Place) -> (String, String) {
    let Place {
        server,
        user,
        database,
        source,
        tls,
        ..
    } = place;
    let found = |what: &str| format!("{what}: {message} (error {number})");
    match number {
        // MySQL considers a socket secure and waits for the password; the driver requests a key to encrypt it.
        1045 if place.is_socket => (
            found("access denied"),
            format!(
                "correct user and password in {source}; an account with caching_sha2_password or REQUIRE SSL needs TLS, which \
                 the server must offer and ssl-mode must not disable, also on a socket"
            ),
        ),
        1045 | 1698 => (
            found("access denied"),
            format!(
                "correct user and password in {source}; the account must admit this machine, and one that has REQUIRE SSL \
                 wants TLS"
            ),
        ),
        1044 => (
            found("access denied to the database"),
            format!("grant {user} privileges on {database}, or correct the name in {source}"),
        ),
        1049 => (
            found("unknown database"),
            format!("correct the database's name in {source}"),
        ),
        1130 => (
            found("this machine may not connect"),
            format!("create an account for {user} that admits this machine's address"),
        ),
        1129 => (
            found("this machine is blocked"),
            "after mending what caused it, run FLUSH HOSTS on the server, on MySQL 8.4 and later TRUNCATE TABLE performance_schema.host_cache"
                .to_owned(),
        ),
        1040 | 1203 | 1226 => (
            found("no connection left"),
            "raise the limit (the server's max_connections, or the account's own), or lower database.max_connections so that \
             something is left"
                .to_owned(),
        ),
        1251 | 1524 => (
            found("the way to log in is not available"),
            format!("use caching_sha2_password with TLS (before MySQL 9 and on MariaDB also mysql_native_password) for {user}"),
        ),
        3159 => (
            found("the server insists on TLS"),
            format!("let the server offer TLS and {tls}"),
        ),
        1820 | 1862 => (
            found("the password has expired"),
            format!("give {user} a new password that does not expire"),
        ),
        3118 | 4151 => (
            found("the account is locked"),
            format!("unlock it: ALTER USER … ACCOUNT UNLOCK for {user}"),
        ),
        _ => (
            found(&format!("{server} refuses")),
            "the server's log tells more".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::Host;

    fn place() -> Place {
        let url = "mysql://wp:secret-password@db.example/site";
        let options = url.parse().unwrap();
        Place::of(&options, &Target::Url(url.to_owned().into()))
    }

    /// `wp-config.php` says nothing about certificates.
    #[test]
    fn a_remedy_for_tls_names_options_that_there_are() {
        let target = Target::Parts {
            host: Host::Tcp {
                host: "db.example".to_owned(),
                port: 3306,
            },
            user: String::new(),
            password: String::new().into(),
            database: String::new(),
            tls: false,
        };
        let place = Place::of(&MySqlConnectOptions::new(), &target);
        let io =
            |text: &str| sqlx::Error::Io(io::Error::new(ErrorKind::InvalidData, text.to_owned()));
        for error in [
            io("invalid peer certificate: UnknownIssuer"),
            io("invalid peer certificate: Other(OtherError(UnsupportedCertVersion))"),
            sqlx::Error::Tls("x".into()),
        ] {
            let (_, remedy) = explain(&error, &place);
            assert!(remedy.contains("in database.url"), "{remedy}");
            assert!(!remedy.contains("wp-config.php"), "{remedy}");
        }
    }

    #[test]
    fn every_way_not_to_connect_is_told_in_words() {
        let io =
            |kind: ErrorKind, text: &str| sqlx::Error::Io(io::Error::new(kind, text.to_owned()));
        for (error, found, remedy) in [
            (
                io(ErrorKind::ConnectionRefused, "refused"),
                "nothing listens at db.example:3306",
                "start the database",
            ),
            (
                io(ErrorKind::Other, "failed to lookup address information: x"),
                "unknown host \"db.example\"",
                "database.url",
            ),
            (
                io(ErrorKind::InvalidData, "invalid peer certificate"),
                "no TLS with db.example:3306: invalid peer certificate",
                "ssl-mode",
            ),
            (
                io(
                    ErrorKind::InvalidData,
                    "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
                ),
                "CaUsedAsEndEntity",
                "not its own authority",
            ),
            (
                io(ErrorKind::NotFound, "No such file or directory"),
                "a file that TLS with db.example:3306 needs",
                "ssl-ca",
            ),
            (
                io(ErrorKind::PermissionDenied, "Permission denied"),
                "this user may not read a file that TLS with db.example:3306 needs",
                "ssl-ca",
            ),
            (
                sqlx::Error::Tls("server does not support TLS".into()),
                "server does not support TLS",
                "ssl-mode",
            ),
            (
                sqlx::Error::Configuration("RSA auth backend disabled".into()),
                "caching_sha2_password or sha256_password",
                "ssl-mode=REQUIRED",
            ),
            (
                sqlx::Error::Protocol("unknown authentication plugin: auth_gssapi".into()),
                "auth_gssapi",
                "mysql_native_password",
            ),
        ] {
            let (what, how) = explain(&error, &place());
            assert!(what.contains(found), "{what}");
            assert!(how.contains(remedy), "{how}");
            assert!(!format!("{what}{how}").contains("secret-password"));
        }
        for (number, found) in [
            (1045, "access denied"),
            (1049, "unknown database"),
            (3159, "insists on TLS"),
        ] {
            assert!(explain_refusal(number, "x", &place()).0.contains(found));
        }
    }
}
