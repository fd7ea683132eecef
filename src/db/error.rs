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

/// The server's messages name tables, columns and accounts in quotes, but for these errors it quotes values.
const QUOTES_VALUES: [u16; 7] = [
    number::SYNTAX,
    number::DUPLICATE_KEY,
    number::INCORRECT_VALUE,
    number::INCORRECT_STRING,
    1411,
    1525,
    1586,
];

fn without_values(error: &sqlx::Error) -> String {
    let Some(database) = error.as_database_error() else {
        return error.to_string();
    };
    let Some(number) = number_of(error) else {
        return "the database refused it".to_owned();
    };
    let message = database.message();
    if QUOTES_VALUES.contains(&number) {
        format!("error {number}: {}", before_quotes(message))
    } else {
        format!("error {number}: {message}")
    }
}

/// All that is surely no value: a value may hold quotes of its own.
fn before_quotes(message: &str) -> String {
    match message.split_once('\'') {
        Some((before, _)) => format!("{before}…"),
        None => message.to_owned(),
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
    pub(super) const SYNTAX: u16 = 1064;
    pub(super) const DUPLICATE_KEY: u16 = 1062;
    pub(super) const CONNECTION_KILLED: u16 = 1927;
    pub(super) const NORMAL_SHUTDOWN: u16 = 1079;
    pub(super) const ABORTED_BY_SHUTDOWN: u16 = 1080;
    pub(super) const SESSION_KILLED: u16 = 3169;
    pub(super) const IDLE_DISCONNECT: u16 = 4031;
    pub(super) const INCORRECT_VALUE: u16 = 1292;
    pub(super) const INCORRECT_STRING: u16 = 1366;
    pub(super) const DATA_TOO_LONG: u16 = 1406;
    pub(super) const READ_ONLY_OPTION: u16 = 1290;
    pub(super) const READ_ONLY_TRANSACTION: u16 = 1792;
    pub(super) const READ_ONLY_SERVER: u16 = 1836;
}

impl DatabaseError {
    /// Another transaction was in the way: the whole call may be tried again at once.
    pub fn is_lock_conflict(&self) -> bool {
        matches!(
            self.number(),
            Some(number::LOCK_WAIT_TIMEOUT | number::DEADLOCK | number::RECORD_CHANGED)
        )
    }

    /// Two transactions waited for each other; the server has undone this one.
    pub fn is_deadlock(&self) -> bool {
        self.number() == Some(number::DEADLOCK)
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

    /// The database cannot take us now: no connection to be had, or it is stopping.
    pub fn is_unavailable(&self) -> bool {
        self.is_lost_connection()
            || matches!(
                self.cause,
                sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed
            )
            || self.is_full()
            || self.is_read_only()
    }

    /// The server takes no more connections; one of ours may become free.
    pub fn is_full(&self) -> bool {
        matches!(
            self.number(),
            Some(number::TOO_MANY_CONNECTIONS | number::TOO_MANY_USER_CONNECTIONS)
        )
    }

    /// The server has become a replica: another one, behind the same name, takes writes.
    fn is_read_only(&self) -> bool {
        matches!(
            self.number(),
            Some(
                number::READ_ONLY_OPTION | number::READ_ONLY_TRANSACTION | number::READ_ONLY_SERVER
            )
        )
    }

    /// The connection is of no more use.
    pub(super) fn spoils_connection(&self) -> bool {
        self.is_lost_connection() || self.is_read_only()
    }

    /// A column cannot hold a value: characters that its character set lacks, or too many of them.
    pub fn is_unstorable(&self) -> bool {
        matches!(
            self.number(),
            Some(number::INCORRECT_STRING | number::DATA_TOO_LONG)
        )
    }

    /// A table is missing: for one of ours, the migrations have not run.
    pub fn is_missing_table(&self) -> bool {
        self.number() == Some(number::NO_SUCH_TABLE)
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
                sqlx::migrate::MigrateError::Execute(error) => error,
                error => sqlx::Error::Migrate(Box::new(error)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::before_quotes;

    #[test]
    fn no_part_of_a_quoted_value_is_left() {
        for message in [
            "Duplicate entry 'o'neil@example.com' for key 'email'",
            "Duplicate entry 'jane@example.com",
        ] {
            assert_eq!(before_quotes(message), "Duplicate entry …");
        }
        assert_eq!(before_quotes("no quotes"), "no quotes");
    }
}
