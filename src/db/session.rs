//! Opens connections and sets up their sessions.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions, Executor, MySqlConnection};

use crate::config::{Database, Host, Sockets, Target};

/// Settings that no session may take from the server's defaults. Strict, so that lengths are ours to enforce and values
/// are never truncated silently; without `NO_ZERO_DATE`, because Action Scheduler writes zero dates; without
/// `ANSI_QUOTES` and `NO_BACKSLASH_ESCAPES`, because WordPress runs without them. The time zone is never set: PHP
/// writes local literals into TIMESTAMP columns through the server's default zone, and so must we.
pub const SQL_MODE: &str = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// After this long without a statement of ours, the server ends the session and frees its locks: our process is gone
/// and could not close it.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Prepared statements cached per connection: all of ours, and some sizes of the repeated ones.
const STATEMENT_CACHE: usize = 256;

/// Where `localhost` is without a socket.
const LOOPBACK: &str = "127.0.0.1";

/// Turns the configuration into connect options, for a connection that is opened now.
///
/// # Errors
/// The driver cannot parse the URL. The error never contains the URL.
pub fn connect_options(database: &Database) -> Result<MySqlConnectOptions, sqlx::Error> {
    let options = configured_options(database)?;
    Ok(match socket_now(database.target.local_sockets()) {
        Some(path) => options.socket(path),
        None => options,
    })
}

/// The first of these sockets that exists.
pub(super) fn socket_now(sockets: Sockets) -> Option<PathBuf> {
    let mut paths = sockets.iter().map(PathBuf::from);
    paths.find(|path| path.exists())
}

/// Connect options that are the same whether the server runs or not: without the socket that `localhost` stands for.
///
/// # Errors
/// As [`connect_options`].
pub fn configured_options(database: &Database) -> Result<MySqlConnectOptions, sqlx::Error> {
    let options = match &database.target {
        Target::Url(url) => {
            // The driver only knows the scheme `mysql`.
            let url = url.expose_secret().replacen("mariadb://", "mysql://", 1);
            url.parse::<MySqlConnectOptions>()?
        }
        Target::Parts {
            host,
            user,
            password,
            database,
            tls,
        } => {
            let options = MySqlConnectOptions::new()
                .username(user)
                .password(password.expose_secret())
                .database(database)
                .ssl_mode(if *tls {
                    MySqlSslMode::Required
                } else {
                    MySqlSslMode::Preferred
                });
            match host {
                Host::Tcp { host, port } => options.host(host).port(*port),
                Host::Socket(path) => options.socket(path),
                Host::Local { port, .. } => options.host(LOOPBACK).port(*port),
            }
        }
    };
    Ok(options
        .charset("utf8mb4")
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging())
}

/// Connects and sets the session up.
pub(super) async fn open_session(
    options: &MySqlConnectOptions,
    lock_wait: Duration,
) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    let lock_wait = lock_wait.as_secs().max(1);
    let wait = WAIT_TIMEOUT.as_secs();
    // `lock_wait_timeout` is for tables, which a backup or ALTER TABLE locks; by default a statement would wait for a day.
    let session = format!(
        "SET SESSION sql_mode = '{SQL_MODE}', SESSION innodb_lock_wait_timeout = {lock_wait}, \
         SESSION lock_wait_timeout = {lock_wait}, SESSION wait_timeout = {wait}"
    );
    connection.execute(sqlx::AssertSqlSafe(session)).await?;
    // The only spelling that every MariaDB and MySQL version knows.
    connection
        .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .await?;
    Ok(connection)
}
