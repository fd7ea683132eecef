//! Decides whether connections to the database are encrypted, where the configuration does not say.
//!
//! On this machine TLS protects nothing and costs processor time with each statement, so it is left out there, as PHP leaves it
//! out, unless the server or the account insists. MariaDB 11.4 and MySQL offer TLS by default.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::{Connection as _, MySqlConnection, Row};
use url::Url;

use super::error::is_full;
use super::login::{is_no_tls, wants_encryption};
use super::session::{configured_options, open_session, socket_now};
use crate::config::{Database, Sockets, Target};

/// Between two attempts to connect to a server that accepts no more connections.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// How to connect. Clones share what one of them has learned.
#[derive(Clone)]
pub(super) struct Way {
    options: MySqlConnectOptions,
    /// Where a socket may be that exists only while the server runs.
    sockets: Sockets,
    /// Whether the configuration says something about TLS.
    is_asked: bool,
    learned: Arc<Mutex<Learned>>,
}

struct Learned {
    /// The first socket that was there. While it is away, the server is down: another one, at another socket or at the loopback
    /// address, is not asked, because it may be another server.
    socket: Option<PathBuf>,
    encryption: Encryption,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    /// As the options say; without any, TLS if the server offers it.
    AsConfigured,
    /// None, as long as the server admits that.
    None,
    /// None, if the server confirms that it is on this machine: what listens here may be a proxy to another one.
    Unknown,
}

/// Opens one connection with a session like the pool's. If the server accepts no more connections, tries again for half
/// the time that work may wait for one; any other error is returned at once.
///
/// # Errors
/// As [`configured_options`], or the server cannot be reached or refuses the connection.
pub async fn connect(database: &Database) -> Result<MySqlConnection, sqlx::Error> {
    let way = Way::of(database)?;
    let started = Instant::now();
    loop {
        match way.open(database.lock_wait_timeout).await {
            Err(error) if is_full(&error) && started.elapsed() < database.acquire_timeout / 2 => {
                tokio::time::sleep(FULL_PAUSE).await;
            }
            result => return result,
        }
    }
}

impl Way {
    /// # Errors
    /// As [`configured_options`].
    pub(super) fn of(database: &Database) -> Result<Self, sqlx::Error> {
        let options = configured_options(database)?;
        let is_asked = match &database.target {
            Target::Url(url) => asks_for_tls(url.expose_secret()),
            Target::Parts { tls, .. } => *tls,
        };
        let learned = Learned {
            socket: None,
            encryption: Encryption::at_first(&options, is_asked),
        };
        Ok(Self {
            options,
            sockets: database.target.local_sockets(),
            is_asked,
            learned: Arc::new(Mutex::new(learned)),
        })
    }

    /// How to connect now: a socket may be there that was not when the daemon started.
    fn now(&self) -> (MySqlConnectOptions, Encryption) {
        let mut learned = self.learned();
        if learned.socket.is_none()
            && let Some(found) = socket_now(self.sockets)
        {
            learned.encryption = Encryption::at_first(&self.to(Some(&found)), self.is_asked);
            learned.socket = Some(found);
        }
        (self.to(learned.socket.as_ref()), learned.encryption)
    }

    fn to(&self, socket: Option<&PathBuf>) -> MySqlConnectOptions {
        let options = self.options.clone();
        match socket {
            Some(path) => options.socket(path),
            None => options,
        }
    }

    /// Opens a connection and sets its session up.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the connection.
    pub(super) async fn open(&self, lock_wait: Duration) -> Result<MySqlConnection, sqlx::Error> {
        // Boxed because it is large and rarely used.
        let (options, encryption) = self.now();
        match encryption {
            Encryption::AsConfigured => Box::pin(open_session(&options, lock_wait)).await,
            Encryption::None => Box::pin(self.open_plain(&options, lock_wait)).await,
            Encryption::Unknown => Box::pin(self.find_out(&options, lock_wait)).await,
        }
    }

    async fn open_plain(
        &self,
        options: &MySqlConnectOptions,
        lock_wait: Duration,
    ) -> Result<MySqlConnection, sqlx::Error> {
        match open_session(&plain(options), lock_wait).await {
            Err(error) if may_want_tls(&error) => match open_session(options, lock_wait).await {
                Ok(connection) => {
                    self.learn(options, Encryption::AsConfigured);
                    Ok(connection)
                }
                Err(failure) if is_no_tls(&failure) => Err(why(error, failure)),
                Err(failure) => Err(failure),
            },
            opened => opened,
        }
    }

    /// Connects with TLS first, so that nothing crosses a network without. At the start several may find out at once.
    async fn find_out(
        &self,
        options: &MySqlConnectOptions,
        lock_wait: Duration,
    ) -> Result<MySqlConnection, sqlx::Error> {
        let mut connection = match open_session(options, lock_wait).await {
            Err(error) if is_no_tls(&error) => {
                return self.do_without(options, lock_wait, error).await;
            }
            opened => opened?,
        };
        if !is_encrypted(&mut connection).await? || !is_seen_here(&mut connection).await? {
            self.learn(options, Encryption::AsConfigured);
            return Ok(connection);
        }
        match open_session(&plain(options), lock_wait).await {
            Ok(plain) => {
                self.learn(options, Encryption::None);
                let _ = connection.close().await;
                Ok(plain)
            }
            Err(error) => {
                if !is_full(&error) {
                    self.learn(options, Encryption::AsConfigured);
                }
                Ok(connection)
            }
        }
    }

    /// Connects without the TLS that failed, as with a certificate that the driver's library cannot read, but to no server on
    /// another machine.
    async fn do_without(
        &self,
        options: &MySqlConnectOptions,
        lock_wait: Duration,
        failure: sqlx::Error,
    ) -> Result<MySqlConnection, sqlx::Error> {
        let mut connection = match open_session(&plain(options), lock_wait).await {
            Ok(connection) => connection,
            Err(error) => return Err(why(error, failure)),
        };
        if !is_seen_here(&mut connection).await? {
            let _ = connection.close().await;
            return Err(failure);
        }
        self.learn(options, Encryption::None);
        Ok(connection)
    }

    /// Notes what these options led to, unless others are in use by now.
    fn learn(&self, options: &MySqlConnectOptions, encryption: Encryption) {
        let mut learned = self.learned();
        if learned.socket.is_none() || learned.socket.as_ref() == options.get_socket() {
            learned.encryption = encryption;
        }
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Encryption {
    fn at_first(options: &MySqlConnectOptions, is_asked: bool) -> Self {
        if is_asked {
            Self::AsConfigured
        } else if options.get_socket().is_some() {
            Self::None
        } else if is_here(options.get_host()) {
            Self::Unknown
        } else {
            Self::AsConfigured
        }
    }
}

fn plain(options: &MySqlConnectOptions) -> MySqlConnectOptions {
    options.clone().ssl_mode(MySqlSslMode::Disabled)
}

/// Whether the URL says anything about TLS.
fn asks_for_tls(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.query_pairs()
            .any(|(name, _)| name.replace('-', "").starts_with("ssl"))
    })
}

/// Whether the name or address is this machine's own.
pub fn is_here(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

async fn is_encrypted(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let status = sqlx::raw_sql("SHOW STATUS LIKE 'Ssl_cipher'");
    let status = status.fetch_optional(connection).await?;
    let cipher: Option<String> = status.and_then(|row| row.try_get_unchecked(1).ok());
    Ok(cipher.is_some_and(|cipher| !cipher.is_empty()))
}

/// Whether the server sees this client at an address of its own machine.
async fn is_seen_here(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let client = sqlx::raw_sql("SELECT USER()").fetch_one(connection).await?;
    let client: String = client.try_get_unchecked(0)?;
    let host = client.rsplit_once('@').map(|(_, host)| host);
    Ok(host.is_some_and(is_here))
}

/// Whether the server may have refused the connection for lack of encryption. For an account with REQUIRE SSL it says the same as
/// for a wrong password, and so does MySQL for `caching_sha2_password` on a socket.
fn may_want_tls(error: &sqlx::Error) -> bool {
    const ACCESS_DENIED: u16 = 1045;
    wants_tls(error) || number(error) == Some(ACCESS_DENIED)
}

/// Whether it is encryption that the connection lacked.
fn wants_tls(error: &sqlx::Error) -> bool {
    const INSECURE_TRANSPORT: [u16; 2] = [3159, 4150];
    wants_encryption(error)
        || number(error).is_some_and(|number| INSECURE_TRANSPORT.contains(&number))
}

fn number(error: &sqlx::Error) -> Option<u16> {
    match error {
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<MySqlDatabaseError>()
            .map(MySqlDatabaseError::number),
        _ => None,
    }
}

/// Why there is no connection where TLS failed and the server refused to do without: as it says itself, unless it only lacked TLS.
fn why(without: sqlx::Error, tls: sqlx::Error) -> sqlx::Error {
    if wants_tls(&without) { tls } else { without }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Host;

    #[test]
    fn a_url_asks_for_tls_by_any_of_its_parameters() {
        for (query, asks) in [
            ("", false),
            ("?socket=/run/m.sock", false),
            ("?charset=utf8mb4", false),
            ("?ssl-mode=PREFERRED", true),
            ("?sslmode=disabled", true),
            ("?socket=/run/m.sock&ssl-ca=/ca.pem", true),
        ] {
            let url = format!("mysql://user:ssl-mode@localhost/site{query}");
            assert_eq!(asks_for_tls(&url), asks, "{url}");
        }
    }

    #[test]
    fn a_socket_that_appears_later_is_used_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let [first, socket, last] =
            ["first", "mysqld", "last"].map(|name| folder.path().join(format!("{name}.sock")));
        let paths = [&first, &socket, &last];
        let paths = paths.map(|path| -> &'static str { path.display().to_string().leak() });
        let sockets: Sockets = Vec::from(paths).leak();
        let way = Way::of(&Database {
            target: Target::Parts {
                host: Host::Local {
                    sockets,
                    port: 3307,
                },
                user: String::new(),
                password: String::new().into(),
                database: String::new(),
                tls: false,
            },
            max_connections: 1,
            acquire_timeout: Duration::ZERO,
            lock_wait_timeout: Duration::ZERO,
            restore_pause: Duration::ZERO,
        })
        .unwrap();
        let place = || {
            let (options, encryption) = way.now();
            let address = (options.get_host().to_owned(), options.get_port());
            (address, options.get_socket().cloned(), encryption)
        };
        let address = ("127.0.0.1".to_owned(), 3307);
        assert_eq!(place(), (address.clone(), None, Encryption::Unknown));
        let (over_tcp, _) = way.now();
        std::fs::write(&socket, "").unwrap();
        let there = (address, Some(socket.clone()), Encryption::None);
        assert_eq!(place(), there);
        // An attempt that began before tells nothing about the socket.
        way.learn(&over_tcp, Encryption::AsConfigured);
        assert_eq!(place(), there);
        std::fs::remove_file(&socket).unwrap();
        assert_eq!(place(), there, "the server is down");
        for other in [last, first] {
            std::fs::write(other, "").unwrap();
            assert_eq!(place(), there, "it may be another server's");
        }
        std::fs::write(&socket, "").unwrap();
        assert_eq!(place(), there, "it is back");
    }

    #[test]
    fn only_loopback_addresses_are_this_machine() {
        for here in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
        ] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "db.example",
            "10.0.0.1",
            "172.17.0.1",
            "localhost.example",
            "",
            "%",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
