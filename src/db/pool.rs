//! Lends connections for a piece of database work with a time limit.

mod lent;
mod sessions;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{self, Manager, Metrics, PoolError, QueueMode, TimeoutType};
use futures_util::future::join_all;
use sqlx::{Connection as _, MySqlConnection};

use self::lent::{Afterwards, Lent};
use self::sessions::Sessions;
use super::allowance::{Allowance, News, Refused};
use super::error::{HEAR, NoneFree};
use super::signs::Signs;
use super::way::Way;
use super::{Connection, DatabaseError, Doing, ErrorKind, Probe};
use crate::config::Database;

/// The connection pool. Its connections belong to the runtime that uses them, so database work is spawned on the main
/// runtime and never runs on a web worker.
#[derive(Clone)]
pub struct Pool {
    connections: managed::Pool<Sessions>,
    allowance: Arc<Allowance>,
    acquire_timeout: Duration,
    time_limit: Duration,
    signs: Arc<Signs>,
    observer: Arc<dyn Observer>,
}

/// Receives the pool's measurements.
pub trait Observer: Send + Sync {
    /// The wait for a connection ended, with or without one.
    fn waited(&self, wait: Duration);

    /// Work failed; it may be retried.
    fn failed(&self, kind: ErrorKind);
}

/// Discards the measurements, for short-lived commands.
pub struct Unobserved;

impl Observer for Unobserved {
    fn waited(&self, _: Duration) {}

    fn failed(&self, _: ErrorKind) {}
}

/// How many connections there are, and how much work waits for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Open, in use or not.
    pub open: usize,
    /// Open and not in use.
    pub idle: usize,
    /// Pieces of work that wait for a connection.
    pub waiting: usize,
    /// How many may be in use at once: as many as configured, or as the server allows.
    pub allowed: usize,
}

/// The time limit for database work, not counting a wait for a locked row.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Between two attempts to get the only connection, while the server refuses it.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Opens the pool without connecting: the database may not be up yet.
///
/// # Errors
/// As [`connect_options`](super::connect_options).
pub fn open(
    database: &Database,
    observer: Arc<impl Observer + 'static>,
) -> Result<Pool, sqlx::Error> {
    let lock_wait = database.lock_wait_timeout;
    let sessions = Sessions::of(Way::of(database)?, lock_wait);
    let max_connections = usize::try_from(database.max_connections).unwrap_or(usize::MAX);
    let connections = managed::Pool::builder(sessions)
        .max_size(max_connections)
        .create_timeout(Some(database.acquire_timeout))
        // LIFO, so that connections beyond the present load become idle.
        .queue_mode(QueueMode::Lifo)
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| sqlx::Error::Configuration(error.into()))?;
    Ok(Pool {
        connections,
        allowance: Arc::new(Allowance::of(max_connections)),
        acquire_timeout: database.acquire_timeout,
        time_limit: lock_wait + TIME_LIMIT,
        signs: Arc::default(),
        observer,
    })
}

impl Pool {
    /// Runs work on one connection, with a time limit: some seconds more than a statement may wait for a locked row. A
    /// connection that timed out, or whose server has become read-only, is closed and not reused; the server rolls back
    /// its open transaction. The work must run in a task that is never aborted.
    ///
    /// # Errors
    /// No connection was available, the time ran out (reported as a lost connection), or the work failed.
    pub async fn work<T, E: Cause>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.long_work(self.time_limit, work).await
    }

    /// The same, for work that changes the session: its connection is closed and not reused.
    ///
    /// # Errors
    /// As [`work`](Self::work).
    pub async fn work_and_close<T, E: Cause>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.lend(self.time_limit, Afterwards::Close, work).await
    }

    /// [`work`](Self::work) with its own time limit.
    pub(super) async fn long_work<T, E: Cause>(
        &self,
        time_limit: Duration,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.lend(time_limit, Afterwards::Reuse, work).await
    }

    async fn lend<T, E: Cause>(
        &self,
        time_limit: Duration,
        afterwards: Afterwards,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let asked = Instant::now();
        let connection = self.connection().await;
        self.observer.waited(asked.elapsed());
        let connection = connection.inspect_err(|error| self.observer.failed(error.kind()));
        let mut lent = connection?;
        let in_time = tokio::time::timeout(time_limit, work(lent.connection())).await;
        let result = in_time.unwrap_or_else(|_| Ok(Err(silence()).doing(HEAR)?));
        let cause = result.as_ref().err().and_then(Cause::database);
        if let Some(error) = cause {
            self.observer.failed(error.kind());
        }
        if cause.is_some_and(DatabaseError::concerns_all_calls) {
            self.signs.suspect();
        }
        if cause.is_some_and(DatabaseError::spoils_connection) {
            self.connections.manager().note_loss();
        } else {
            if result.is_ok() {
                self.signs.hear();
            }
            match afterwards {
                Afterwards::Reuse => lent.give_back(result.is_err()),
                Afterwards::Close => drop(lent),
            }
        }
        result
    }

    /// Waits for a place, then takes an idle connection or opens one. If the server refuses it, waits for another one.
    async fn connection(&self) -> Result<Lent, DatabaseError> {
        const DOING: &str = "get a database connection";
        let asked = Instant::now();
        let deadline = tokio::time::Instant::from_std(asked) + self.acquire_timeout;
        let mut kept = None;
        loop {
            let place = match kept.take() {
                Some(place) => place,
                None => match tokio::time::timeout_at(deadline, self.allowance.place()).await {
                    Ok(place) => place.map_err(|_| sqlx::Error::PoolClosed).doing(DOING)?,
                    Err(_) => return Err(self.none_became_free(asked)).doing(DOING),
                },
            };
            let error = match self.connections.get().await {
                Ok(connection) => return Ok(Lent::of(connection, place)),
                Err(PoolError::Backend(error)) => error,
                Err(PoolError::Timeout(TimeoutType::Create)) => silence(),
                Err(PoolError::Closed) => sqlx::Error::PoolClosed,
                Err(_) => sqlx::Error::PoolTimedOut,
            };
            let error = Err::<Lent, _>(error).doing(DOING);
            let refused = error.as_ref().err().filter(|error| error.is_full());
            let Some(refused) = refused else {
                self.signs.suspect();
                return error;
            };
            let open = self.connections.status().size;
            if let Refused::AskAgain(place) = place.refused(open, refused.reason()) {
                if tokio::time::Instant::now() + REFUSED_PAUSE > deadline {
                    return error;
                }
                tokio::time::sleep(REFUSED_PAUSE).await;
                kept = Some(place);
            }
        }
    }

    /// All connections are in use, and if the server has refused others in the meantime, that is why.
    fn none_became_free(&self, asked: Instant) -> sqlx::Error {
        match self.allowance.refusal_since(asked) {
            Some(words) => sqlx::Error::AnyDriverError(NoneFree(words).into()),
            None => sqlx::Error::PoolTimedOut,
        }
    }

    /// Tries from time to time whether the server allows more connections than it did, and logs what it allows.
    async fn watch_allowance(&self) {
        if self.allowance.is_trial_due() {
            let manager = self.connections.manager();
            let tried = tokio::time::timeout(
                TIME_LIMIT,
                join_all((0..Allowance::TRIED).map(|_| manager.create())),
            );
            let tried: Vec<_> = tried.await.unwrap_or_default();
            let open: Vec<_> = tried.into_iter().flatten().collect();
            self.allowance.tried(open.len() == Allowance::TRIED);
            let farewells = open.into_iter().map(MySqlConnection::close);
            let _ = tokio::time::timeout(TIME_LIMIT, join_all(farewells)).await;
        }
        let configured = self.connections.status().max_size;
        match self.allowance.news() {
            Some(News::Fewer(allowed, words)) => tracing::warn!(
                "the database allows fewer connections than database.max_connections = {configured}: {allowed} are used, \
                 and calls wait for one of them. Lower the option, or raise the limit ({words})"
            ),
            Some(News::AllAgain) => {
                tracing::info!("the database allows {configured} connections again");
            }
            None => {}
        }
    }

    /// How many connections work may use at once: as many as configured, or as the server allows.
    pub fn allowed(&self) -> usize {
        self.allowance.allowed()
    }

    /// A connection of its own to examine the database with.
    pub fn probe(&self) -> Probe {
        Probe::new(self.connections.manager().way.clone())
    }

    /// Returns when work has failed for a reason that may concern all calls.
    pub async fn suspicion(&self) {
        self.signs.suspicion().await;
    }

    /// Whether work has succeeded since then.
    pub fn was_heard_since(&self, time: Instant) -> bool {
        self.signs.was_heard_since(time)
    }

    /// Whether the server allows fewer connections than configured.
    pub fn is_short(&self) -> bool {
        self.allowance.is_short()
    }

    /// Closes connections that have been idle for long or that the server no longer allows. To be called every second.
    pub async fn tend(&self) {
        self.watch_allowance().await;
        let sessions = self.connections.manager();
        let open = self.connections.status().size;
        let mut surplus = open.saturating_sub(self.allowance.allowed());
        let is_good = |metrics: &Metrics| {
            if surplus > 0 {
                surplus -= 1;
                return false;
            }
            sessions.is_fresh(metrics)
        };
        self.keep(is_good).await;
    }

    /// Closes the idle connections for which `is_good` returns false.
    async fn keep(&self, mut is_good: impl FnMut(&Metrics) -> bool) {
        let kept = self.connections.retain(|_, metrics| is_good(&metrics));
        let farewells = kept.removed.into_iter().map(MySqlConnection::close);
        // Connections that do not close in time are left to the operating system.
        let _ = tokio::time::timeout(TIME_LIMIT, join_all(farewells)).await;
    }

    /// How busy the pool is.
    pub fn status(&self) -> PoolStatus {
        let status = self.connections.status();
        PoolStatus {
            open: status.size,
            idle: status.available,
            waiting: self.allowance.waiting(),
            allowed: self.allowance.allowed(),
        }
    }

    /// Closes idle connections now, and those in use when they are returned.
    pub async fn close(&self) {
        self.keep(|_| false).await;
        self.allowance.close();
        self.connections.close();
    }
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
}

/// An error of database work, which may or may not come from the database.
pub trait Cause: From<DatabaseError> {
    /// The database error, if it is one.
    fn database(&self) -> Option<&DatabaseError>;
}

impl Cause for DatabaseError {
    fn database(&self) -> Option<&DatabaseError> {
        Some(self)
    }
}
