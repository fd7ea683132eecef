//! Jobs for WordPress: rows of Action Scheduler's tables. Mirrors `as_schedule_single_action` and
//! `as_unschedule_all_actions`, Action Scheduler 3.9.

use chrono::{DateTime, Utc};

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::time::{SiteZone, format};

/// The group under which FluentCommunity files its actions.
const GROUP: &str = "fluent-community";

/// When an action is to run.
#[derive(Clone, Copy, Debug)]
pub enum Schedule {
    /// At the next run of the queue.
    Soon,
    /// Not before this time.
    At(DateTime<Utc>),
}

impl Schedule {
    /// The serialised schedule object, private and protected properties with their NUL-framed names.
    fn serialised(self) -> String {
        match self {
            Self::Soon => "O:28:\"ActionScheduler_NullSchedule\":0:{}".to_owned(),
            Self::At(time) => {
                let time = time.timestamp();
                format!(
                    "O:30:\"ActionScheduler_SimpleSchedule\":2:{{s:22:\"\0*\0scheduled_timestamp\";i:{time};\
                     s:41:\"\0ActionScheduler_SimpleSchedule\0timestamp\";i:{time};}}"
                )
            }
        }
    }
}

/// Stores a pending action; `args` is the JSON list that WordPress passes to the hook.
///
/// # Errors
/// A statement failed.
pub async fn schedule(
    connection: &mut Connection,
    statements: &Statements,
    hook: &str,
    args: &str,
    schedule: Schedule,
    zone: &SiteZone,
    now: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    let due = match schedule {
        Schedule::Soon => now,
        Schedule::At(time) => time,
    };
    let group_id = group_id(connection, statements).await?;
    let action_id = sqlx::query(statements.insert_scheduled_action.sql())
        .bind(hook)
        .bind(format(due.naive_utc()))
        .bind(format(zone.local(due)))
        .bind(args)
        .bind(schedule.serialised())
        .bind(group_id)
        .execute(&mut *connection)
        .await
        .doing("store a scheduled action")?
        .last_insert_id();
    log(
        connection,
        statements,
        action_id,
        "action created",
        zone,
        now,
    )
    .await
}

/// Cancels every pending action of `hook` with exactly these `args`.
///
/// # Errors
/// A statement failed.
pub async fn cancel(
    connection: &mut Connection,
    statements: &Statements,
    hook: &str,
    args: &str,
    zone: &SiteZone,
    now: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    let pending: Vec<u64> = sqlx::query_scalar(statements.pending_scheduled_actions.sql())
        .bind(hook)
        .bind(args)
        .fetch_all(&mut *connection)
        .await
        .doing("find scheduled actions")?;
    for action_id in pending {
        sqlx::query(statements.cancel_scheduled_action.sql())
            .bind(action_id)
            .execute(&mut *connection)
            .await
            .doing("cancel a scheduled action")?;
        log(
            connection,
            statements,
            action_id,
            "action canceled",
            zone,
            now,
        )
        .await?;
    }
    Ok(())
}

async fn group_id(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<u64, DatabaseError> {
    let found: Option<u64> = sqlx::query_scalar(statements.scheduled_action_group.sql())
        .bind(GROUP)
        .fetch_optional(&mut *connection)
        .await
        .doing("find the action group")?;
    if let Some(id) = found {
        return Ok(id);
    }
    let inserted = sqlx::query(statements.insert_scheduled_action_group.sql())
        .bind(GROUP)
        .execute(connection)
        .await
        .doing("store the action group")?;
    Ok(inserted.last_insert_id())
}

async fn log(
    connection: &mut Connection,
    statements: &Statements,
    action_id: u64,
    message: &str,
    zone: &SiteZone,
    now: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    sqlx::query(statements.insert_scheduled_action_log.sql())
        .bind(action_id)
        .bind(message)
        .bind(format(now.naive_utc()))
        .bind(format(zone.local(now)))
        .execute(connection)
        .await
        .doing("log a scheduled action")?;
    Ok(())
}
