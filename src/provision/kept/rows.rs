//! The rows: written with the refused call, marked when it is retried, deleted when their time is up.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::FromRow;

use super::super::Executed;
use super::super::runs;
use super::key::Sealed;
use super::{Keeping, KeptCall, KeyId, KeyOfFields, NotOpened, Recalled};
use crate::db::{Batch, Connection, DatabaseError, Doing, Statements};
use crate::site::Site;

const DOING: &str = "look for what was kept of the refused call";

/// A refused call, with what was kept of it.
#[derive(FromRow)]
pub struct KeptRow {
    webhook_id: Option<u64>,
    created_at: NaiveDateTime,
    key_id: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
    /// The run that it was retried as, if it was; 0 if the run is not known.
    pub run_id: Option<u64>,
}

impl KeptRow {
    /// The row of this refused call; `None` if there is no such call.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn of(
        connection: &mut Connection,
        statements: &Statements,
        refused_id: u64,
    ) -> Result<Option<Self>, DatabaseError> {
        let row = sqlx::query_as(statements.show_kept.sql()).bind(refused_id);
        row.fetch_optional(connection).await.doing(DOING)
    }

    /// When the call came.
    pub fn came_at(&self) -> DateTime<Utc> {
        self.created_at.and_utc()
    }

    /// The webhook whose fields are kept, and the id of their key; `None` if none are kept.
    pub fn kept(&self) -> Option<(u64, KeyId)> {
        let key_id = self.key_id.as_deref()?.try_into().ok()?;
        Some((self.webhook_id?, key_id))
    }

    /// Decrypts the fields.
    ///
    /// # Errors
    /// They were changed, or belong to another call.
    pub fn open(self, key: &KeyOfFields, refused_id: u64) -> Result<Recalled, NotOpened> {
        let webhook_id = self.webhook_id.ok_or(NotOpened)?;
        let nonce = self.nonce.ok_or(NotOpened)?;
        let sealed = Sealed {
            nonce: nonce.try_into().map_err(|_| NotOpened)?,
            text: self.sealed.ok_or(NotOpened)?,
        };
        let content = key.open(sealed, refused_id, webhook_id)?;
        let content = secrecy::ExposeSecret::expose_secret(&content);
        Recalled::read(content).ok_or(NotOpened)
    }

    /// The run of the call, if it was committed although its sender was not told so. Then there is nothing to retry.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn run_of_call(
        connection: &mut Connection,
        statements: &Statements,
        call_id: &[u8; 16],
    ) -> Result<Option<u64>, DatabaseError> {
        let run = runs::of_call(connection, statements, call_id).await?;
        Ok(run.map(|(run, _)| run.run_id))
    }

    /// Notes that the call had been executed before, as the run with this answer, and forgets its fields. Returns the run, if
    /// it is known.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn done_before(
        connection: &mut Connection,
        statements: &Statements,
        refused_id: u64,
        executed: &Executed,
    ) -> Result<Option<u64>, DatabaseError> {
        let run: Option<u64> = sqlx::query_scalar(statements.run_of_answer.sql())
            .bind(executed.user_id)
            .bind(executed.webhook_id)
            .bind(executed.executed_at.naive_utc())
            .fetch_optional(&mut *connection)
            .await
            .doing(DOING)?;
        Self::mark(connection, statements, refused_id, run.unwrap_or(0)).await?;
        Ok(run)
    }

    /// Notes that the call had been executed as this run, and forgets its fields.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn mark(
        connection: &mut Connection,
        statements: &Statements,
        refused_id: u64,
        run_id: u64,
    ) -> Result<(), DatabaseError> {
        let marked = sqlx::query(statements.kept_done_before.sql())
            .bind(run_id)
            .bind(refused_id);
        marked
            .execute(connection)
            .await
            .doing("note that the refused call was retried")?;
        Ok(())
    }
}

/// A refused call that was not retried.
#[derive(FromRow)]
pub struct Waiting {
    /// The refused call.
    pub refused_id: u64,
    /// Its webhook.
    pub webhook_id: Option<u64>,
    /// Why it was refused, in one word.
    pub outcome: String,
}

/// Some of the refused calls that can be retried and were not, with ids above `after`, the oldest first.
///
/// # Errors
/// The statement failed.
pub async fn waiting(
    connection: &mut Connection,
    statements: &Statements,
    after: u64,
) -> Result<Vec<Waiting>, DatabaseError> {
    let rows = sqlx::query_as(statements.list_kept.sql()).bind(after);
    rows.fetch_all(connection).await.doing(DOING)
}

/// Inserts what is kept of a refused call, in the transaction that records it.
pub(in super::super) async fn insert(
    connection: &mut Connection,
    statements: &Statements,
    keeping: &Keeping,
    kept: &KeptCall,
    (refused_id, webhook_id): (u64, u64),
    at: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    let sealed = keeping.key.seal(kept.content(), refused_id, webhook_id);
    sqlx::query(statements.insert_kept.sql())
        .bind(refused_id)
        .bind(webhook_id)
        .bind(at.naive_utc())
        .bind(&keeping.key.id()[..])
        .bind(&sealed.nonce[..])
        .bind(sealed.text)
        .execute(connection)
        .await
        .doing("keep the fields of a refused call")?;
    Ok(())
}

/// Adds the statement that marks a refused call as retried. It stands behind the one that records the run.
pub(in super::super) fn mark_in(batch: &mut Batch, statements: &Statements, refused_id: u64) {
    let doing = "note that the refused call was retried";
    batch.add(&statements.kept_retried, doing, &[refused_id.into()]);
}

/// Deletes some fields of calls that came before `before`, and marks of calls that are no longer recorded; returns how many rows.
///
/// # Errors
/// A statement failed.
pub async fn prune_kept(site: &Site, before: DateTime<Utc>) -> Result<u64, DatabaseError> {
    const DOING: &str = "forget fields of refused calls";
    let statements = &site.statements;
    let pruned = site.pool.work(async |connection| {
        let old = sqlx::query(statements.prune_kept.sql()).bind(before.naive_utc());
        let old = old.execute(&mut *connection).await.doing(DOING)?;
        let marks = sqlx::query(statements.prune_kept_marks.sql());
        let marks = marks.execute(connection).await.doing(DOING)?;
        Ok::<_, DatabaseError>(old.rows_affected() + marks.rows_affected())
    });
    pruned.await
}
