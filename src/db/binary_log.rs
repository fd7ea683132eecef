//! The one server setting that makes our sessions read-only.

use std::collections::BTreeMap;

use sqlx::{MySqlExecutor, Row};

use super::{DatabaseError, Doing};

/// With this setting the server refuses every write of a READ COMMITTED transaction (error 1665).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server writes its binary log in the format STATEMENT, and so refuses every write at READ COMMITTED: \
     set binlog_format to ROW or MIXED"
)]
pub struct StatementBinaryLog;

/// In the words of the session: its own format counts, not the server's. `SHOW`, because a server may not know a
/// variable.
const VARIABLES: &str =
    "SHOW SESSION VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')";

/// Whether the binary log keeps this session from writing.
///
/// # Errors
/// The database cannot be asked.
pub async fn binary_log_problem(
    executor: impl MySqlExecutor<'_>,
) -> Result<Option<StatementBinaryLog>, DatabaseError> {
    let rows = sqlx::raw_sql(VARIABLES)
        .fetch_all(executor)
        .await
        .doing("read how the server writes its binary log")?;
    let mut variables = BTreeMap::new();
    for row in rows {
        let name: String = row.try_get_unchecked(0).doing("read a variable's name")?;
        let value: String = row.try_get_unchecked(1).doing("read a variable")?;
        variables.insert(name, value.to_ascii_uppercase());
    }
    let is = |name: &str, values: &[&str]| {
        variables
            .get(name)
            .is_some_and(|value| values.contains(&value.as_str()))
    };
    let refuses = is("log_bin", &["ON", "1"]) && is("binlog_format", &["STATEMENT"]);
    Ok(refuses.then_some(StatementBinaryLog))
}
