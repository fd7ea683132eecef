//! The sidecar's view of the event queue: checks whether events are pending, gives up those that waited for too long and
//! deletes old ones. WordPress takes events by itself.

use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::site::Site;

/// So many events are looked at in the order in which they became due. Usually one of the first can be fired.
const OLDEST: u32 = 100;
/// So many users' first events are looked at together, if none of those can.
const USERS: u32 = 1000;
const DOING: &str = "look for events that are due";

/// How long the next hook to fire has been waiting; `None` if WordPress has nothing to do.
pub(super) async fn waited(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Option<Duration>, DatabaseError> {
    let oldest: Vec<(i64, bool)> = sqlx::query_as(statements.due_event.sql())
        .bind(OLDEST)
        .fetch_all(&mut *connection)
        .await
        .doing(DOING)?;
    let first = oldest.iter().find(|(_, is_first)| *is_first);
    let seconds = match first {
        Some((seconds, _)) => Some(*seconds),
        None if oldest.len() < OLDEST as usize => None,
        None => waited_of_any(connection, statements).await?,
    };
    Ok(seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default())))
}

/// The same of some user's first event, in seconds, while all of those that have been due for longest wait for others.
async fn waited_of_any(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Option<i64>, DatabaseError> {
    let mut user_id = 0_u64;
    loop {
        let firsts: Vec<(u64, Option<i64>)> = sqlx::query_as(statements.due_first_event.sql())
            .bind(user_id)
            .bind(USERS)
            .fetch_all(&mut *connection)
            .await
            .doing(DOING)?;
        let longest = firsts.iter().filter_map(|(_, seconds)| *seconds).max();
        match firsts.last() {
            Some((last, _)) if longest.is_none() && firsts.len() == USERS as usize => {
                user_id = *last;
            }
            _ => return Ok(longest),
        }
    }
}

/// Gives up events that have been due for longer than this many days: plugins do not expect to hear of them any more. They
/// stay in the table for an operator to look at.
///
/// # Errors
/// A statement failed.
pub async fn give_up(site: &Site, days: u32) -> Result<(), DatabaseError> {
    let before = site.clock.now() - TimeDelta::days(days.into());
    let mut given_up = 0;
    loop {
        let batch = site.pool.work(async |connection| {
            let done = sqlx::query(site.statements.give_up_events.sql())
                .bind(before.naive_utc())
                .execute(connection)
                .await
                .doing("give up old events")?;
            Ok::<_, DatabaseError>(done.rows_affected())
        });
        match batch.await? {
            0 => break,
            events => given_up += events,
        }
    }
    if given_up > 0 {
        tracing::warn!(
            events.given_up = given_up,
            "{given_up} hooks waited longer than relay.give_up_days and are given up; \"fcom-sidecar relay status\" lists them"
        );
    }
    Ok(())
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
