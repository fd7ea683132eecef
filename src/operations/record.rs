//! What the records of executed and of refused calls have in common: they are read page by page, newest first.

use crate::db::{Cause, Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::webhook::Webhook;

/// Entries on one page.
pub const LONGEST_PAGE: u32 = 500;

/// A record of calls.
pub trait Record {
    /// Which entries to read.
    type Query;
    /// Some entries, newest first.
    type Page;
    /// One entry.
    type Entry;

    /// A page of entries.
    fn list(
        connection: &mut Connection,
        statements: &Statements,
        query: &Self::Query,
    ) -> impl Future<Output = Result<Self::Page, RecordError>> + Send;

    /// One entry.
    fn show(
        connection: &mut Connection,
        statements: &Statements,
        id: u64,
    ) -> impl Future<Output = Result<Option<Self::Entry>, DatabaseError>> + Send;
}

/// Which entries of a record to read.
#[derive(Clone, Debug)]
pub struct Part {
    /// A webhook's id or title; digits mean an id.
    pub webhook: Option<String>,
    /// Only entries older than this one.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

/// Why a query fails.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No user has this login or address.
    #[error(
        "no user has this login or e-mail address; a deleted user's runs are found by the user's id"
    )]
    UnknownUser,
    /// No webhook has this title.
    #[error("no webhook has this title; a deleted webhook's runs are found by its id")]
    UnknownWebhook,
    /// Several webhooks have this title.
    #[error("several webhooks have this title, name one by its id: {0}")]
    SeveralWebhooks(String),
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Part {
    /// Entries have smaller ids than this.
    pub(super) fn before(&self) -> u64 {
        self.before.unwrap_or(u64::MAX)
    }

    /// How many rows to read: an extra one shows whether there is a next page.
    pub(super) fn rows(&self) -> u32 {
        self.limit() + 1
    }

    /// Cuts the extra row off, if it is there. Returns `before` of the next page, if there is one.
    pub(super) fn cut<T>(&self, rows: &mut Vec<T>, id: impl Fn(&T) -> u64) -> Option<u64> {
        let limit = self.limit() as usize;
        let is_last_page = rows.len() <= limit;
        rows.truncate(limit);
        rows.last().map(id).filter(|_| !is_last_page)
    }

    fn limit(&self) -> u32 {
        self.limit.clamp(1, LONGEST_PAGE)
    }

    /// The id of the webhook.
    pub(super) async fn webhook_id(
        &self,
        connection: &mut Connection,
        statements: &Statements,
    ) -> Result<Option<u64>, RecordError> {
        match &self.webhook {
            Some(webhook) => webhook_id(connection, statements, webhook).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The id of the webhook with this id or title; digits mean an id, which need not exist.
pub(super) async fn webhook_id(
    connection: &mut Connection,
    statements: &Statements,
    webhook: &str,
) -> Result<u64, RecordError> {
    if let Ok(id) = webhook.parse() {
        return Ok(id);
    }
    let records: Vec<(u64, Option<Vec<u8>>)> = sqlx::query_as(statements.webhook_records.sql())
        .fetch_all(connection)
        .await
        .doing("read the webhooks")?;
    let is_meant = |(id, value): &(u64, Option<Vec<u8>>)| {
        let record = Webhook::read(*id, value.as_deref().unwrap_or_default());
        record.is_ok_and(|record| record.title == webhook.as_bytes())
    };
    let mut ids = records.into_iter().filter(is_meant).map(|(id, _)| id);
    let id = ids.next().ok_or(RecordError::UnknownWebhook)?;
    let others: Vec<String> = ids.map(|id| id.to_string()).collect();
    if others.is_empty() {
        return Ok(id);
    }
    let all = format!("{id}, {}", others.join(", "));
    Err(RecordError::SeveralWebhooks(all))
}

impl Cause for RecordError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_more_would_follow() {
        let part = |limit| Part {
            webhook: None,
            before: None,
            limit,
        };
        for (limit, read, kept, next) in [
            (2, &[9, 8, 7][..], &[9, 8][..], Some(8)),
            (2, &[9, 8], &[9, 8], None),
            (2, &[], &[], None),
            (0, &[9, 8], &[9], Some(9)),
        ] {
            let mut rows = read.to_vec();
            assert_eq!(part(limit).cut(&mut rows, |id| *id), next);
            assert_eq!(rows, kept);
        }
        assert_eq!((part(2).rows(), part(9999).rows()), (3, LONGEST_PAGE + 1));
    }
}
