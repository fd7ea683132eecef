//! Database errors with the operation that failed, and the only place that decides which of them are worth a retry.

mod cause;
mod kind;
mod number;

use std::fmt;

pub(super) use self::cause::{NoneFree, is_full};
use self::cause::{no_writes, number_of, without_values};
pub use self::kind::ErrorKind;
use super::login;

/// A failed statement. Its text is safe to log: values that the server quotes in its messages are removed.
#[derive(thiserror::Error)]
#[error("could not {doing}: {}", without_values(cause))]
pub struct DatabaseError {
    doing: &'static str,
    // No `source`: the driver's own text may quote an address.
    cause: sqlx::Error,
}

/// What work was doing when its time was up.
pub(super) const HEAR: &str = "hear from the database";

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatabaseError {
    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        if self.is_lock_conflict() {
            ErrorKind::LockConflict
        } else if self.is_lost_connection() {
            ErrorKind::LostConnection
        } else if self.is_elsewhere() {
            ErrorKind::ReadOnly
        } else if self.is_missing_table() {
            ErrorKind::MissingTable
        } else if self.is_full() {
            ErrorKind::NoConnection
        } else if self.remedy().is_some() {
            ErrorKind::NeedsOperator
        } else if self.is_unavailable() {
            ErrorKind::NoConnection
        } else if self.is_duplicate() {
            ErrorKind::Duplicate
        } else if self.is_unstorable() {
            ErrorKind::Unstorable
        } else {
            ErrorKind::Other
        }
    }

    /// Another transaction interfered: the whole call may be retried at once. On a Galera cluster it may be another
    /// node's transaction, which only shows at commit.
    pub fn is_lock_conflict(&self) -> bool {
        self.is_undone() || self.number() == Some(number::INTERRUPTED)
    }

    /// Another transaction interfered, and nothing of this one remains in the database after a rollback. An interrupted
    /// statement does not qualify: it may have been one after the commit.
    pub(super) fn is_undone(&self) -> bool {
        matches!(
            self.number(),
            Some(
                number::LOCK_WAIT_TIMEOUT
                    | number::DEADLOCK
                    | number::RECORD_CHANGED
                    | number::ROLLED_BACK_AT_COMMIT
            )
        ) || self
            .number()
            .is_some_and(|number| number::TABLE_CHANGED.contains(&number))
    }

    /// A deadlock, or two nodes or (`MariaDB` from 11.6 on) two statements wrote the same row; the server has rolled
    /// this transaction back.
    pub fn is_deadlock(&self) -> bool {
        let number = self.number();
        matches!(number, Some(number::DEADLOCK | number::RECORD_CHANGED))
    }

    /// The connection was lost, so it is unknown how much the server executed. It may also be the connection between a
    /// proxy and the server: then the one to the proxy is of no more use either, as its session is gone.
    pub fn is_lost_connection(&self) -> bool {
        match &self.cause {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
            _ => self.number().is_some_and(number::is_of_lost_connection),
        }
    }

    /// Whether a commit that got this answer took place is unknown: the connection was lost, or a cluster node lost the
    /// others while committing.
    pub fn leaves_commit_unknown(&self) -> bool {
        self.is_lost_connection()
            || matches!(
                self.number(),
                Some(number::COMMIT_FAILED | number::HOOK_FAILED)
            )
    }

    /// Whether work was ended by its time limit: nobody can say which statement was the last that the server executed.
    pub fn is_unheard(&self) -> bool {
        self.doing == HEAR
    }

    /// Whether it was this that could not be done.
    pub fn is_about(&self, doing: &str) -> bool {
        self.doing == doing
    }

    /// Whether work that sent a commit, and ended with this error, may be committed all the same. Besides what
    /// [`leaves_commit_unknown`](Self::leaves_commit_unknown): it was interrupted, and perhaps only after the commit.
    pub fn may_follow_commit(&self) -> bool {
        self.leaves_commit_unknown() || self.number() == Some(number::INTERRUPTED)
    }

    /// The database cannot serve us now: no connection is available, it is shutting down, or it needs its operator.
    pub fn is_unavailable(&self) -> bool {
        self.leaves_commit_unknown()
            || matches!(
                self.cause,
                sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed
            )
            || self.is_full()
            || self.is_elsewhere()
            || self.remedy().is_some()
    }

    /// What the operator has to do when waiting does not help.
    pub fn remedy(&self) -> Option<&'static str> {
        if self.is_full() {
            return Some(
                "raise the limit of connections, the server's or the account's, or lower database.max_connections",
            );
        }
        if let Some(remedy) = login::remedy(&self.cause, self.number()) {
            return Some(remedy);
        }
        let number = self.number()?;
        let is_one_of = |numbers: &[u16]| numbers.contains(&number);
        Some(if is_one_of(&number::FULL_STORAGE) {
            "make room for the database: a disk, a tablespace or a table is full, or its file cannot be written"
        } else if is_one_of(&number::BROKEN_STORAGE) {
            "the database cannot read a table: see the server's error log, then CHECK TABLE or restore it"
        } else if is_one_of(&number::SHORT_OF_RESOURCES) {
            "the database server ends statements for lack of memory, threads or time: see its error log and its limits"
        } else if number == number::TOO_MANY_PREPARED {
            "raise the server's max_prepared_stmt_count, or lower database.max_connections"
        } else if number == number::ACCOUNT_LIMIT {
            "the database account has used up what it may do in an hour: let the server's administrator raise its limits"
        } else if is_one_of(&number::NOT_LET_IN) {
            "correct user, password and database in database.url or wp-config.php, or let the account in from this machine"
        } else if is_one_of(&number::DENIED) {
            "the database account may not do this: \"fcom-sidecar check\" tells what to grant"
        } else if number == number::NO_DEFAULT {
            "give the column a default, or let the database account SELECT and INSERT in the whole table: then the \
             sidecar fills the column as WordPress does"
        } else if is_one_of(&[number::UNKNOWN_COLUMN, number::NO_SUCH_TABLE]) {
            "the tables are not what they should be: \"fcom-sidecar migrate\" makes the sidecar's own, \
             \"fcom-sidecar check\" names what is wrong with the others"
        } else if self.is_elsewhere() {
            "the server takes no writes: end its read-only state, or let database.url lead to the server that takes them"
        } else {
            return None;
        })
    }

    /// The server accepts no more connections; one of ours may become free.
    pub fn is_full(&self) -> bool {
        is_full(&self.cause)
    }

    /// The server's words, without what it was asked to do.
    pub fn reason(&self) -> String {
        without_values(&self.cause)
    }

    /// The server has become a replica, or a cluster node without the majority: another server behind the same name
    /// accepts writes.
    fn is_elsewhere(&self) -> bool {
        let is_refused = matches!(
            self.number(),
            Some(
                number::READ_ONLY_OPTION
                    | number::READ_ONLY_TRANSACTION
                    | number::READ_ONLY_SERVER
                    | number::OFFLINE_MODE
                    | number::NOT_PREPARED
            )
        );
        is_refused || no_writes(&self.cause).is_some()
    }

    /// Waited too long for a lock: on a row, or on a table that another session has locked.
    pub fn is_lock_timeout(&self) -> bool {
        self.number() == Some(number::LOCK_WAIT_TIMEOUT)
    }

    /// What made this statement fail may make all calls fail.
    pub(super) fn concerns_all_calls(&self) -> bool {
        self.leaves_commit_unknown() || (self.remedy().is_some() && !self.is_full())
    }

    /// The connection must not be reused.
    pub(super) fn spoils_connection(&self) -> bool {
        self.leaves_commit_unknown() || self.is_elsewhere()
    }

    /// A column cannot hold a value, or be compared with it: it is too long, or the column's character set lacks some of
    /// its characters.
    pub fn is_unstorable(&self) -> bool {
        self.number().is_some_and(|number| {
            matches!(number, number::INCORRECT_STRING | number::DATA_TOO_LONG)
                || number::NO_CONVERSION.contains(&number)
                || number::INCOMPARABLE.contains(&number)
        })
    }

    /// A column that the statement does not name has no default.
    pub(super) fn lacks_default(&self) -> bool {
        self.number() == Some(number::NO_DEFAULT)
    }

    /// A row was refused that may fit once the columns that others added are known as they are now.
    pub(super) fn concerns_columns(&self) -> bool {
        self.number().is_some_and(|number| {
            matches!(number, number::UNKNOWN_COLUMN | number::INCORRECT_STRING)
                || number::TRUNCATED.contains(&number)
        })
    }

    /// A table is missing. If it is one of ours, the migrations have not run.
    pub fn is_missing_table(&self) -> bool {
        self.number() == Some(number::NO_SUCH_TABLE)
    }

    /// The account may not do this.
    pub fn is_denied(&self) -> bool {
        let number = self.number();
        number.is_some_and(|number| number::DENIED.contains(&number))
    }

    /// A migration was begun and has not been finished.
    pub(super) fn is_unfinished_migration(&self) -> bool {
        let sqlx::Error::Migrate(error) = &self.cause else {
            return false;
        };
        matches!(**error, sqlx::migrate::MigrateError::Dirty(_))
    }

    /// A table, column or index is there already, or gone already: another instance has made or dropped it.
    pub(super) fn is_done_already(&self) -> bool {
        let number = self.number();
        number.is_some_and(|number| number::DONE_ALREADY.contains(&number))
    }

    /// A unique key already holds the value.
    pub fn is_duplicate(&self) -> bool {
        self.number() == Some(number::DUPLICATE_KEY)
    }

    fn number(&self) -> Option<u16> {
        number_of(&self.cause)
    }
}

/// What a search has found: nothing, if a column cannot hold what was searched for.
///
/// # Errors
/// Any other error.
pub fn found<T: Default>(result: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
    match result {
        Err(error) if error.is_unstorable() => Ok(T::default()),
        result => result,
    }
}

/// Adds the failed operation to a database error: `.await.doing("insert the user")?`.
pub trait Doing<T> {
    /// `doing` completes the sentence "could not …".
    ///
    /// # Errors
    /// The same error, with its context.
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError> {
        self.map_err(|cause| DatabaseError { doing, cause })
    }
}

impl<T> Doing<T> for Result<T, sqlx::migrate::MigrateError> {
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError> {
        self.map_err(|error| DatabaseError {
            doing,
            cause: match error {
                sqlx::migrate::MigrateError::Execute(error)
                | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error,
                error => sqlx::Error::Migrate(Box::new(error)),
            },
        })
    }
}
