//! The sidecar's view of the event queue: checks whether events are pending and deletes old ones. WordPress takes
//! events by itself.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::db::{Connection, DatabaseError, Doing, Statements};

/// How long the next hook to fire has been waiting; `None` if WordPress has nothing to do.
pub(super) async fn waited(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Option<Duration>, DatabaseError> {
    let seconds: Option<i64> = sqlx::query_scalar(statements.due_event.sql())
        .fetch_optional(connection)
        .await
        .doing("look for events that are due")?;
    Ok(seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default())))
}

/// Deletes a batch of events that completed before `before`; returns how many.
///
/// # Errors
/// The statement failed.
pub async fn prune(
    connection: &mut Connection,
    statements: &Statements,
    before: NaiveDateTime,
) -> Result<u64, DatabaseError> {
    let done = sqlx::query(statements.prune_events.sql())
        .bind(before)
        .execute(connection)
        .await
        .doing("forget old events")?;
    Ok(done.rows_affected())
}
