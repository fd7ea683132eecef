//! Database errors with the operation that failed, and the only place that decides which of them are worth a retry.

use std::fmt;

/// A failed statement. Its text is safe to log: values that the server quotes in its messages are removed.
#[derive(thiserror::Error)]
#[error("could not {doing}: {}", without_values(cause))]
pub struct DatabaseError {
    doing: &'static str,
    // No `source`: the driver's own text may quote an address.
    cause: sqlx::Error,
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Errors whose messages quote only names of tables, columns, accounts, files and options. Any other message may quote
/// a value, and each server has its own: `MySQL` alone has some two thousand errors.
const QUOTES_NAMES: [u16; 48] = [
    1016, 1017, 1021, 1026, 1030, 1033, 1034, 1035, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1054,
    1114, 1129, 1130, 1142, 1143, 1146, 1193, 1194, 1195, 1203, 1226, 1227, 1264, 1265, 1290, 1364,
    1370, 1406, 1449, 1524, 1698, 1712, 1792, 1812, 1814, 1820, 1836, 1862, 1932, 3118, 3159, 3955,
];

/// A value that fits no partition, and the text of a trigger: nothing marks where the value begins.
const SAYS_VALUES: [u16; 2] = [1526, 1644];

fn without_values(error: &sqlx::Error) -> String {
    let Some(database) = error.as_database_error() else {
        return error.to_string();
    };
    let Some(number) = number_of(error) else {
        return "the database refused it".to_owned();
    };
    match shown(number, database.message()) {
        "" => format!("error {number}"),
        message => format!("error {number}: {message}"),
    }
}

/// The part that is certainly no value: everything before the first quote, since a value may contain quotes itself.
fn shown(number: u16, message: &str) -> &str {
    if SAYS_VALUES.contains(&number) {
        ""
    } else if QUOTES_NAMES.contains(&number) {
        message
    } else {
        let end = message.find(['\'', '"']).unwrap_or(message.len());
        message[..end].trim_end()
    }
}

fn number_of(error: &sqlx::Error) -> Option<u16> {
    error
        .as_database_error()?
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(sqlx::mysql::MySqlDatabaseError::number)
}

/// MySQL and MariaDB error numbers that are caused by other rows or sessions, not by this statement.
mod number {
    pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
    pub(super) const DEADLOCK: u16 = 1213;
    pub(super) const RECORD_CHANGED: u16 = 1020;
    pub(super) const TOO_MANY_CONNECTIONS: u16 = 1040;
    pub(super) const SERVER_SHUTDOWN: u16 = 1053;
    pub(super) const TOO_MANY_USER_CONNECTIONS: u16 = 1203;
    pub(super) const NO_SUCH_TABLE: u16 = 1146;
    pub(super) const DUPLICATE_KEY: u16 = 1062;
    /// Table, column, index or primary key exists; a column or index to be changed or dropped does not.
    pub(super) const DONE_ALREADY: [u16; 6] = [1050, 1054, 1060, 1061, 1068, 1091];
    pub(super) const CONNECTION_KILLED: u16 = 1927;
    pub(super) const NORMAL_SHUTDOWN: u16 = 1079;
    pub(super) const ABORTED_BY_SHUTDOWN: u16 = 1080;
    pub(super) const SESSION_KILLED: u16 = 3169;
    pub(super) const IDLE_DISCONNECT: u16 = 4031;
    pub(super) const INCORRECT_STRING: u16 = 1366;
    pub(super) const DATA_TOO_LONG: u16 = 1406;
    /// `MySQL`'s errors for characters missing from a column's character set, in a literal and in a parameter.
    pub(super) const NO_CONVERSION: [u16; 2] = [3854, 3988];
    pub(super) const READ_ONLY_OPTION: u16 = 1290;
    pub(super) const READ_ONLY_TRANSACTION: u16 = 1792;
    pub(super) const READ_ONLY_SERVER: u16 = 1836;
    /// `MySQL` admits administrators only; a member that was expelled from its group may do this.
    pub(super) const OFFLINE_MODE: u16 = 3032;
    pub(super) const INTERRUPTED: u16 = 1317;
    /// A conflict at commit in `MySQL` Group Replication.
    pub(super) const ROLLED_BACK_AT_COMMIT: u16 = 3101;
    pub(super) const COMMIT_FAILED: u16 = 1180;
    /// Officially "Unknown command"; a Galera node outside the majority answers every statement with it.
    pub(super) const NOT_PREPARED: u16 = 1047;
    /// Disk full, file or temporary file not written, storage engine error, table or tablespace full, undo slots used
    /// up; the last two are operating system error numbers that old servers pass on.
    pub(super) const FULL_STORAGE: [u16; 9] = [1021, 1026, 1030, 1114, 1137, 1637, 1878, 3, 28];
    /// Files that cannot be opened, crashed or corrupt tables and indexes, missing tablespaces.
    pub(super) const BROKEN_STORAGE: [u16; 12] = [
        1016, 1017, 1033, 1034, 1035, 1194, 1195, 1712, 1812, 1814, 1815, 1932,
    ];
    /// Out of memory, locks or threads; statements that the server ends because they take too long (MariaDB, MySQL).
    pub(super) const SHORT_OF_RESOURCES: [u16; 7] = [1037, 1038, 1041, 1135, 1206, 1969, 3024];
    pub(super) const UNKNOWN_COLUMN: u16 = 1054;
    pub(super) const NO_DEFAULT: u16 = 1364;
    /// The account may not use the database, a table or a column; its password has expired, or it is locked (`MySQL`).
    pub(super) const DENIED: [u16; 8] = [1044, 1045, 1142, 1143, 1820, 1862, 3118, 3955];
}

/// Errors, grouped by what an operator would do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Another transaction interfered.
    LockConflict,
    /// The connection broke or timed out.
    LostConnection,
    /// No connection became free in time.
    NoConnection,
    /// The server has become a replica, or a cluster node without the majority.
    ReadOnly,
    /// A full disk, broken or unknown tables, a missing privilege.
    NeedsOperator,
    /// A table is missing.
    MissingTable,
    /// A unique key already holds the value: another call was faster.
    Duplicate,
    /// A column cannot hold a value.
    Unstorable,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::LockConflict,
        Self::LostConnection,
        Self::NoConnection,
        Self::ReadOnly,
        Self::NeedsOperator,
        Self::MissingTable,
        Self::Duplicate,
        Self::Unstorable,
        Self::Other,
    ];

    /// The value of a metric label.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LockConflict => "lock_conflict",
            Self::LostConnection => "lost_connection",
            Self::NoConnection => "no_connection",
            Self::ReadOnly => "read_only",
            Self::NeedsOperator => "needs_operator",
            Self::MissingTable => "missing_table",
            Self::Duplicate => "duplicate",
            Self::Unstorable => "unstorable",
            Self::Other => "other",
        }
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
        )
    }

    /// A deadlock, or two nodes or (`MariaDB` from 11.6 on) two statements wrote the same row; the server has rolled
    /// this transaction back.
    pub fn is_deadlock(&self) -> bool {
        let number = self.number();
        matches!(number, Some(number::DEADLOCK | number::RECORD_CHANGED))
    }

    /// The connection was lost, so it is unknown how much the server executed.
    pub fn is_lost_connection(&self) -> bool {
        match &self.cause {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
            _ => matches!(
                self.number(),
                Some(
                    number::SERVER_SHUTDOWN
                        | number::CONNECTION_KILLED
                        | number::NORMAL_SHUTDOWN
                        | number::ABORTED_BY_SHUTDOWN
                        | number::SESSION_KILLED
                        | number::IDLE_DISCONNECT
                )
            ),
        }
    }

    /// Whether a commit that got this answer took place is unknown: the connection was lost, or a cluster node lost the
    /// others while committing.
    pub fn leaves_commit_unknown(&self) -> bool {
        self.is_lost_connection() || self.number() == Some(number::COMMIT_FAILED)
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
        let number = self.number()?;
        let is_one_of = |numbers: &[u16]| numbers.contains(&number);
        Some(if is_one_of(&number::FULL_STORAGE) {
            "make room for the database: a disk, a tablespace or a table is full, or its file cannot be written"
        } else if is_one_of(&number::BROKEN_STORAGE) {
            "the database cannot read a table: see the server's error log, then CHECK TABLE or restore it"
        } else if is_one_of(&number::SHORT_OF_RESOURCES) {
            "the database server ends statements for lack of memory, threads or time: see its error log and its limits"
        } else if is_one_of(&number::DENIED) {
            "the database account may not do this: \"fcom-sidecar check\" tells what to grant"
        } else if is_one_of(&[
            number::UNKNOWN_COLUMN,
            number::NO_SUCH_TABLE,
            number::NO_DEFAULT,
        ]) {
            "the tables are not what they should be: \"fcom-sidecar migrate\" makes the sidecar's own, \
             \"fcom-sidecar check\" names what is wrong with the others"
        } else if self.is_full() {
            "raise the server's max_connections, or lower database.max_connections"
        } else {
            return None;
        })
    }

    /// The server accepts no more connections; one of ours may become free.
    pub fn is_full(&self) -> bool {
        matches!(
            self.number(),
            Some(number::TOO_MANY_CONNECTIONS | number::TOO_MANY_USER_CONNECTIONS)
        )
    }

    /// The server has become a replica, or a cluster node without the majority: another server behind the same name
    /// accepts writes.
    fn is_elsewhere(&self) -> bool {
        matches!(
            self.number(),
            Some(
                number::READ_ONLY_OPTION
                    | number::READ_ONLY_TRANSACTION
                    | number::READ_ONLY_SERVER
                    | number::OFFLINE_MODE
                    | number::NOT_PREPARED
            )
        )
    }

    /// The connection must not be reused.
    pub(super) fn spoils_connection(&self) -> bool {
        self.leaves_commit_unknown() || self.is_elsewhere()
    }

    /// A column cannot hold a value: it is too long, or the column's character set lacks some of its characters.
    pub fn is_unstorable(&self) -> bool {
        self.number().is_some_and(|number| {
            matches!(number, number::INCORRECT_STRING | number::DATA_TOO_LONG)
                || number::NO_CONVERSION.contains(&number)
        })
    }

    /// A table is missing. If it is one of ours, the migrations have not run.
    pub fn is_missing_table(&self) -> bool {
        self.number() == Some(number::NO_SUCH_TABLE)
    }

    /// The account may not do this.
    pub(super) fn is_denied(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn no_part_of_a_quoted_value_is_left() {
        for (number, message, expected) in [
            (
                1062,
                "Duplicate entry 'o'neil@example.com' for key 'email'",
                "Duplicate entry",
            ),
            (1062, "Duplicate entry 'jane@example.com", "Duplicate entry"),
            (
                3141,
                "Invalid JSON text: \"x\" at position 0 in 'y'",
                "Invalid JSON text:",
            ),
            (1526, "Table has no partition for value 7", ""),
            (1644, "jane@example.com is not welcome", ""),
            (
                1213,
                "Deadlock found; try again",
                "Deadlock found; try again",
            ),
            (
                1054,
                "Unknown column 'x' in 'field list'",
                "Unknown column 'x' in 'field list'",
            ),
        ] {
            assert_eq!(shown(number, message), expected);
        }
    }
}
