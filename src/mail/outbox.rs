//! The outbox of promised mails: rows of `{prefix}fcom_sidecar_mail`.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::FromRow;

use crate::db::{Batch, Connection, DatabaseError, Doing, Literal, Statements};
use crate::outcome::MailAttempt;
use crate::wordpress::time::format;

/// A promised welcome mail for a new user.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// The recipient; the address is looked up when the mail is sent.
    pub user_id: u64,
    /// The webhook that created the user.
    pub webhook_id: u64,
    /// Whether the call came over HTTPS: WordPress derives the scheme of the mail's links from that.
    pub https: bool,
}

impl Promise {
    /// Adds the statement that records the promise; it takes effect when the transaction commits.
    pub fn insert_in(self, batch: &mut Batch, statements: &Statements, now: DateTime<Utc>) {
        let now = format(now.naive_utc());
        let literals = [
            self.user_id.into(),
            self.webhook_id.into(),
            u64::from(self.https).into(),
            Literal::Text(&now),
            Literal::Text(&now),
            Literal::Text(&now),
        ];
        batch.add(
            &statements.insert_mail,
            "promise the welcome mail",
            &literals,
        );
    }
}

/// A leased mail: until the lease ends, only this worker may send it.
#[derive(Clone, FromRow)]
pub(super) struct Leased {
    pub(super) id: u64,
    pub(super) user_id: u64,
    pub(super) https: bool,
    /// Attempts so far, this one included.
    pub(super) attempts: u32,
    pub(super) created_at: NaiveDateTime,
    /// When it was promised, or when an operator requested a retry.
    pub(super) tried_since: NaiveDateTime,
    /// Whether the user was registered by the call that promised the mail. Otherwise the id has become another person's;
    /// `None`: there is no such user.
    pub(super) is_same_user: Option<bool>,
    /// `None`: the user was deleted.
    pub(super) user_login: Option<String>,
    pub(super) user_email: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) locale: Option<String>,
    /// On a network: whether the user is marked as spam.
    #[sqlx(default)]
    pub(super) is_spammer: Option<bool>,
    #[sqlx(skip)]
    pub(super) lease: [u8; 16],
}

/// How an attempt ended, with the details to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AttemptEnd {
    /// The server accepted it.
    Sent,
    /// No longer wanted, and why.
    Skipped(String),
    /// To be retried at this time, and why.
    Later(DateTime<Utc>, String),
    /// Given up, and why.
    Dead(String),
}

impl AttemptEnd {
    /// The kind of attempt that metrics count.
    pub(super) fn kind(&self) -> MailAttempt {
        match self {
            Self::Sent => MailAttempt::Sent,
            Self::Skipped(_) => MailAttempt::Skipped,
            Self::Later(..) => MailAttempt::Later,
            Self::Dead(_) => MailAttempt::Dead,
        }
    }
}

/// Leases the mail that has been due for longest, if any.
pub(super) async fn lease(
    connection: &mut Connection,
    statements: &Statements,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Leased>, DatabaseError> {
    let lease: [u8; 16] = rand::random();
    let taken = sqlx::query(statements.lease_mail.sql())
        .bind(&lease[..])
        .bind(until.naive_utc())
        .bind(now.naive_utc())
        .execute(&mut *connection)
        .await
        .doing("take a mail that is due")?;
    if taken.rows_affected() == 0 {
        return Ok(None);
    }
    let mail: Option<Leased> = sqlx::query_as(statements.leased_mail.sql())
        .bind(&lease[..])
        .fetch_optional(connection)
        .await
        .doing("read a mail that is due")?;
    Ok(mail.map(|mail| Leased { lease, ..mail }))
}

/// Records how the attempt ended, unless another worker has taken over the mail.
pub(super) async fn finish(
    connection: &mut Connection,
    statements: &Statements,
    mail: &Leased,
    ended: &AttemptEnd,
    now: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    let (state, next_attempt_at, error, finished_at) = match ended {
        AttemptEnd::Sent => ("sent", now, None, Some(now)),
        AttemptEnd::Skipped(why) => ("skipped", now, Some(why), Some(now)),
        AttemptEnd::Later(at, why) => ("pending", *at, Some(why), None),
        AttemptEnd::Dead(why) => ("dead", now, Some(why), Some(now)),
    };
    sqlx::query(statements.finish_mail.sql())
        .bind(state)
        .bind(next_attempt_at.naive_utc())
        .bind(error)
        .bind(finished_at.map(|at| at.naive_utc()))
        .bind(mail.id)
        .bind(&mail.lease[..])
        .execute(connection)
        .await
        .doing("record an attempt at a mail")?;
    Ok(())
}
