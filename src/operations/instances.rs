//! The daemons that share the site's tables: each notes what it can do, so that operators see it wherever they look.

use std::fmt;

use chrono::NaiveDateTime;
use sqlx::FromRow;

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::mail::{Delivery, Failure, FailureKind};

/// Where the machine's name stands on Linux.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// A running daemon.
pub struct Instance {
    id: [u8; 16],
    name: String,
}

impl Instance {
    /// Named after the machine or container, and the process.
    pub fn of_this_process() -> Self {
        let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
        let host = host.trim();
        let host = if host.is_empty() { "localhost" } else { host };
        Self {
            id: rand::random(),
            name: format!("{host}, process {}", std::process::id()),
        }
    }
}

/// What the database tells an instance that confirms its row.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Told {
    /// The database's time.
    pub now: NaiveDateTime,
    /// How often operators have asked for a try at once.
    pub tries_asked: u32,
}

/// Notes that this instance runs, with the prints of its settings, and whether mails leave through it.
///
/// # Errors
/// A statement failed.
pub async fn note(
    connection: &mut Connection,
    statements: &Statements,
    instance: &Instance,
    settings: &str,
    delivery: &Delivery,
) -> Result<Option<Told>, DatabaseError> {
    let (state, trouble) = match delivery {
        Delivery::Off => ("none", None),
        Delivery::On => ("sends", None),
        Delivery::Stuck(trouble) => match trouble.failure.kind {
            FailureKind::Refused(_) => (REFUSED, Some(trouble)),
            _ => ("waits", Some(trouble)),
        },
    };
    let since = trouble.map(|trouble| trouble.since.naive_utc());
    let words = trouble.map(|trouble| words(&trouble.failure));
    sqlx::query(statements.note_instance.sql())
        .bind(&instance.id[..])
        .bind(&instance.name)
        .bind(settings)
        .bind(state)
        .bind(since)
        .bind(words.as_deref())
        .bind(settings)
        .bind(state)
        .bind(since)
        .bind(words.as_deref())
        .execute(&mut *connection)
        .await
        .doing("note that this instance runs")?;
    sqlx::query(statements.prune_instances.sql())
        .execute(&mut *connection)
        .await
        .doing("forget instances that no longer run")?;
    told(connection, statements, instance).await
}

/// What there is to know for an instance. `None`: its row is gone.
///
/// # Errors
/// The statement failed.
pub async fn told(
    connection: &mut Connection,
    statements: &Statements,
    instance: &Instance,
) -> Result<Option<Told>, DatabaseError> {
    sqlx::query_as(statements.instance_told.sql())
        .bind(&instance.id[..])
        .fetch_optional(connection)
        .await
        .doing("read what concerns this instance")
}

/// Has every instance try at once to send mails, however long it meant to pause.
///
/// # Errors
/// The statement failed.
pub async fn ask_for_tries(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<(), DatabaseError> {
    sqlx::query(statements.ask_instances.sql())
        .execute(connection)
        .await
        .doing("ask the daemons for a try")?;
    Ok(())
}

/// Notes that this instance no longer runs.
///
/// # Errors
/// The statement failed.
pub async fn leave(
    connection: &mut Connection,
    statements: &Statements,
    instance: &Instance,
) -> Result<(), DatabaseError> {
    sqlx::query(statements.drop_instance.sql())
        .bind(&instance.id[..])
        .execute(connection)
        .await
        .doing("note that this instance ends")?;
    Ok(())
}

/// The state of an instance whose mail server refuses it.
const REFUSED: &str = "refused";

/// What an instance has noted of itself. Times are UTC.
#[derive(Clone, Debug, FromRow)]
pub struct Running {
    /// Its machine and process.
    pub name: String,
    /// See [`agreement`](super::agreement).
    pub(super) settings: String,
    mail_state: String,
    mail_since: Option<NaiveDateTime>,
    mail_words: Option<String>,
}

/// Instances that run, by name.
///
/// # Errors
/// The statement failed.
pub async fn running(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Vec<Running>, DatabaseError> {
    sqlx::query_as(statements.instances.sql())
        .fetch_all(connection)
        .await
        .doing("list the instances that run")
}

impl Running {
    /// Why no mail leaves through it; `None` if mails do, or if it sends none anyway.
    pub fn stuck(&self) -> Option<Stuck<'_>> {
        Some(Stuck {
            name: &self.name,
            since: self.mail_since?,
            words: self.mail_words.as_deref()?,
        })
    }

    /// Whether somebody has to change something before mails leave through it.
    pub fn is_refused(&self) -> bool {
        self.mail_state == REFUSED
    }

    fn sends(&self) -> bool {
        self.mail_state == "sends"
    }
}

/// Why mails that are due wait, if they do so everywhere.
pub fn why_mails_wait(running: &[Running]) -> Option<&str> {
    let stuck = running.iter().find_map(Running::stuck);
    let stuck = stuck.filter(|_| !running.iter().any(Running::sends));
    stuck.map(|stuck| stuck.words)
}

/// An instance through which no mail leaves.
#[derive(Clone, Copy, Debug)]
pub struct Stuck<'a> {
    name: &'a str,
    since: NaiveDateTime,
    words: &'a str,
}

impl fmt::Display for Stuck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, since, words } = self;
        write!(
            f,
            "no mail leaves through {name} since {since} UTC: {words}"
        )
    }
}

/// What operators read.
fn words(failure: &Failure) -> String {
    let Failure { words, kind } = failure;
    let what = kind.to_string();
    let words = if words.starts_with(&what) {
        words.clone()
    } else {
        format!("{what}: {words}")
    };
    match kind {
        FailureKind::Refused(refusal) => format!(
            "{words}. That does not change by itself: {}",
            refusal.remedy()
        ),
        _ => words,
    }
}
