//! The server's clock, by which WordPress and its plugins tell what is old.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{Connection, DatabaseError, Doing};

const TIME: &str = include_str!("../../sql/checks/time.sql");

/// The server's time.
///
/// # Errors
/// The query failed.
pub async fn time(connection: &mut Connection) -> Result<DateTime<Utc>, DatabaseError> {
    let time: NaiveDateTime = sqlx::query_scalar(TIME)
        .fetch_one(connection)
        .await
        .doing("read the database's time")?;
    Ok(time.and_utc())
}
