//! The events as operators see them. WordPress takes them by itself; here they are counted, shown and mended.

use std::time::Duration;

use chrono::NaiveDateTime;
use sqlx::FromRow;

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::telemetry::Hooks;

/// How things stand.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Standing {
    /// Hooks that are still to be fired.
    pub pending: u64,
    /// How long the oldest of them waits, in seconds.
    pub oldest_pending_seconds: u64,
    /// Hooks that were given up.
    pub dead: u64,
    /// Hooks in whose middle a PHP process died, so that listeners may have heard of them twice.
    pub interrupted: u64,
    /// The last that was fired.
    pub last: Option<LastDone>,
}

/// The event that was ended last.
#[derive(Clone, Debug, FromRow, serde::Serialize)]
pub struct LastDone {
    /// Row id.
    pub id: u64,
    /// Which hook.
    pub kind: String,
    /// When, in UTC.
    pub finished_at: NaiveDateTime,
    /// How long after the call.
    pub delay_ms: i64,
}

/// An event that did not work at the first try. Times are UTC.
#[derive(Clone, Debug, FromRow, serde::Serialize)]
pub struct Troubled {
    /// Row id.
    pub id: u64,
    /// The member.
    pub user_id: u64,
    /// Which hook.
    pub kind: String,
    /// The space or course, if it is about one.
    pub space_id: Option<u64>,
    /// `pending` or `dead`.
    pub state: String,
    /// So far.
    pub attempts: u32,
    /// Attempts in whose middle PHP died.
    pub interrupted: u32,
    /// When it is due, or free again if a PHP process has it.
    pub due_at: NaiveDateTime,
    /// The listener's words.
    pub last_error: Option<String>,
    /// When the call was carried out.
    pub created_at: NaiveDateTime,
}

#[derive(FromRow)]
struct OfState {
    state: String,
    events: i64,
    oldest_seconds: Option<i64>,
}

/// How long the hook that is to be fired next has been waiting; `None` if WordPress has nothing to do.
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

/// What the relay has before it, for the metrics: counted as far as it does not cost much.
///
/// # Errors
/// The statement failed.
pub async fn backlog(
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

/// Counts and times.
///
/// # Errors
/// A statement failed.
pub async fn standing(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Standing, DatabaseError> {
    let states: Vec<OfState> = sqlx::query_as(statements.events_by_state.sql())
        .fetch_all(&mut *connection)
        .await
        .doing("count events")?;
    let interrupted: i64 = sqlx::query_scalar(statements.interrupted_events.sql())
        .fetch_one(&mut *connection)
        .await
        .doing("count interrupted events")?;
    let last = sqlx::query_as(statements.last_done_event.sql())
        .fetch_optional(connection)
        .await
        .doing("read the last event")?;
    let mut standing = Standing {
        interrupted: interrupted.unsigned_abs(),
        last,
        ..Standing::default()
    };
    for state in states {
        let events = state.events.unsigned_abs();
        if state.state == "dead" {
            standing.dead = events;
        } else {
            standing.pending = events;
            let oldest = state.oldest_seconds.unwrap_or_default();
            standing.oldest_pending_seconds = u64::try_from(oldest).unwrap_or_default();
        }
    }
    Ok(standing)
}

/// Some of those that did not work, the given up ones first.
///
/// # Errors
/// The statement failed.
pub async fn troubled(
    connection: &mut Connection,
    statements: &Statements,
    limit: u32,
) -> Result<Vec<Troubled>, DatabaseError> {
    sqlx::query_as(statements.troubled_events.sql())
        .bind(limit)
        .fetch_all(connection)
        .await
        .doing("list events")
}

/// Makes one event that is not done, or with `None` every dead one, due at once. Returns how many.
///
/// # Errors
/// The statement failed.
pub async fn retry(
    connection: &mut Connection,
    statements: &Statements,
    id: Option<u64>,
) -> Result<u64, DatabaseError> {
    let query = match id {
        Some(id) => sqlx::query(statements.retry_event.sql()).bind(id),
        None => sqlx::query(statements.retry_dead_events.sql()),
    };
    let done = query.execute(connection).await.doing("make events due")?;
    Ok(done.rows_affected())
}

/// Deletes one event that no PHP process has. Returns whether there was one.
///
/// # Errors
/// The statement failed.
pub async fn drop_event(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(statements.drop_event.sql())
        .bind(id)
        .execute(connection)
        .await
        .doing("drop an event")?;
    Ok(done.rows_affected() > 0)
}

/// Forgets some events that ended well before `before`; returns how many.
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
