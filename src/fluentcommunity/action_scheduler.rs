//! Schedules and cancels WordPress jobs as rows of Action Scheduler's tables. Mirrors `as_schedule_single_action` and
//! `as_unschedule_all_actions`, Action Scheduler 3.9.

use chrono::{DateTime, Utc};

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::options::SiteOptions;
use crate::wordpress::php::loose;
use crate::wordpress::time::{SiteZone, format};

/// The group under which FluentCommunity files its actions.
const GROUP: &str = "fluent-community";

/// When an action runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A change to WordPress's job queue. `args` is the JSON list that WordPress passes to the hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Stores a pending action.
    Schedule {
        /// The action's hook.
        hook: &'static str,
        /// Its arguments.
        args: String,
        /// When it runs.
        schedule: Schedule,
    },
    /// Cancels every pending action of the hook with exactly these arguments.
    Cancel {
        /// The actions' hook.
        hook: &'static str,
        /// Their arguments.
        args: String,
    },
}

/// Access to the tables at one point in time.
pub struct Queue<'a> {
    /// The caller's transaction.
    pub connection: &'a mut Connection,
    /// The site's statements.
    pub statements: &'a Statements,
    /// From [`local_zone`].
    pub zone: SiteZone,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// The zone of Action Scheduler's local dates. Mirrors `ActionScheduler_TimezoneHelper::set_local_timezone`: of a site that
/// has an offset and no named zone, it sets an offset that PHP's `format` ignores, so the dates are in UTC.
pub fn local_zone(options: &SiteOptions) -> SiteZone {
    if loose::is_empty(options.timezone_string.as_bytes()) {
        SiteZone::UTC
    } else {
        options.zone()
    }
}

impl Queue<'_> {
    /// Writes a job's rows.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn write(&mut self, job: &Job) -> Result<(), DatabaseError> {
        match job {
            Job::Schedule {
                hook,
                args,
                schedule,
            } => self.schedule(hook, args, *schedule).await,
            Job::Cancel { hook, args } => self.cancel(hook, args).await,
        }
    }

    async fn schedule(
        &mut self,
        hook: &str,
        args: &str,
        schedule: Schedule,
    ) -> Result<(), DatabaseError> {
        let (due, local) = match schedule {
            // Without a date of its own, both are PHP's present time, which is UTC.
            Schedule::Soon => (self.now, self.now.naive_utc()),
            Schedule::At(time) => (time, self.zone.local(time)),
        };
        let group_id = self.group_id().await?;
        let action_id = sqlx::query(self.statements.insert_scheduled_action.sql())
            .bind(hook)
            .bind(format(due.naive_utc()))
            .bind(format(local))
            .bind(args)
            .bind(schedule.serialised())
            .bind(group_id)
            .execute(&mut *self.connection)
            .await
            .doing("store a scheduled action")?
            .last_insert_id();
        self.log(action_id, "action created").await
    }

    async fn cancel(&mut self, hook: &str, args: &str) -> Result<(), DatabaseError> {
        let pending: Vec<u64> = sqlx::query_scalar(self.statements.pending_scheduled_actions.sql())
            .bind(hook)
            .bind(args)
            .fetch_all(&mut *self.connection)
            .await
            .doing("find scheduled actions")?;
        for action_id in pending {
            sqlx::query(self.statements.cancel_scheduled_action.sql())
                .bind(action_id)
                .execute(&mut *self.connection)
                .await
                .doing("cancel a scheduled action")?;
            self.log(action_id, "action canceled").await?;
        }
        Ok(())
    }

    async fn group_id(&mut self) -> Result<u64, DatabaseError> {
        let found: Option<u64> = sqlx::query_scalar(self.statements.scheduled_action_group.sql())
            .bind(GROUP)
            .fetch_optional(&mut *self.connection)
            .await
            .doing("find the action group")?;
        if let Some(id) = found {
            return Ok(id);
        }
        let inserted = sqlx::query(self.statements.insert_scheduled_action_group.sql())
            .bind(GROUP)
            .execute(&mut *self.connection)
            .await
            .doing("store the action group")?;
        Ok(inserted.last_insert_id())
    }

    async fn log(&mut self, action_id: u64, message: &str) -> Result<(), DatabaseError> {
        sqlx::query(self.statements.insert_scheduled_action_log.sql())
            .bind(action_id)
            .bind(message)
            .bind(format(self.now.naive_utc()))
            .bind(format(self.zone.local(self.now)))
            .execute(&mut *self.connection)
            .await
            .doing("log a scheduled action")?;
        Ok(())
    }
}
