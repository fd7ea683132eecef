//! Lets operators inspect, retry and drop the welcome mails in the outbox; `mail` promises and sends them.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::FromRow;

use super::Retried;
use super::instances::{self, Running};
use crate::db::{Connection, DatabaseError, Doing, Statements};

/// A mail as operators see it. Times are UTC.
#[derive(Clone, Debug, FromRow, serde::Serialize)]
pub struct OutboxMail {
    /// Row id.
    pub id: u64,
    /// The recipient.
    pub user_id: u64,
    /// `None`: the user was deleted.
    pub user_login: Option<String>,
    /// The webhook that created the user.
    pub webhook_id: u64,
    /// `pending`, `sent`, `skipped` or `dead`.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is due; for a mail that a worker has leased, when the lease ends.
    pub next_attempt_at: NaiveDateTime,
    /// The mail server's reply, why it was skipped, or what keeps all mails from leaving.
    pub last_error: Option<String>,
    /// When it was promised.
    pub created_at: NaiveDateTime,
    /// When it was sent, skipped or given up.
    pub finished_at: Option<NaiveDateTime>,
}

impl OutboxMail {
    /// A mail that nobody can send waits for that, whatever became of it before.
    pub fn waits_for(&mut self, running: &[Running]) {
        if self.state == "pending"
            && let Some(why) = instances::why_mails_wait(running)
        {
            self.last_error = Some(why.to_owned());
        }
    }
}

/// The newest mails, or those before one; optionally only those in one state.
///
/// # Errors
/// The statement failed.
pub async fn list(
    connection: &mut Connection,
    statements: &Statements,
    state: Option<&str>,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<OutboxMail>, DatabaseError> {
    let query = match state {
        Some(state) => sqlx::query_as(statements.list_mail_of_state.sql()).bind(state),
        None => sqlx::query_as(statements.list_mail.sql()),
    };
    let query = query.bind(before.unwrap_or(u64::MAX)).bind(limit);
    let mails = query.fetch_all(connection).await;
    mails.doing("list mails")
}

/// The newest mails that were given up, and those that wait, so many of each.
///
/// # Errors
/// The statement failed.
pub async fn unsent(
    connection: &mut Connection,
    statements: &Statements,
    limit: u32,
) -> Result<Vec<OutboxMail>, DatabaseError> {
    let of_state = &statements.list_mail_of_state;
    let query = ["dead", "pending"]
        .iter()
        .fold(sqlx::query_as(of_state.then(of_state)), |query, state| {
            query.bind(*state).bind(u64::MAX).bind(limit)
        });
    query.fetch_all(connection).await.doing("list mails")
}

/// The newest mails to a user.
///
/// # Errors
/// The statement failed.
pub async fn of_user(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
) -> Result<Vec<OutboxMail>, DatabaseError> {
    sqlx::query_as(statements.mails_of_user.sql())
        .bind(user_id)
        .fetch_all(connection)
        .await
        .doing("look for mails")
}

/// One mail.
///
/// # Errors
/// The statement failed.
pub async fn show(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<Option<OutboxMail>, DatabaseError> {
    sqlx::query_as(statements.show_mail.sql())
        .bind(id)
        .fetch_optional(connection)
        .await
        .doing("read a mail")
}

/// Makes unsent mails due at once, with all their attempts available again. Returns how many.
///
/// # Errors
/// The statement failed.
pub async fn retry(
    connection: &mut Connection,
    statements: &Statements,
    which: Retried,
    now: DateTime<Utc>,
) -> Result<u64, DatabaseError> {
    let now = now.naive_utc();
    let query = match which {
        Retried::One(id) => sqlx::query(statements.retry_mail.sql())
            .bind(now)
            .bind(now)
            .bind(id)
            .bind(now),
        Retried::AllDead => sqlx::query(statements.retry_dead_mail.sql())
            .bind(now)
            .bind(now),
    };
    let done = query.execute(connection).await.doing("make mails due")?;
    Ok(done.rows_affected())
}

/// Deletes one mail that no worker has: it is never sent. Returns whether there was one.
///
/// # Errors
/// The statement failed.
pub async fn remove(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
    now: DateTime<Utc>,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query(statements.drop_mail.sql())
        .bind(id)
        .bind(now.naive_utc())
        .execute(connection)
        .await
        .doing("drop a mail")?;
    Ok(done.rows_affected() > 0)
}

/// Deletes some mails that were sent, skipped or given up before this. Returns how many.
///
/// # Errors
/// The statement failed.
pub async fn prune(
    connection: &mut Connection,
    statements: &Statements,
    before: DateTime<Utc>,
) -> Result<u64, DatabaseError> {
    let done = sqlx::query(statements.prune_mail.sql())
        .bind(before.naive_utc())
        .execute(connection)
        .await
        .doing("forget old mails")?;
    Ok(done.rows_affected())
}
