//! Decides whether connections to the database are encrypted, where the configuration does not say.
//!
//! On this machine TLS protects nothing and costs processor time with each statement, so it is left out there, as PHP leaves it
//! out, unless the server or the account insists. MariaDB 11.4 and MySQL offer TLS by default.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::{Connection as _, MySqlConnection, Row};
use url::Url;

use super::error::is_full;
use super::login::wants_encryption;
use super::session::{connect_options, open_session};
use crate::config::{Database, Target};

/// Between two attempts to connect to a server that accepts no more connections.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// How to connect. Clones share what one of them has learned.
#[derive(Clone)]
pub(super) struct Way {
    options: MySqlConnectOptions,
    encryption: Arc<Mutex<Encryption>>,
}

#[derive(Clone, Copy)]
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
/// As [`connect_options`], or the server cannot be reached or refuses the connection.
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
    /// As [`connect_options`].
    pub(super) fn of(database: &Database) -> Result<Self, sqlx::Error> {
        let options = connect_options(database)?;
        let is_asked = match &database.target {
            Target::Url(url) => asks_for_tls(url.expose_secret()),
            Target::Parts { tls, .. } => *tls,
        };
        let encryption = if is_asked {
            Encryption::AsConfigured
        } else if options.get_socket().is_some() {
            Encryption::None
        } else if is_here(options.get_host()) {
            Encryption::Unknown
        } else {
            Encryption::AsConfigured
        };
        Ok(Self {
            options,
            encryption: Arc::new(Mutex::new(encryption)),
        })
    }

    /// Opens a connection and sets its session up.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the connection.
    pub(super) async fn open(&self, lock_wait: Duration) -> Result<MySqlConnection, sqlx::Error> {
        // Boxed because it is large and rarely used.
        match self.known() {
            Encryption::AsConfigured => Box::pin(open_session(&self.options, lock_wait)).await,
            Encryption::None => Box::pin(self.open_plain(lock_wait)).await,
            Encryption::Unknown => Box::pin(self.find_out(lock_wait)).await,
        }
    }

    async fn open_plain(&self, lock_wait: Duration) -> Result<MySqlConnection, sqlx::Error> {
        match open_session(&self.plain(), lock_wait).await {
            Err(error) if may_want_tls(&error) => {
                let connection = open_session(&self.options, lock_wait).await?;
                self.learn(Encryption::AsConfigured);
                Ok(connection)
            }
            opened => opened,
        }
    }

    /// Connects with TLS first, so that nothing crosses a network without. At the start several may find out at once.
    async fn find_out(&self, lock_wait: Duration) -> Result<MySqlConnection, sqlx::Error> {
        let mut connection = open_session(&self.options, lock_wait).await?;
        if !is_encrypted(&mut connection).await? || !is_seen_here(&mut connection).await? {
            self.learn(Encryption::AsConfigured);
            return Ok(connection);
        }
        match open_session(&self.plain(), lock_wait).await {
            Ok(plain) => {
                self.learn(Encryption::None);
                let _ = connection.close().await;
                Ok(plain)
            }
            Err(error) => {
                if !is_full(&error) {
                    self.learn(Encryption::AsConfigured);
                }
                Ok(connection)
            }
        }
    }

    fn known(&self) -> Encryption {
        *self
            .encryption
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn plain(&self) -> MySqlConnectOptions {
        self.options.clone().ssl_mode(MySqlSslMode::Disabled)
    }

    fn learn(&self, encryption: Encryption) {
        *self
            .encryption
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = encryption;
    }
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
    const INSECURE_TRANSPORT: [u16; 2] = [3159, 4150];
    let number = match error {
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<MySqlDatabaseError>()
            .map(MySqlDatabaseError::number),
        _ => None,
    };
    wants_encryption(error)
        || number
            .is_some_and(|number| number == ACCESS_DENIED || INSECURE_TRANSPORT.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

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
