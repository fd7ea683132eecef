//! The least that any implementation of a call needs: a bare client that executes plain prepared statements, a round trip each, in
//! one transaction, on as many connections as the daemon has. It takes nothing from the daemon's own statements.
//!
//! For a known user it reads the webhook by its key, the user by e-mail, the profile, three spaces and the user's memberships of
//! them, inserts a run, and commits. For a new user it inserts the rows that a call of the daemon has left behind, those of a
//! table with one statement. It counts no runs, looks for no names, locks nothing and can be wrong.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use fcom_sidecar::config::{Config, Sources};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlSslMode};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Executor, MySql, MySqlConnection, Row, SqlSafeStr,
    SqlStr,
};
use tokio::sync::Semaphore;

use crate::http::Connection;
use crate::load::{Answer, Subject};
use crate::site::{self, Kind, MEMBER_HOOK, SPACES, Site};

const WEBHOOK: &str =
    "SELECT id, value FROM wp_fcom_meta WHERE object_type = 'webhook' AND meta_key = ?";
const USER: &str = "SELECT ID, user_login, display_name FROM wp_users WHERE user_email = ?";
const PROFILE: &str = "SELECT id, username, status FROM wp_fcom_xprofile WHERE user_id = ?";
const SPACES_BY_ID: &str =
    "SELECT id, type, status, settings FROM wp_fcom_spaces WHERE id IN (?, ?, ?)";
/// The column is a VARCHAR.
const MEMBERSHIPS: &str = "SELECT id, space_id, status, role FROM wp_fcom_space_user WHERE user_id = ? AND space_id IN (?, ?, ?)";
/// Counted already, so that no daemon takes it for its own.
const RUN: &str = "INSERT INTO wp_fcom_sidecar_runs \
    (call_id, webhook_id, user_id, outcome, duration_ms, created_at, tallied) VALUES (?, ?, ?, 'found', 1, UTC_TIMESTAMP(), 1)";

/// The name of the new user whose rows are taken as a pattern, followed by the prefix of the names to come. Nothing else contains it.
const NOTED: &str = "patternperson";
/// What a new user's call writes: the table, its primary key, and the column with the user's id.
const TABLES: [(&str, &str, &str); 5] = [
    ("wp_users", "ID", "ID"),
    ("wp_usermeta", "umeta_id", "user_id"),
    ("wp_fcom_xprofile", "id", "user_id"),
    ("wp_fcom_space_user", "id", "user_id"),
    ("wp_fcom_sidecar_runs", "id", "user_id"),
];

/// A client that makes one kind of call.
pub(crate) struct Least {
    options: MySqlConnectOptions,
    idle: Mutex<Vec<MySqlConnection>>,
    free: Semaphore,
    call: Call,
}

enum Call {
    Known { users: u64 },
    New { rows: Vec<Rows>, prefix: String },
}

/// All rows of a new user in one table.
struct Rows {
    insert: SqlStr,
    cells: Vec<Cell>,
}

/// A value of a row.
#[derive(Clone, Debug)]
enum Cell {
    Null,
    UserId,
    Random,
    Text(String),
    /// A text with the user's name in it.
    Named(String),
}

impl Least {
    /// The client for this kind of call; for new users, a daemon at `address` makes one to copy.
    pub(crate) async fn of(
        site: &Site,
        kind: Kind,
        address: std::net::SocketAddr,
        prefix: &str,
    ) -> anyhow::Result<Self> {
        let call = match kind {
            Kind::Known | Kind::Member | Kind::Moving => Call::Known { users: site.users },
            Kind::New { .. } | Kind::NewMember => Call::New {
                rows: note(site, kind, address, &format!("{NOTED}{prefix}")).await?,
                prefix: prefix.to_owned(),
            },
        };
        let url = site.server.url(&site.database);
        let options = MySqlConnectOptions::from_str(&url)?
            .ssl_mode(MySqlSslMode::Disabled)
            .disable_statement_logging();
        let connections = connections(url)?;
        let mut idle = Vec::new();
        for _ in 0..connections {
            idle.push(options.connect().await?);
        }
        let least = Self {
            options,
            idle: Mutex::new(idle),
            free: Semaphore::new(connections),
            call,
        };
        least.prove(site).await?;
        Ok(least)
    }

    /// Checks that one call writes as many rows as it should.
    async fn prove(&self, site: &Site) -> anyhow::Result<()> {
        let count = async || {
            let mut all = Vec::new();
            for (table, _, _) in TABLES {
                all.push(
                    site.number(&format!("SELECT COUNT(*) FROM {table}"))
                        .await?,
                );
            }
            anyhow::Ok(all)
        };
        let before = count().await?;
        self.call(&mut (), 999_999_999).await?;
        let after = count().await?;
        let grown: Vec<u64> = after
            .iter()
            .zip(&before)
            .map(|(now, then)| now - then)
            .collect();
        let expected: Vec<u64> = match &self.call {
            Call::Known { .. } => vec![0, 0, 0, 0, 1],
            Call::New { rows, .. } => TABLES.map(|(table, _, _)| rows_in(rows, table)).to_vec(),
        };
        ensure!(
            grown == expected,
            "the least client wrote {grown:?}, not {expected:?}"
        );
        Ok(())
    }

    async fn known(
        &self,
        connection: &mut MySqlConnection,
        number: u64,
        users: u64,
    ) -> anyhow::Result<()> {
        let user = site::user(number, users);
        let (id, email) = (
            site::id(user),
            format!("{}@bench.example", site::name(user)),
        );
        let [one, two, three] = SPACES;
        connection.execute("BEGIN").await?;
        let webhook = sqlx::query(WEBHOOK)
            .bind(MEMBER_HOOK)
            .fetch_one(&mut *connection)
            .await?;
        let webhook: u64 = webhook.try_get(0)?;
        let found = sqlx::query(USER)
            .bind(email)
            .fetch_one(&mut *connection)
            .await?;
        ensure!(found.try_get::<u64, _>(0)? == id, "another user");
        sqlx::query(PROFILE)
            .bind(id)
            .fetch_one(&mut *connection)
            .await?;
        let spaces = sqlx::query(SPACES_BY_ID).bind(one).bind(two).bind(three);
        let spaces = spaces.fetch_all(&mut *connection).await?;
        let memberships = sqlx::query(MEMBERSHIPS).bind(id.to_string());
        let memberships = memberships.bind(one).bind(two).bind(three);
        let memberships = memberships.fetch_all(&mut *connection).await?;
        ensure!(
            spaces.len() == 3 && memberships.len() == 3,
            "spaces or memberships are missing"
        );
        let call_id: [u8; 16] = rand::random();
        let run = sqlx::query(RUN)
            .bind(call_id.to_vec())
            .bind(webhook)
            .bind(id);
        run.execute(&mut *connection).await?;
        connection.execute("COMMIT").await?;
        Ok(())
    }
}

fn rows_in(rows: &[Rows], table: &str) -> u64 {
    let start = format!("INSERT INTO {table} ");
    let found = rows
        .iter()
        .find(|rows| rows.insert.as_str().starts_with(&start));
    found.map_or(0, |rows| {
        rows.insert.as_str().matches('(').count() as u64 - 1
    })
}

impl Subject for Least {
    type Caller = ();

    async fn caller(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn call(&self, (): &mut (), number: u64) -> anyhow::Result<Answer> {
        let _place = self.free.acquire().await?;
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        match &self.call {
            Call::Known { users } => self.known(&mut connection, number, *users).await?,
            Call::New { rows, prefix } => {
                create(&mut connection, rows, &format!("{prefix}{number}")).await?;
            }
        }
        // After an error it is closed instead, and the server rolls back.
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        Ok(Answer::Executed)
    }
}

async fn create(connection: &mut MySqlConnection, rows: &[Rows], name: &str) -> anyhow::Result<()> {
    let mut user_id = 0;
    connection.execute("BEGIN").await?;
    for rows in rows {
        let query = sqlx::query::<MySql>(rows.insert.clone());
        let query = rows
            .cells
            .iter()
            .fold(query, |query, cell| bind(query, cell, name, user_id));
        let done = query.execute(&mut *connection).await?;
        if user_id == 0 {
            user_id = done.last_insert_id();
        }
    }
    connection.execute("COMMIT").await?;
    Ok(())
}

type Query = sqlx::query::Query<'static, MySql, MySqlArguments>;

fn bind(query: Query, cell: &Cell, name: &str, user_id: u64) -> Query {
    match cell {
        Cell::Null => query.bind(None::<String>),
        Cell::UserId => query.bind(user_id.to_string()),
        Cell::Random => query.bind(rand::random::<[u8; 16]>().to_vec()),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Named(text) => query.bind(text.replace(NOTED, name)),
    }
}

/// Has the daemon create a user, and reads the rows that it wrote.
async fn note(
    site: &Site,
    kind: Kind,
    address: std::net::SocketAddr,
    name: &str,
) -> anyhow::Result<Vec<Rows>> {
    let mut connection = Connection::open(address).await?;
    let request = site::request(kind.key(), &kind.form(name));
    let (status, body) = connection.exchange(&request).await?;
    ensure!(status == 200, "{}", String::from_utf8_lossy(body));
    let email = format!("SELECT ID FROM wp_users WHERE user_email = '{name}@bench.example'");
    let user_id = site.number(&email).await?;
    let mut all = Vec::new();
    for (table, key, of_user) in TABLES {
        all.extend(rows_of(site, (table, key, of_user), user_id, name).await?);
    }
    Ok(all)
}

/// The user's rows in this table; `None` if there are none.
async fn rows_of(
    site: &Site,
    (table, key, of_user): (&str, &str, &str),
    user_id: u64,
    noted: &str,
) -> anyhow::Result<Option<Rows>> {
    let read = format!("SELECT * FROM {table} WHERE {of_user} = '{user_id}' ORDER BY {key}");
    let found = sqlx::raw_sql(AssertSqlSafe(read))
        .fetch_all(site.pool())
        .await?;
    let Some(first) = found.first() else {
        return Ok(None);
    };
    let columns = first
        .columns()
        .iter()
        .map(|column| column.name().to_owned());
    let columns: Vec<(usize, String)> = columns
        .enumerate()
        .filter(|(_, name)| name != key)
        .collect();
    let mut cells = Vec::new();
    for row in &found {
        for (index, column) in &columns {
            let bytes: Option<Vec<u8>> = row.try_get_unchecked(*index)?;
            cells.push(match (column.as_str(), bytes) {
                (_, None) => Cell::Null,
                ("call_id", _) => Cell::Random,
                ("user_id", _) => Cell::UserId,
                (_, Some(bytes)) => {
                    let text =
                        String::from_utf8(bytes).with_context(|| format!("{table}.{column}"))?;
                    if text.contains(noted) {
                        Cell::Named(text.replace(noted, NOTED))
                    } else {
                        Cell::Text(text)
                    }
                }
            });
        }
    }
    let names: Vec<&str> = columns.iter().map(|(_, name)| name.as_str()).collect();
    let row = format!("({})", vec!["?"; names.len()].join(", "));
    let insert = format!(
        "INSERT INTO {table} ({}) VALUES {}",
        names.join(", "),
        vec![row; found.len()].join(", ")
    );
    // Sound: the names are those of tables and columns of the fixture.
    let insert = AssertSqlSafe(insert).into_sql_str();
    Ok(Some(Rows { insert, cells }))
}

/// As many as the daemon has by default.
fn connections(url: String) -> anyhow::Result<usize> {
    let config = Config::load(Sources {
        overrides: vec![("database.url".to_owned(), url)],
        ..Sources::default()
    })?;
    Ok(config.database.max_connections.try_into()?)
}
