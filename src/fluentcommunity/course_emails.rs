//! The e-mail jobs of structured courses: the one listener of FluentCommunity Pro that writes rows when a user is
//! enrolled or leaves. Mirrors `CourseEmailNotificationHandler`, Pro 1.8.1 and later.

use chrono::{DateTime, Duration, Utc};
use sqlx::FromRow;

use super::action_scheduler::{self, Schedule};
use super::memberships::{Change, ChangeKind, Target};
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::php::{self, loose};
use crate::wordpress::time::{SiteZone, parse_mysql};

const HOOK: &str = "fluent_community/course/structured/send_notification_async";

/// Ids of the targets that are structured courses.
pub fn structured_courses(targets: &[Target]) -> Vec<u64> {
    let structured = targets.iter().filter(|target| {
        target.is_course && is_structured(target.settings.as_deref().unwrap_or_default())
    });
    structured.map(|target| target.id).collect()
}

/// Whether a course with these serialised settings opens its sections one after the other.
pub fn is_structured(settings: &[u8]) -> bool {
    text_in(settings, "course_type").as_deref() == Some(b"structured")
}

#[derive(FromRow)]
struct Section {
    id: u64,
    space_id: u64,
    days: Option<i64>,
    meta: Option<Vec<u8>>,
}

/// Schedules one job per section for every enrolment among `changes`, and cancels them for every course left.
/// `structured` are the ids of [`structured_courses`].
///
/// # Errors
/// A statement failed.
pub async fn follow(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
    structured: &[u64],
    changes: &[Change],
    zone: &SiteZone,
    now: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    let changes: Vec<&Change> = changes
        .iter()
        .filter(|change| structured.contains(&change.target_id))
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    let sections = sections_with_email(connection, statements, structured).await?;
    for change in changes {
        for section in sections
            .iter()
            .filter(|section| section.space_id == change.target_id)
        {
            let args = format!("[{},{user_id}]", section.id);
            match &change.kind {
                ChangeKind::Joined { role, since, .. } if role == "student" => {
                    let due = due(since.as_deref(), section.days.unwrap_or(0), zone, now);
                    if due > now {
                        let at = Schedule::At(due);
                        action_scheduler::schedule(
                            connection, statements, HOOK, &args, at, zone, now,
                        )
                        .await?;
                    }
                }
                ChangeKind::Joined { .. } => {}
                ChangeKind::Left => {
                    action_scheduler::cancel(connection, statements, HOOK, &args, zone, now)
                        .await?;
                }
            }
        }
    }
    Ok(())
}

async fn sections_with_email(
    connection: &mut Connection,
    statements: &Statements,
    courses: &[u64],
) -> Result<Vec<Section>, DatabaseError> {
    let sql = statements.course_email_sections.repeated(courses.len());
    let query = courses
        .iter()
        .fold(sqlx::query_as(sql), sqlx::query::QueryAs::bind);
    let mut sections: Vec<Section> = query
        .fetch_all(connection)
        .await
        .doing("read the sections of courses")?;
    sections.retain(|section| {
        let meta = section.meta.as_deref().unwrap_or_default();
        text_in(meta, "email_enabled").as_deref() == Some(b"yes")
    });
    Ok(sections)
}

/// The enrolment's wall clock plus whole days of 86,400 seconds, read as site-local time.
fn due(since: Option<&str>, days: i64, zone: &SiteZone, now: DateTime<Utc>) -> DateTime<Utc> {
    let since = since
        .and_then(parse_mysql)
        .unwrap_or_else(|| zone.local(now));
    let days = Duration::try_days(days).unwrap_or_default();
    since
        .checked_add_signed(days)
        .map_or(now, |due| zone.utc(due))
}

/// A string in a serialised array.
fn text_in(serialised: &[u8], key: &str) -> Option<Vec<u8>> {
    let value = php::parse(loose::trim(serialised)).ok()?;
    Some(value.as_array()?.get(key)?.as_bytes()?.to_vec())
}
