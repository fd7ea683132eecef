//! What the driver's error tells: its number, and its text without the values that the server quotes in it.

use super::number;
use crate::db::{NoWrites, login};

/// All of the pool's connections remained in use, and the server has refused another one with these words.
#[derive(Debug, thiserror::Error)]
#[error("none became free, and the server refuses another one: {0}")]
pub(in crate::db) struct NoneFree(pub(in crate::db) String);

/// Why no connection to this server is used.
pub(super) fn no_writes(error: &sqlx::Error) -> Option<&NoWrites> {
    match error {
        sqlx::Error::Configuration(cause) => cause.downcast_ref(),
        _ => None,
    }
}

pub(super) fn number_of(error: &sqlx::Error) -> Option<u16> {
    error
        .as_database_error()?
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(sqlx::mysql::MySqlDatabaseError::number)
}

fn none_free(error: &sqlx::Error) -> Option<&NoneFree> {
    match error {
        sqlx::Error::AnyDriverError(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Errors whose messages quote only names of tables, columns, accounts, files and options; those of client libraries quote
/// only hosts and sockets. Any other message may quote
/// a value, and each server has its own: `MySQL` alone has some two thousand errors.
const QUOTES_NAMES: [u16; 48] = [
    1016, 1017, 1021, 1026, 1030, 1033, 1034, 1035, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1054,
    1114, 1129, 1130, 1142, 1143, 1146, 1193, 1194, 1195, 1203, 1226, 1227, 1264, 1265, 1290, 1364,
    1370, 1406, 1449, 1524, 1698, 1712, 1792, 1812, 1814, 1820, 1836, 1862, 1932, 3118, 3159, 3955,
];

/// A value that fits no partition, and the text of a trigger: nothing marks where the value begins.
const SAYS_VALUES: [u16; 2] = [1526, 1644];
/// The SQLSTATE class of what a trigger raises by `SIGNAL`, with whatever number and text.
const RAISED: &str = "45";

pub(super) fn without_values(error: &sqlx::Error) -> String {
    if let Some(none_free) = none_free(error) {
        return none_free.to_string();
    }
    let Some(database) = error.as_database_error() else {
        let told = no_writes(error).map(ToString::to_string);
        let told = told.or_else(|| login::cause(error).map(str::to_owned));
        return told.unwrap_or_else(|| error.to_string());
    };
    let Some(number) = number_of(error) else {
        return "the database refused it".to_owned();
    };
    let state = database.code().unwrap_or_default();
    match shown(number, &state, database.message()) {
        "" => format!("error {number}"),
        message => format!("error {number}: {message}"),
    }
}

/// The part that is certainly no value: everything before the first quote, since a value may contain quotes itself.
fn shown<'a>(number: u16, state: &str, message: &'a str) -> &'a str {
    if SAYS_VALUES.contains(&number) || state.starts_with(RAISED) {
        ""
    } else if QUOTES_NAMES.contains(&number) || number::OF_CLIENT_LIBRARIES.contains(&number) {
        message
    } else {
        let end = message.find(['\'', '"']).unwrap_or(message.len());
        message[..end].trim_end()
    }
}

/// The server accepts no more connections; one of ours may become free.
pub(in crate::db) fn is_full(error: &sqlx::Error) -> bool {
    match number_of(error) {
        Some(number::TOO_MANY_CONNECTIONS | number::TOO_MANY_USER_CONNECTIONS) => true,
        // The account's other limits do not end soon.
        Some(number::ACCOUNT_LIMIT) => without_values(error).contains("max_user_connections"),
        _ => none_free(error).is_some(),
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
            (
                2003,
                "Can't connect to MySQL server on '10.0.0.7:3306' (111)",
                "Can't connect to MySQL server on '10.0.0.7:3306' (111)",
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
            assert_eq!(shown(number, "HY000", message), expected);
        }
    }

    #[test]
    fn nothing_of_a_triggers_text_is_left_whatever_its_number() {
        for number in [1054, 1644, 30_001] {
            assert_eq!(shown(number, "45000", "jane@example.com is blocked"), "");
        }
    }
}
