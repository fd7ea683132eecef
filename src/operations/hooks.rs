//! Lets operators inspect, retry and drop the relay's events, one for each hook that WordPress has to fire; `events`
//! writes them and wakes WordPress, which takes them.

use chrono::NaiveDateTime;
use sqlx::FromRow;

use super::Retried;
use crate::db::{Connection, DatabaseError, Doing, Statements};

/// The state of the relay.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct RelayStatus {
    /// Hooks not yet fired.
    pub pending: u64,
    /// How long the oldest of them has been waiting, in seconds.
    pub oldest_pending_seconds: u64,
    /// Hooks given up.
    pub dead: u64,
    /// Hooks interrupted by the death of a PHP process, so that listeners may have run twice.
    pub interrupted: u64,
    /// The most recently fired hook.
    pub last: Option<LastFired>,
}

/// The event whose hook was fired most recently.
#[derive(Clone, Debug, FromRow, serde::Serialize)]
pub struct LastFired {
    /// Row id.
    pub id: u64,
    /// Which hook.
    pub kind: String,
    /// When, in UTC.
    pub finished_at: NaiveDateTime,
    /// The delay after the call.
    pub delay_ms: i64,
}

/// An event whose first attempt did not succeed, or that is being fired. Times are UTC.
#[derive(Clone, Debug, FromRow, serde::Serialize)]
pub struct TroubledEvent {
    /// Row id.
    pub id: u64,
    /// The member.
    pub user_id: u64,
    /// Which hook.
    pub kind: String,
    /// The space or course, if the hook concerns one.
    pub space_id: Option<u64>,
    /// `pending` or `dead`.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Attempts during which PHP died.
    pub interrupted: u32,
    /// When it is due; for an event that a PHP process has taken, when its lease ends.
    pub due_at: NaiveDateTime,
    /// The listener's error message.
    pub last_error: Option<String>,
    /// When the call was executed.
    pub created_at: NaiveDateTime,
}

#[derive(FromRow)]
struct OfState {
    state: String,
    events: i64,
    oldest_seconds: Option<i64>,
}

/// The state of the relay, with complete counts: for occasional use. The query for the metrics, which runs every few
/// seconds, caps its counts, see [`backlog`](super::backlog).
///
/// # Errors
/// A statement failed.
pub async fn status(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<RelayStatus, DatabaseError> {
    let counts: Vec<OfState> = sqlx::query_as(statements.events_by_state.sql())
        .fetch_all(&mut *connection)
        .await
        .doing("count events")?;
    let interrupted: i64 = sqlx::query_scalar(statements.interrupted_events.sql())
        .fetch_one(&mut *connection)
        .await
        .doing("count interrupted events")?;
    let last = last_fired(connection, statements).await?;
    let mut status = RelayStatus {
        interrupted: interrupted.unsigned_abs(),
        last,
        ..RelayStatus::default()
    };
    for of_state in counts {
        let events = of_state.events.unsigned_abs();
        if of_state.state == "dead" {
            status.dead = events;
        } else {
            status.pending = events;
            let oldest = of_state.oldest_seconds.unwrap_or_default();
            status.oldest_pending_seconds = u64::try_from(oldest).unwrap_or_default();
        }
    }
    Ok(status)
}

/// The hook that was fired most recently.
///
/// # Errors
/// The statement failed.
pub async fn last_fired(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Option<LastFired>, DatabaseError> {
    sqlx::query_as(statements.last_done_event.sql())
        .fetch_optional(connection)
        .await
        .doing("read the last event")
}

/// Some of the events that failed, those given up first.
///
/// # Errors
/// The statement failed.
pub async fn troubled(
    connection: &mut Connection,
    statements: &Statements,
    limit: u32,
) -> Result<Vec<TroubledEvent>, DatabaseError> {
    let both = statements.troubled_events.then(&statements.failing_events);
    let events = sqlx::query_as(both).bind(limit).bind(limit);
    let mut events: Vec<TroubledEvent> = events.fetch_all(connection).await.doing("list events")?;
    events.truncate(limit as usize);
    Ok(events)
}

/// Some of the events whose listeners run at the moment.
///
/// # Errors
/// The statement failed.
pub async fn firing(
    connection: &mut Connection,
    statements: &Statements,
    limit: u32,
) -> Result<Vec<TroubledEvent>, DatabaseError> {
    sqlx::query_as(statements.firing_events.sql())
        .bind(limit)
        .fetch_all(connection)
        .await
        .doing("list events that are being fired")
}

/// Makes unfinished events due at once, with all their attempts available again. Returns how many: of all that were given
/// up a batch, so that it is to be repeated until none is left.
///
/// # Errors
/// The statement failed.
pub async fn retry(
    connection: &mut Connection,
    statements: &Statements,
    which: Retried,
) -> Result<u64, DatabaseError> {
    let query = match which {
        Retried::One(id) => sqlx::query(statements.retry_event.sql()).bind(id),
        Retried::AllDead => sqlx::query(statements.retry_dead_events.sql()),
    };
    let done = query.execute(connection).await.doing("make events due")?;
    Ok(done.rows_affected())
}

/// Deletes a batch of the events that were given up: their hooks are never fired. Returns how many; zero if none is left.
///
/// # Errors
/// The statement failed.
pub async fn remove_dead(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<u64, DatabaseError> {
    let done = sqlx::query(statements.drop_dead_events.sql())
        .execute(connection)
        .await
        .doing("drop events that were given up")?;
    Ok(done.rows_affected())
}

/// Deletes one event that no PHP process has taken: its hook is never fired. Returns whether there was one.
///
/// # Errors
/// The statement failed.
pub async fn remove(
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
