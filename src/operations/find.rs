//! Tells what became of a call: whether it was executed, refused, or never came.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde::Serialize;

use super::mails::{self, OutboxMail};
use super::record::RecordError;
use super::refused::{LoggedRefusal, RefusedRow};
use super::runs::{self, LoggedRun};
use crate::db::{self, Connection, DatabaseError, Doing};
use crate::provision::Email;
use crate::site::Site;

/// Of each kind, the newest.
pub const MOST: u16 = 100;
/// One more tells that there are more.
const READ: u16 = MOST + 1;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// An e-mail address.
    Address(String),
    /// The minute that begins at this time.
    Minute(DateTime<Utc>),
    /// A request id, or else a user's id or login.
    Name(String),
}

impl Sought {
    /// Recognizes a text by its form.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.contains('@') {
            return Self::Address(text.to_owned());
        }
        match minute(text) {
            Some(minute) => Self::Minute(minute),
            None => Self::Name(text.to_owned()),
        }
    }
}

/// A time in UTC, or with its own offset, to the minute or the second.
fn minute(text: &str) -> Option<DateTime<Utc>> {
    const MINUTE: i64 = 60;
    let text = text.replacen(' ', "T", 1);
    let with_offset = || {
        let formats = ["%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M:%S%#z"];
        let mut times = formats
            .iter()
            .filter_map(|format| DateTime::parse_from_str(&text, format).ok());
        times.next().map(|time| time.to_utc())
    };
    let in_utc = || {
        let text = text.trim_end_matches("UTC").trim_end_matches(['Z', ' ']);
        let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
        let mut times = formats
            .iter()
            .filter_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        times.next().map(|time| time.and_utc())
    };
    let time = in_utc().or_else(with_offset)?;
    DateTime::from_timestamp(time.timestamp().div_euclid(MINUTE) * MINUTE, 0)
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A call was executed.
    Executed,
    /// No call was executed, and one was refused.
    Refused,
    /// No such call is recorded.
    NotFound,
}

/// Everything that is known about it.
#[derive(Debug, Serialize)]
pub struct Found {
    /// In one word.
    pub verdict: Verdict,
    /// The user, if one was asked for and exists, or did.
    pub user_id: Option<u64>,
    /// Executed calls, newest first.
    pub runs: Vec<LoggedRun>,
    /// Refused calls with a valid key, newest first.
    pub refused: Vec<LoggedRefusal>,
    /// Requests that were refused at that time, too many to be recorded one by one.
    pub not_kept: u64,
    /// Welcome mails of the user.
    pub mails: Vec<OutboxMail>,
    /// Whether there are older calls than those in either list.
    pub more: bool,
}

const DOING: &str = "look for refused calls";

/// Looks for it.
///
/// # Errors
/// A statement failed.
pub async fn find(
    connection: &mut Connection,
    site: &Site,
    sought: &Sought,
) -> Result<Found, DatabaseError> {
    let statements = &site.statements;
    let (mut users, mut refused) = (Vec::new(), Vec::<RefusedRow>::new());
    let mut ids = Vec::new();
    match sought {
        Sought::Minute(from) => {
            let (from, to) = (
                from.naive_utc(),
                (*from + TimeDelta::minutes(1)).naive_utc(),
            );
            ids = sqlx::query_scalar(statements.run_ids_of_time.sql())
                .bind(from)
                .bind(to)
                .bind(READ)
                .fetch_all(&mut *connection)
                .await
                .doing("look for runs")?;
            refused = sqlx::query_as(statements.refused_of_time.sql())
                .bind(from)
                .bind(to)
                .bind(READ)
                .fetch_all(&mut *connection)
                .await
                .doing(DOING)?;
        }
        Sought::Address(address) => {
            // What is no address for WordPress was recorded without one.
            if let Ok(email) = Email::parse(address.as_bytes()) {
                users = runs::users_of_address(connection, statements, &email).await?;
                let hash = site.address_hashes.of(email.stored());
                refused = sqlx::query_as(statements.refused_of_address.sql())
                    .bind(&hash[..])
                    .bind(READ)
                    .fetch_all(&mut *connection)
                    .await
                    .doing(DOING)?;
            }
            // Somebody else's address may be a login.
            if users.is_empty() {
                users = user(connection, site, address).await?;
            }
        }
        Sought::Name(name) => {
            ids = db::found(of_request(connection, site, name).await)?;
            let recorded = sqlx::query_as(statements.refused_of_request.sql());
            let recorded = recorded.bind(name).bind(READ);
            refused = db::found(recorded.fetch_all(&mut *connection).await.doing(DOING))?;
            if ids.is_empty() && refused.is_empty() {
                users = user(connection, site, name).await?;
            }
        }
    }
    let mut mails = Vec::new();
    // Several have one address where PHP was called twice at once.
    for user in &users {
        let of_user: Vec<u64> = sqlx::query_scalar(statements.run_ids_of_user.sql())
            .bind(user)
            .bind(u64::MAX)
            .bind(0)
            .bind(0)
            .bind(READ)
            .fetch_all(&mut *connection)
            .await
            .doing("look for runs")?;
        ids.extend(of_user);
        mails.extend(mails::of_user(connection, statements, *user).await?);
    }
    ids.sort_unstable_by(|one, other| other.cmp(one));
    let most = usize::from(MOST);
    let more = ids.len().max(refused.len()) > most;
    ids.truncate(most);
    refused.truncate(most);
    let runs = runs::read(connection, statements, &ids).await?;
    let mut user_id = users.first().copied();
    // Any number may be meant as an id.
    if let Some(id) = user_id.filter(|_| runs.is_empty() && mails.is_empty())
        && !runs::is_user(connection, statements, id).await?
    {
        user_id = None;
    }
    let refused = refused.into_iter().map(LoggedRefusal::from);
    let (many, kept): (Vec<_>, Vec<_>) = refused.partition(LoggedRefusal::is_summary);
    Ok(Found {
        verdict: match (runs.is_empty(), kept.is_empty()) {
            (false, _) => Verdict::Executed,
            (true, false) => Verdict::Refused,
            (true, true) => Verdict::NotFound,
        },
        user_id,
        runs,
        refused: kept,
        not_kept: many.iter().map(|row| u64::from(row.calls)).sum(),
        mails,
        more,
    })
}

/// The user of this id, login or address, if there is one.
async fn user(
    connection: &mut Connection,
    site: &Site,
    user: &str,
) -> Result<Vec<u64>, DatabaseError> {
    match runs::user_id(connection, &site.statements, user).await {
        Ok(id) => Ok(vec![id]),
        Err(RecordError::Database(error)) => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

/// The runs of a request, the newest first.
async fn of_request(
    connection: &mut Connection,
    site: &Site,
    request: &str,
) -> Result<Vec<u64>, DatabaseError> {
    sqlx::query_scalar(site.statements.run_ids_of_request.sql())
        .bind(request)
        .fetch_all(connection)
        .await
        .doing("look for the request's run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sought_shows_in_its_form() {
        let time = "2026-11-26T14:48:00Z".parse().unwrap();
        for text in [
            "2026-11-26T14:48",
            "2026-11-26 14:48",
            "2026-11-26 14:48:59",
            "2026-11-26T14:48Z",
            "2026-11-26 14:48 UTC",
            "2026-11-26T16:48+02:00",
        ] {
            assert_eq!(Sought::parse(text), Sought::Minute(time), "{text}");
        }
        let address = Sought::Address("ann@example.com".to_owned());
        assert_eq!(Sought::parse(" ann@example.com"), address);
        for name in ["7f3c-9_b.2:x", "13", "ann", "2026-11-26"] {
            assert_eq!(Sought::parse(name), Sought::Name(name.to_owned()));
        }
    }
}
