//! Connections and what their session is set to.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode};
use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions, Executor, MySql, MySqlConnection};

use super::{Connection, DatabaseError, Doing};
use crate::config::{Database, Host, Target};

/// The connection pool. Its connections belong to the runtime that uses them, so work with the database is spawned on
/// the main runtime and never runs on a web worker.
#[derive(Clone, Debug)]
pub struct Pool {
    connections: sqlx::MySqlPool,
    time_limit: Duration,
    last_loss: LastLoss,
}

/// When a connection was lost last. Those that are older are hardly better off, and trying each of them would take long.
#[derive(Clone, Debug, Default)]
struct LastLoss(Arc<Mutex<Option<Instant>>>);

impl LastLoss {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_younger_than(&self, age: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < age)
    }
}

impl Pool {
    /// Does a piece of work on one connection, in limited time: some seconds more than a statement may wait for a locked
    /// row. A connection on which the time ran out, or whose server has become read-only, is closed and not used again;
    /// the server rolls back what was open on it. The work is to run in a task that nobody aborts.
    ///
    /// # Errors
    /// No connection was to be had, the time ran out (as a lost connection), or the work failed.
    pub async fn work<T, E: Cause>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.long_work(self.time_limit, work).await
    }

    /// [`work`](Self::work) with a time limit of its own.
    pub(super) async fn long_work<T, E: Cause>(
        &self,
        time_limit: Duration,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let acquired = self.connections.acquire().await;
        let mut lent = Lent(Some(acquired.doing("get a database connection")?));
        let in_time = tokio::time::timeout(time_limit, work(lent.connection())).await;
        let result = in_time.unwrap_or_else(|_| {
            let silence = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
            Ok(Err(sqlx::Error::Io(silence)).doing("hear from the database")?)
        });
        let cause = result.as_ref().err().and_then(Cause::database);
        if cause.is_some_and(DatabaseError::spoils_connection) {
            self.last_loss.note();
        } else {
            lent.give_back(result.is_err());
        }
        result
    }

    /// Closes all connections, once they are free; those that have fallen silent are left to the system.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(TIME_LIMIT, self.connections.close()).await;
    }
}

/// A connection that is closed on drop, without a farewell: nobody may be listening, and what is open on it must not be
/// taken for the next one's.
struct Lent(Option<PoolConnection<MySql>>);

impl Lent {
    fn connection(&mut self) -> &mut Connection {
        self.0.as_mut().expect("it is lent until it is given back")
    }

    /// The pool greets the server before it takes the connection back, and would wait for ever.
    fn give_back(mut self, roll_back: bool) {
        let Some(connection) = self.0.take() else {
            return;
        };
        let mut lent = Self(Some(connection));
        tokio::spawn(tokio::time::timeout(TIME_LIMIT, async move {
            if roll_back && lent.connection().execute("ROLLBACK").await.is_err() {
                return;
            }
            if let Some(mut connection) = lent.0.take() {
                connection.return_to_pool().await;
            }
        }));
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

impl From<sqlx::MySqlPool> for Pool {
    /// Connections whose session somebody else sets up.
    fn from(connections: sqlx::MySqlPool) -> Self {
        Self {
            connections,
            time_limit: TIME_LIMIT,
            last_loss: LastLoss::default(),
        }
    }
}

/// An error of work with the database, which may come from the database.
pub trait Cause: From<DatabaseError> {
    /// What the database said, if it was that.
    fn database(&self) -> Option<&DatabaseError>;
}

impl Cause for DatabaseError {
    fn database(&self) -> Option<&DatabaseError> {
        Some(self)
    }
}

/// What no session may keep from the server's defaults. Strict, so that lengths are ours to enforce and never cut
/// silently; without `NO_ZERO_DATE`, because Action Scheduler writes zero dates; without `ANSI_QUOTES` and
/// `NO_BACKSLASH_ESCAPES`, because WordPress runs without them. The time zone is never set: PHP writes local literals
/// into TIMESTAMP columns through the server's default zone, and so must we.
pub const SQL_MODE: &str = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// Far shorter than the `wait_timeout` of the session, so that an idle connection is dropped by us first: the pool looks
/// for them only so often.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// After this long without a statement of ours the server ends the session and frees its locks: we are gone, and nobody
/// told it.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What work with the database may take beyond a wait for a locked row.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection: all of ours, and some sizes of the repeated ones.
const STATEMENT_CACHE: usize = 256;

/// Turns the configuration into connect options.
///
/// # Errors
/// A URL that the driver cannot read. The error never holds the URL.
pub fn connect_options(database: &Database) -> Result<MySqlConnectOptions, sqlx::Error> {
    let options = match &database.target {
        Target::Url(url) => {
            // The driver knows the one scheme only.
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

/// Opens the pool without connecting: the database may still be away.
///
/// # Errors
/// As [`connect_options`].
pub fn open(database: &Database) -> Result<Pool, sqlx::Error> {
    let options = connect_options(database)?;
    let lock_wait = database.lock_wait_timeout;
    let last_loss = LastLoss::default();
    let loss = last_loss.clone();
    let connections = MySqlPoolOptions::new()
        .max_connections(database.max_connections)
        .acquire_timeout(database.acquire_timeout)
        .idle_timeout(IDLE_TIMEOUT)
        // A dead connection costs one retry of a call instead of one round trip of every call.
        .test_before_acquire(false)
        .before_acquire(move |_, connection| {
            let is_young = !loss.is_younger_than(connection.age);
            Box::pin(async move { Ok(is_young) })
        })
        .after_connect(move |connection, _| Box::pin(set_up_session(connection, lock_wait)))
        .connect_lazy_with(options);
    Ok(Pool {
        connections,
        time_limit: lock_wait + TIME_LIMIT,
        last_loss,
    })
}

/// One connection with a session like the pool's, without the pool's patience: what the server says at the first try is
/// the error.
///
/// # Errors
/// As [`connect_options`], or the server cannot be reached or refuses.
pub async fn connect(database: &Database) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = connect_options(database)?.connect().await?;
    set_up_session(&mut connection, database.lock_wait_timeout).await?;
    Ok(connection)
}

async fn set_up_session(
    connection: &mut MySqlConnection,
    lock_wait: Duration,
) -> Result<(), sqlx::Error> {
    let lock_wait = lock_wait.as_secs().max(1);
    let wait = WAIT_TIMEOUT.as_secs();
    let session = format!(
        "SET SESSION sql_mode = '{SQL_MODE}', SESSION innodb_lock_wait_timeout = {lock_wait}, \
         SESSION wait_timeout = {wait}"
    );
    connection.execute(sqlx::AssertSqlSafe(session)).await?;
    // The one spelling that every MariaDB and MySQL knows.
    connection
        .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .await?;
    Ok(())
}
