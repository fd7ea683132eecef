//! The outbox of promised mails: rows of `{prefix}fcom_sidecar_mail`.

use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::FromRow;

use crate::db::{Batch, Connection, DatabaseError, Doing, Literal, Statements};
use crate::outcome::MailAttempt;
use crate::wordpress::time::format;

/// A promised welcome mail for a new user.
#[derive(Clone, Copy)]
pub struct Promise<'a> {
    /// The recipient; the address is looked up when the mail is sent.
    pub user_id: u64,
    /// The webhook that created the user.
    pub webhook_id: u64,
    /// Whether the call came over HTTPS: WordPress derives the scheme of the mail's links from that.
    pub https: bool,
    /// The user's password, as the users table has it.
    pub password: &'a str,
}

impl Promise<'_> {
    /// Adds the statement that records the promise; it takes effect when the transaction commits.
    pub fn insert_in(self, batch: &mut Batch, statements: &Statements, now: DateTime<Utc>) {
        let now = format(now.naive_utc());
        let password = Sha256::digest(self.password);
        let literals = [
            self.user_id.into(),
            self.webhook_id.into(),
            u64::from(self.https).into(),
            Literal::Bytes(&password),
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
    /// When it was tried first, or when an operator requested a retry.
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
    /// Not for the mail's sake: due as before, behind the others, without an attempt that counts; and why.
    Back(String),
    /// Given up, and why.
    Dead(String),
}

impl AttemptEnd {
    /// The kind of attempt that metrics count.
    pub(super) fn kind(&self) -> MailAttempt {
        match self {
            Self::Sent => MailAttempt::Sent,
            Self::Skipped(_) => MailAttempt::Skipped,
            Self::Later(..) | Self::Back(_) => MailAttempt::Later,
            Self::Dead(_) => MailAttempt::Dead,
        }
    }
}

/// Whether a mail is due.
pub(super) async fn is_due(
    connection: &mut Connection,
    statements: &Statements,
    now: DateTime<Utc>,
) -> Result<bool, DatabaseError> {
    let due: Option<i64> = sqlx::query_scalar(statements.mail_due.sql())
        .bind(now.naive_utc())
        .fetch_optional(connection)
        .await
        .doing("look for a mail that is due")?;
    Ok(due.is_some())
}

/// Leases the mail that has been due for longest, if any; or the newest one that nobody has tried yet, if there is one.
pub(super) async fn lease(
    connection: &mut Connection,
    statements: &Statements,
    is_newest_first: bool,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Leased>, DatabaseError> {
    let lease: [u8; 16] = rand::random();
    let newest = is_newest_first.then_some(&statements.lease_new_mail);
    let mut taken = 0;
    for statement in newest.into_iter().chain([&statements.lease_mail]) {
        let leased = sqlx::query(statement.sql())
            .bind(now.naive_utc())
            .bind(&lease[..])
            .bind(until.naive_utc())
            .bind(now.naive_utc())
            .execute(&mut *connection)
            .await
            .doing("take a mail that is due")?;
        taken = leased.rows_affected();
        if taken > 0 {
            break;
        }
    }
    if taken == 0 {
        return Ok(None);
    }
    let mail: Option<Leased> = sqlx::query_as(statements.leased_mail.sql())
        .bind(&lease[..])
        .fetch_optional(connection)
        .await
        .doing("read a mail that is due")?;
    Ok(mail.map(|mail| Leased { lease, ..mail }))
}

/// What the user has done since the mail was promised.
#[derive(Clone, Copy, Debug, Default, FromRow)]
pub(super) struct Since {
    /// There is no reset key, or it is that of an earlier attempt.
    is_own_key: bool,
    /// The password is the one that the call wrote; `None` if that was not noted.
    is_first_password: Option<bool>,
    /// The database's time.
    pub(super) now: Option<NaiveDateTime>,
}

impl Since {
    /// Why a new reset key would be of no use, or do harm.
    pub(super) fn objection(self) -> Option<&'static str> {
        if !self.is_first_password? {
            return Some(
                "the user has another password since: a link to set one is no longer wanted",
            );
        }
        let why = "the user has got another link to set a password since, which this mail's would replace";
        (!self.is_own_key).then_some(why)
    }
}

/// What the recipient has done since. An account that may not read it knows nothing, and no mail is skipped for that.
pub(super) async fn since(
    connection: &mut Connection,
    statements: &Statements,
    mail: &Leased,
) -> Result<Since, DatabaseError> {
    let found = sqlx::query_as(statements.mail_key.sql())
        .bind(mail.id)
        .fetch_optional(connection)
        .await
        .doing("read what the recipient has done since");
    match found {
        Err(error) if error.is_denied() => Ok(Since::default()),
        found => Ok(found?.unwrap_or_default()),
    }
}

/// Adds the statement that gives the user the reset key of this attempt, and notes it; not if another worker has taken over the mail, whose
/// link would be dead.
pub(super) fn store_key_in(
    batch: &mut Batch,
    statements: &Statements,
    mail: &Leased,
    stored: &str,
) -> usize {
    let hash = Sha256::digest(stored);
    let literals = [
        stored.into(),
        Literal::Bytes(&hash),
        mail.id.into(),
        Literal::Bytes(&mail.lease),
    ];
    batch.add(&statements.store_mail_key, "store the reset key", &literals)
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
        AttemptEnd::Back(why) => ("pending", now, Some(why), None),
        AttemptEnd::Dead(why) => ("dead", now, Some(why), Some(now)),
    };
    sqlx::query(statements.finish_mail.sql())
        .bind(state)
        .bind(u32::from(matches!(ended, AttemptEnd::Back(_))))
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

/// The last attempt at this mail was not its own failure: takes it back, so that the mail is due again, even if it was given up for it.
pub(super) async fn forgive(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
    now: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    sqlx::query(statements.forgive_mail.sql())
        .bind(now.naive_utc())
        .bind(id)
        .execute(connection)
        .await
        .doing("take back an attempt at a mail")?;
    Ok(())
}

/// Gives up a number of mails that nobody has leased and that wait since before `since`, unless a mail was sent by anyone after
/// `lately`: whoever does will get to them. Returns how many.
pub(super) async fn give_up(
    connection: &mut Connection,
    statements: &Statements,
    since: DateTime<Utc>,
    lately: DateTime<Utc>,
    why: &str,
    now: DateTime<Utc>,
) -> Result<u64, DatabaseError> {
    let sent: Option<i64> = sqlx::query_scalar(statements.mail_sent_since.sql())
        .bind(lately.naive_utc())
        .fetch_optional(&mut *connection)
        .await
        .doing("look whether mails leave elsewhere")?;
    if sent.is_some() {
        return Ok(0);
    }
    let done = sqlx::query(statements.give_up_mail.sql())
        .bind(why)
        .bind(now.naive_utc())
        .bind(now.naive_utc())
        .bind(now.naive_utc())
        .bind(since.naive_utc())
        .execute(connection)
        .await
        .doing("give up mails")?;
    Ok(done.rows_affected())
}
