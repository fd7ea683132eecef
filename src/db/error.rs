//! Database errors with what was being done, and the one judgement of which of them are worth another try.

use std::fmt;

/// A statement failed. Its text is safe to log: values that the server quotes in its messages are left out.
#[derive(thiserror::Error)]
#[error("could not {doing}: {}", without_values(cause))]
pub struct DatabaseError {
    doing: &'static str,
    // No `source`: its own text may quote an address.
    cause: sqlx::Error,
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Errors whose messages quote names of tables, columns, accounts, files and options only. Any other may quote a value, and
/// each server has its own: `MySQL` knows some two thousand errors by now.
const QUOTES_NAMES: [u16; 48] = [
    1016, 1017, 1021, 1026, 1030, 1033, 1034, 1035, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1054,
    1114, 1129, 1130, 1142, 1143, 1146, 1193, 1194, 1195, 1203, 1226, 1227, 1264, 1265, 1290, 1364,
    1370, 1406, 1449, 1524, 1698, 1712, 1792, 1812, 1814, 1820, 1836, 1862, 1932, 3118, 3159, 3955,
];

/// A value that no partition takes, and the words of a trigger: nothing marks where the value begins.
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

/// What is surely no value: all before the first quote, since a value may hold quotes of its own.
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

/// MySQL and MariaDB error numbers that other rows or sessions cause, not this statement.
mod number {
    pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
    pub(super) const DEADLOCK: u16 = 1213;
    pub(super) const RECORD_CHANGED: u16 = 1020;
    pub(super) const TOO_MANY_CONNECTIONS: u16 = 1040;
    pub(super) const SERVER_SHUTDOWN: u16 = 1053;
    pub(super) const TOO_MANY_USER_CONNECTIONS: u16 = 1203;
    pub(super) const NO_SUCH_TABLE: u16 = 1146;
    pub(super) const DUPLICATE_KEY: u16 = 1062;
    pub(super) const CONNECTION_KILLED: u16 = 1927;
    pub(super) const NORMAL_SHUTDOWN: u16 = 1079;
    pub(super) const ABORTED_BY_SHUTDOWN: u16 = 1080;
    pub(super) const SESSION_KILLED: u16 = 3169;
    pub(super) const IDLE_DISCONNECT: u16 = 4031;
    pub(super) const INCORRECT_STRING: u16 = 1366;
    pub(super) const DATA_TOO_LONG: u16 = 1406;
    /// `MySQL`'s words for characters that a column's character set lacks, in a literal and in a parameter.
    pub(super) const NO_CONVERSION: [u16; 2] = [3854, 3988];
    pub(super) const READ_ONLY_OPTION: u16 = 1290;
    pub(super) const READ_ONLY_TRANSACTION: u16 = 1792;
    pub(super) const READ_ONLY_SERVER: u16 = 1836;
    /// `MySQL` lets administrators in only; a member that was expelled from its group may do so.
    pub(super) const OFFLINE_MODE: u16 = 3032;
    pub(super) const INTERRUPTED: u16 = 1317;
    /// `MySQL` Group Replication's word for a conflict at commit.
    pub(super) const ROLLED_BACK_AT_COMMIT: u16 = 3101;
    pub(super) const COMMIT_FAILED: u16 = 1180;
    /// "Unknown command" by its name; a Galera node outside the majority says it to everything.
    pub(super) const NOT_PREPARED: u16 = 1047;
    /// Disk full, file or temporary file not written, storage engine error, table or tablespace full, undo slots used up;
    /// the last two are the system's own numbers as old servers pass them on.
    pub(super) const FULL_STORAGE: [u16; 9] = [1021, 1026, 1030, 1114, 1137, 1637, 1878, 3, 28];
    /// Files that cannot be opened, crashed or corrupt tables and indexes, missing tablespaces.
    pub(super) const BROKEN_STORAGE: [u16; 12] = [
        1016, 1017, 1033, 1034, 1035, 1194, 1195, 1712, 1812, 1814, 1815, 1932,
    ];
    /// Memory, locks and threads; statements that the server ends for taking too long (MariaDB, MySQL).
    pub(super) const SHORT_OF_RESOURCES: [u16; 7] = [1037, 1038, 1041, 1135, 1206, 1969, 3024];
    pub(super) const UNKNOWN_COLUMN: u16 = 1054;
    pub(super) const NO_DEFAULT: u16 = 1364;
    /// The account may not use the database, a table or a column; its password has expired, or it is locked (`MySQL`).
    pub(super) const DENIED: [u16; 8] = [1044, 1045, 1142, 1143, 1820, 1862, 3118, 3955];
}

/// Errors by what an operator would do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Another transaction was in the way.
    LockConflict,
    /// The connection broke or fell silent.
    LostConnection,
    /// No connection was free in time.
    NoConnection,
    /// The server has become a replica, or a cluster's node without the majority.
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

    /// For a metric's label.
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
    /// What kind of error it is.
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

    /// Another transaction was in the way: the whole call may be tried again at once. On a Galera cluster another node's
    /// transaction may be, and only the commit says so.
    pub fn is_lock_conflict(&self) -> bool {
        self.is_undone() || self.number() == Some(number::INTERRUPTED)
    }

    /// Another transaction was in the way, and nothing of this one will be in the database once it is rolled back. A
    /// statement that was interrupted may have been the one after the commit.
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

    /// Two transactions waited for each other, or two nodes or (`MariaDB` from 11.6 on) two statements wrote the same row; the
    /// server has undone this one.
    pub fn is_deadlock(&self) -> bool {
        let number = self.number();
        matches!(number, Some(number::DEADLOCK | number::RECORD_CHANGED))
    }

    /// The connection was lost, so that nobody knows how far the server got.
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

    /// Nobody knows whether the commit that got this for an answer took place: the connection was lost, or a cluster's node
    /// lost the others while it asked them.
    pub fn leaves_commit_unknown(&self) -> bool {
        self.is_lost_connection() || self.number() == Some(number::COMMIT_FAILED)
    }

    /// The database cannot take us now: no connection to be had, it is stopping, or it needs its operator.
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

    /// What the operator has to do, where waiting does not help.
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

    /// The server takes no more connections; one of ours may become free.
    pub fn is_full(&self) -> bool {
        matches!(
            self.number(),
            Some(number::TOO_MANY_CONNECTIONS | number::TOO_MANY_USER_CONNECTIONS)
        )
    }

    /// The server has become a replica, or a cluster's node without the majority: another one, behind the same name, takes
    /// writes.
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

    /// The connection is of no more use.
    pub(super) fn spoils_connection(&self) -> bool {
        self.leaves_commit_unknown() || self.is_elsewhere()
    }

    /// A column cannot hold a value: characters that its character set lacks, or too many of them.
    pub fn is_unstorable(&self) -> bool {
        self.number().is_some_and(|number| {
            matches!(number, number::INCORRECT_STRING | number::DATA_TOO_LONG)
                || number::NO_CONVERSION.contains(&number)
        })
    }

    /// A table is missing: for one of ours, the migrations have not run.
    pub fn is_missing_table(&self) -> bool {
        self.number() == Some(number::NO_SUCH_TABLE)
    }

    /// Somebody has begun a migration and has not ended it.
    pub(super) fn is_unfinished_migration(&self) -> bool {
        let sqlx::Error::Migrate(error) = &self.cause else {
            return false;
        };
        matches!(**error, sqlx::migrate::MigrateError::Dirty(_))
    }

    /// A unique key already holds the value.
    pub fn is_duplicate(&self) -> bool {
        self.number() == Some(number::DUPLICATE_KEY)
    }

    fn number(&self) -> Option<u16> {
        number_of(&self.cause)
    }
}

/// Adds what was being done to a database error: `.await.doing("insert the user")?`.
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
