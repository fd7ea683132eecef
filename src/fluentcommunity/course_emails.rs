//! Schedules the e-mail jobs of structured courses. Their handler is the only FluentCommunity Pro listener that writes
//! rows when a user enrols or leaves. Mirrors `CourseEmailNotificationHandler`, Pro 1.8.1 and later.

use chrono::{DateTime, Duration, Utc};
use sqlx::FromRow;

use super::action_scheduler::{Job, Schedule};
use super::memberships::{Change, ChangeKind, Space};
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::php::{self, loose};
use crate::wordpress::time::{SiteZone, parse_mysql};

const HOOK: &str = "fluent_community/course/structured/send_notification_async";

/// Whether a course with these serialised settings opens its sections one after another.
pub fn is_structured(settings: &[u8]) -> bool {
    text_in(settings, "course_type").as_deref() == Some(b"structured")
}

/// Ids of the spaces that are structured courses.
pub fn structured_courses(spaces: &[Space]) -> Vec<u64> {
    let structured = spaces.iter().filter(|space| {
        space.is_course && is_structured(space.settings.as_deref().unwrap_or_default())
    });
    structured.map(|space| space.id).collect()
}

/// A section of a structured course that sends an e-mail when it opens.
#[derive(FromRow)]
pub struct Section {
    id: u64,
    space_id: u64,
    days: Option<i64>,
    meta: Option<Vec<u8>>,
}

/// Reads the sections of structured courses; empty if there are none.
///
/// # Errors
/// The statement failed.
pub async fn sections(
    connection: &mut Connection,
    statements: &Statements,
    courses: &[u64],
) -> Result<Vec<Section>, DatabaseError> {
    if courses.is_empty() {
        return Ok(Vec::new());
    }
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

/// A job for each section of the courses joined, and cancellations for the sections of the courses left, in the order
/// of the changes.
pub fn jobs(
    sections: &[Section],
    user_id: u64,
    changes: &[Change],
    zone: &SiteZone,
    now: DateTime<Utc>,
) -> Vec<Job> {
    let touched = changes.iter().flat_map(|change| {
        let of_course = move |section: &&Section| section.space_id == change.space_id;
        let sections = sections.iter().filter(of_course);
        sections.map(move |section| (section, &change.kind))
    });
    let job = |(section, change): (&Section, &ChangeKind)| {
        let args = format!("[{},{user_id}]", section.id);
        match change {
            ChangeKind::Joined { role, since, .. } if role == "student" => {
                let due = due(since.as_deref(), section.days.unwrap_or(0), zone, now);
                (due > now).then_some(Job::Schedule {
                    hook: HOOK,
                    args,
                    schedule: Schedule::At(due),
                })
            }
            ChangeKind::Joined { .. } => None,
            ChangeKind::Left { .. } => Some(Job::Cancel { hook: HOOK, args }),
        }
    };
    touched.filter_map(job).collect()
}

/// The enrolment's wall-clock time plus whole days of 86,400 seconds, read as site-local time.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_student_gets_the_sections_that_open_later_and_who_leaves_gets_none() {
        let section = |id, space_id, days| Section {
            id,
            space_id,
            days: Some(days),
            meta: None,
        };
        let sections = [section(11, 5, 0), section(12, 5, 2), section(21, 6, 2)];
        let joined = |space_id, role: &str| Change {
            space_id,
            is_course: true,
            kind: ChangeKind::Joined {
                role: role.to_owned(),
                since: None,
                reactivated: None,
                twice: false,
            },
        };
        let left = Change {
            space_id: 6,
            is_course: true,
            kind: ChangeKind::Left { row: Some(9) },
        };
        let (zone, now) = (SiteZone::from_gmt_offset("0"), DateTime::UNIX_EPOCH);
        let changes = [joined(5, "student"), joined(5, "instructor"), left];
        let later = Schedule::At(now + Duration::days(2));
        assert_eq!(
            jobs(&sections, 7, &changes, &zone, now),
            [
                Job::Schedule {
                    hook: HOOK,
                    args: "[12,7]".to_owned(),
                    schedule: later,
                },
                Job::Cancel {
                    hook: HOOK,
                    args: "[21,7]".to_owned(),
                },
            ]
        );
    }
}
