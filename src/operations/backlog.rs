//! Measures the backlog in the database, of all instances, for the metrics, which read it every few seconds. So that
//! these reads do not add load to a large backlog, each kind is counted only up to 10,000.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::telemetry::{Backlog, Hooks};

/// Where counting ends.
pub const MOST_COUNTED: u64 = 10_000;

/// Runs waiting to be counted and mails waiting to be sent.
///
/// # Errors
/// The statement failed.
pub async fn runs_and_mails(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Backlog, DatabaseError> {
    let rows: Vec<(String, i64, Option<NaiveDateTime>)> = sqlx::query_as(statements.backlog.sql())
        .fetch_all(connection)
        .await
        .doing("count what waits")?;
    let mut backlog = Backlog::default();
    for (kind, waiting, oldest) in rows {
        let waiting = waiting.unsigned_abs();
        let oldest = oldest.map(|oldest| oldest.and_utc());
        match kind.as_str() {
            "uncounted" => (backlog.uncounted, backlog.oldest_uncounted) = (waiting, oldest),
            "pending" => (backlog.pending, backlog.oldest_pending) = (waiting, oldest),
            _ => backlog.dead = waiting,
        }
    }
    Ok(backlog)
}

/// Hooks for WordPress to fire.
///
/// # Errors
/// The statement failed.
pub async fn hooks(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Hooks, DatabaseError> {
    let rows: Vec<(String, i64, Option<NaiveDateTime>, Option<i64>)> =
        sqlx::query_as(statements.hooks_backlog.sql())
            .fetch_all(connection)
            .await
            .doing("count events that wait")?;
    let mut hooks = Hooks::default();
    for (kind, events, oldest, delay_ms) in rows {
        let events = events.unsigned_abs();
        match kind.as_str() {
            "pending" => {
                hooks.pending = events;
                hooks.oldest_pending = oldest.map(|oldest| oldest.and_utc());
            }
            "dead" => hooks.dead = events,
            "interrupted" => hooks.interrupted = events,
            _ => {
                let delay_ms = delay_ms.and_then(|delay| u64::try_from(delay).ok());
                hooks.last_delay = delay_ms.map(Duration::from_millis);
            }
        }
    }
    Ok(hooks)
}
