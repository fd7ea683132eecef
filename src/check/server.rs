//! Checks the server and our session on it: version, encryption, isolation, clock.

use chrono::{DateTime, Utc};
use sqlx::mysql::{MySqlConnectOptions, MySqlRow, MySqlSslMode};
use sqlx::{FromRow, Row};

use super::report::Finding;
use crate::clock::Clock;
use crate::config::Database;
use crate::db::{
    self, Connection, DatabaseError, Doing, Obstacle, SQL_MODE, Statement, TableNames,
};

pub(super) const DATABASE: &str = "database";
pub(super) const ENCRYPTION: &str = "encryption";
pub(super) const SESSION: &str = "session";
pub(super) const BINARY_LOG: &str = "binary-log";
pub(super) const CONNECTIONS: &str = "connections";
pub(super) const CLOCK: &str = "clock";
pub(super) const TIME_ZONE: &str = "server-time-zone";

const INFO: &str = include_str!("../../sql/checks/server.sql");
const ISOLATION: &str = include_str!("../../sql/checks/isolation.sql");
const CIPHER: &str = include_str!("../../sql/checks/cipher.sql");
const ACCOUNT: &str = include_str!("../../sql/checks/account.sql");

/// A larger clock difference makes due dates and retentions wrong.
const LARGEST_CLOCK_DIFFERENCE: i64 = 5;

/// The connection that checks whether the database answers, and a command's.
const BESIDE_THE_POOL: i64 = 2;

/// What the server reports.
#[derive(Debug)]
pub(super) struct DatabaseServer {
    info: ServerInfo,
    isolation: String,
    cipher: String,
    /// Whether the server accepts the password without encryption, but only while it has it cached.
    remembers_password: bool,
    /// This machine's time when the server reported its own.
    now: DateTime<Utc>,
}

/// The values read in one row.
#[derive(Debug, FromRow)]
struct ServerInfo {
    version: String,
    comment: Option<String>,
    global_zone: String,
    system_zone: String,
    session_zone: String,
    sql_mode: String,
    unix_time: i64,
    name: Option<String>,
    account: String,
    account_connections: i64,
    all_connections: i64,
}

impl DatabaseServer {
    pub(super) async fn read(
        connection: &mut Connection,
        tables: &TableNames,
    ) -> Result<Self, DatabaseError> {
        let info = sqlx::query_as(Statement::render(INFO, tables).sql())
            .fetch_one(&mut *connection)
            .await
            .doing("ask the server about itself")?;
        let now = Clock.now();
        let cipher = variable(connection, CIPHER, tables).await?;
        Ok(Self {
            info,
            isolation: variable(connection, ISOLATION, tables).await?,
            remembers_password: cipher.is_empty() && remembers_password(connection, tables).await,
            cipher,
            now,
        })
    }

    /// The database that the connection is in.
    pub(super) fn database(&self) -> &str {
        self.info.name.as_deref().unwrap_or_default()
    }

    /// The account in the notation of GRANT.
    pub(super) fn account(&self) -> String {
        let (user, host) = self.info.account.rsplit_once('@').unwrap_or_default();
        format!("'{user}'@'{host}'")
    }

    pub(super) fn findings(&self, database: &Database) -> Vec<Finding> {
        vec![
            self.version(),
            self.encryption(database),
            self.session(),
            self.connections(database),
            self.clock(),
            self.time_zone(),
        ]
    }

    fn version(&self) -> Finding {
        let ServerInfo {
            version, comment, ..
        } = &self.info;
        let (flavour, oldest) = if version.contains("MariaDB") {
            ("MariaDB", (10, 5))
        } else {
            ("MySQL", (9, 7))
        };
        let comment = comment.as_deref().unwrap_or_default();
        let found = format!(
            "{flavour} {version} ({comment}), database {}",
            self.database()
        );
        if number(version) >= Some(oldest) {
            return Finding::ok(DATABASE, found);
        }
        let (major, minor) = oldest;
        let found = format!(
            "{found}; the oldest {flavour} that the sidecar is tested with is {major}.{minor}"
        );
        let remedy = "upgrade the server, or try the sidecar on a copy of the site first";
        Finding::warning(DATABASE, found, remedy)
    }

    fn encryption(&self, database: &Database) -> Finding {
        let options = db::connect_options(database).unwrap_or_default();
        if !self.cipher.is_empty() {
            let found = format!("TLS with {}, to {}", self.cipher, place(&options));
            return Finding::ok(ENCRYPTION, found);
        }
        if self.remembers_password && matches!(options.get_ssl_mode(), MySqlSslMode::Disabled) {
            return Finding::warning(
                ENCRYPTION,
                "none, though the account logs in with caching_sha2_password: after the server's next restart it is \
                 refused until it has logged in with TLS",
                "let the server offer TLS, and add ?ssl-mode=REQUIRED to database.url",
            );
        }
        match remote_host(&options) {
            None => Finding::ok(
                ENCRYPTION,
                format!(
                    "none, and none needed: the server is on this machine, at {}",
                    place(&options)
                ),
            ),
            Some(host) => Finding::warning(
                ENCRYPTION,
                format!(
                    "none, and {host} is another machine: passwords and addresses cross the network in the clear"
                ),
                "let the server offer TLS and add ?ssl-mode=REQUIRED to database.url",
            ),
        }
    }

    fn session(&self) -> Finding {
        let isolation = self.isolation.to_ascii_uppercase().replace(' ', "-");
        let modes = |text: &str| {
            let mut modes: Vec<String> = text.split(',').map(str::to_ascii_uppercase).collect();
            modes.sort();
            modes
        };
        let sql_mode = &self.info.sql_mode;
        let found = format!("isolation level {isolation}, sql_mode {sql_mode}");
        if isolation == "READ-COMMITTED" && modes(sql_mode) == modes(SQL_MODE) {
            return Finding::ok(SESSION, found);
        }
        Finding::failed(
            SESSION,
            found,
            format!(
                "something between here and the server undoes what the session was set to (READ COMMITTED, {SQL_MODE}): \
                 connect to the server itself, or let the proxy keep session settings"
            ),
        )
    }

    /// The limits that the server has for this session's account, against what `serve` would like to use.
    fn connections(&self, database: &Database) -> Finding {
        let pooled = i64::from(database.max_connections);
        let of_account = Some(self.info.account_connections).filter(|limit| *limit > 0);
        let limit = of_account.map_or(self.info.all_connections, |limit| {
            limit.min(self.info.all_connections)
        });
        let of_whom = if Some(limit) == of_account {
            "this account (max_user_connections)"
        } else {
            "all accounts together (max_connections)"
        };
        let found = format!(
            "the server allows {limit} for {of_whom}, database.max_connections is {pooled}"
        );
        if pooled + BESIDE_THE_POOL <= limit {
            return Finding::ok(CONNECTIONS, found);
        }
        let most = (limit - BESIDE_THE_POOL).max(1);
        Finding::warning(
            CONNECTIONS,
            format!("{found}: under load, calls wait for connections that they do not get"),
            format!(
                "set database.max_connections to {most} or less, and to even less if WordPress uses the same account; or raise \
                 the limit"
            ),
        )
    }

    fn clock(&self) -> Finding {
        let difference = self.info.unix_time - self.now.timestamp();
        if difference.abs() <= LARGEST_CLOCK_DIFFERENCE {
            return Finding::ok(CLOCK, "the server's and this machine's agree");
        }
        let direction = if difference > 0 { "ahead of" } else { "behind" };
        Finding::warning(
            CLOCK,
            format!(
                "the server's clock is {} s {direction} this machine's",
                difference.abs()
            ),
            "synchronise both (chrony, systemd-timesyncd)",
        )
    }

    fn time_zone(&self) -> Finding {
        let ServerInfo {
            global_zone,
            system_zone,
            session_zone,
            ..
        } = &self.info;
        let named = |zone: &str| match zone {
            "SYSTEM" => format!("SYSTEM ({system_zone})"),
            zone => zone.to_owned(),
        };
        Finding::ok(
            TIME_ZONE,
            format!(
                "global {}, this session {}",
                named(global_zone),
                named(session_zone)
            ),
        )
    }
}

/// The server information could not be read.
pub(super) fn unreadable(error: &DatabaseError) -> Vec<Finding> {
    let mut findings = vec![Finding::failed(
        DATABASE,
        error.to_string(),
        "check that database.url leads to a MySQL or MariaDB server",
    )];
    let why = "the server did not tell";
    findings.extend(
        [ENCRYPTION, SESSION, CONNECTIONS, CLOCK, TIME_ZONE]
            .map(|name| Finding::skipped(name, why)),
    );
    findings
}

pub(super) async fn binary_log(connection: &mut Connection) -> Finding {
    match db::statements_are_logged(connection).await {
        Ok(false) => Finding::ok(BINARY_LOG, "lets READ COMMITTED write"),
        Ok(true) => Finding::failed(
            BINARY_LOG,
            Obstacle::StatementBinaryLog.to_string(),
            Obstacle::StatementBinaryLog.remedy(),
        ),
        Err(error) => Finding::failed(
            BINARY_LOG,
            error.to_string(),
            "check that database.url leads to a MySQL or MariaDB server",
        ),
    }
}

/// The value in the second column; empty if there is no row.
async fn variable(
    connection: &mut Connection,
    sql: &'static str,
    tables: &TableNames,
) -> Result<String, DatabaseError> {
    let row: Option<MySqlRow> = sqlx::raw_sql(Statement::render(sql, tables).sql())
        .fetch_optional(connection)
        .await
        .doing("read a variable of the server")?;
    row.map_or(Ok(String::new()), |row| {
        row.try_get_unchecked(1)
            .doing("read a variable of the server")
    })
}

/// `caching_sha2_password` of `MySQL`: the server caches a hash of each password that it received over TLS, until it
/// restarts or reloads its accounts. With a cached hash it needs no encryption; without one this client refuses to send
/// a password in the clear.
async fn remembers_password(connection: &mut Connection, tables: &TableNames) -> bool {
    let row = sqlx::raw_sql(Statement::render(ACCOUNT, tables).sql())
        .fetch_one(connection)
        .await;
    let account: Option<String> = row.ok().and_then(|row| row.try_get_unchecked(0).ok());
    account.is_some_and(|account| account.contains("caching_sha2_password"))
}

/// A socket's path, or host and port.
fn place(options: &MySqlConnectOptions) -> String {
    match options.get_socket() {
        Some(path) => path.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn remote_host(options: &MySqlConnectOptions) -> Option<&str> {
    let host = options.get_host();
    let is_local = options.get_socket().is_some() || db::is_here(host);
    (!is_local).then_some(host)
}

/// Major and minor version. MariaDB may prefix `5.5.5-`.
fn number(version: &str) -> Option<(u16, u16)> {
    let version = match version.strip_prefix("5.5.5-") {
        Some(rest) if version.contains("MariaDB") => rest,
        _ => version,
    };
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
