//! Queries the run log for operators. The types have the shape of the JSON in both the command line and the HTTP API.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::db::{self, Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::webhook::Webhook;
use crate::provision::Email;

/// Runs on one page.
pub const LONGEST_PAGE: u32 = 500;

/// The filter and limit of a page of runs.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// A user's id, login or address; digits mean an id.
    pub user: Option<String>,
    /// A webhook's id or title; digits mean an id.
    pub webhook: Option<String>,
    /// Only runs older than this one.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

/// Some runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunPage {
    /// At most as many as were asked for.
    pub runs: Vec<LoggedRun>,
    /// `before` of the next page, if there is one.
    pub next_before: Option<u64>,
}

/// One executed call.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedRun {
    /// Row id.
    pub id: u64,
    /// When it was executed.
    #[schema(value_type = String)]
    pub executed_at: DateTime<Utc>,
    /// Row id in `fcom_meta`.
    pub webhook_id: u64,
    /// Its title today; `None` if it was deleted or cannot be read.
    pub webhook_title: Option<String>,
    /// The member.
    pub user_id: u64,
    /// `None`: the user was deleted.
    pub user_login: Option<String>,
    /// `created` or `found`.
    pub outcome: String,
    /// Whether a profile was made and a mail promised, and the ids of spaces and courses joined and left.
    #[schema(value_type = Value)]
    pub changes: serde_json::Value,
    /// How long it took to carry out.
    pub duration_ms: u32,
    /// Where it came from, if that is recorded.
    pub client_address: Option<String>,
    /// The name of the request.
    pub request_id: Option<String>,
    /// Whether `running_count` has heard of it.
    pub counted: bool,
}

/// Why a query fails.
#[derive(Debug, thiserror::Error)]
pub enum RunLogError {
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

#[derive(FromRow)]
struct RunRow {
    id: u64,
    created_at: NaiveDateTime,
    webhook_id: u64,
    webhook: Option<Vec<u8>>,
    user_id: u64,
    user_login: Option<String>,
    outcome: String,
    changes: Option<String>,
    duration_ms: u32,
    client_address: Option<String>,
    request_id: Option<String>,
    tallied: bool,
}

impl From<RunRow> for LoggedRun {
    fn from(row: RunRow) -> Self {
        let webhook = Webhook::read(row.webhook_id, &row.webhook.unwrap_or_default());
        let title = |webhook: Webhook| String::from_utf8_lossy(&webhook.title).into_owned();
        let changes = row.changes.unwrap_or_default();
        Self {
            id: row.id,
            executed_at: row.created_at.and_utc(),
            webhook_id: row.webhook_id,
            webhook_title: webhook.ok().map(title),
            user_id: row.user_id,
            user_login: row.user_login,
            outcome: row.outcome,
            changes: serde_json::from_str(&changes).unwrap_or_default(),
            duration_ms: row.duration_ms,
            client_address: row.client_address,
            request_id: row.request_id,
            counted: row.tallied,
        }
    }
}

/// A page of runs.
///
/// # Errors
/// See [`RunLogError`].
pub async fn list(
    connection: &mut Connection,
    statements: &Statements,
    query: &RunQuery,
) -> Result<RunPage, RunLogError> {
    let user = match &query.user {
        Some(user) => Some(user_id(connection, statements, user).await?),
        None => None,
    };
    let webhook = match &query.webhook {
        Some(webhook) => Some(webhook_id(connection, statements, webhook).await?),
        None => None,
    };
    let before = query.before.unwrap_or(u64::MAX);
    let limit = query.limit.clamp(1, LONGEST_PAGE);
    let ids = match (user, webhook) {
        (Some(user), webhook) => {
            let webhook = webhook.unwrap_or_default();
            sqlx::query_scalar(statements.run_ids_of_user.sql())
                .bind(user)
                .bind(before)
                .bind(webhook)
                .bind(webhook)
        }
        (None, Some(webhook)) => sqlx::query_scalar(statements.run_ids_of_webhook.sql())
            .bind(webhook)
            .bind(before),
        (None, None) => sqlx::query_scalar(statements.run_ids.sql()).bind(before),
    };
    // One extra row shows whether there is a next page.
    let ids = ids.bind(limit + 1).fetch_all(&mut *connection).await;
    let mut ids: Vec<u64> = ids.doing("look for runs")?;
    let is_last_page = ids.len() <= limit as usize;
    ids.truncate(limit as usize);
    Ok(RunPage {
        next_before: ids.last().copied().filter(|_| !is_last_page),
        runs: read(connection, statements, &ids).await?,
    })
}

/// One run.
///
/// # Errors
/// The statement failed.
pub async fn show(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<Option<LoggedRun>, DatabaseError> {
    Ok(read(connection, statements, &[id]).await?.pop())
}

pub(super) async fn read(
    connection: &mut Connection,
    statements: &Statements,
    ids: &[u64],
) -> Result<Vec<LoggedRun>, DatabaseError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query_as(statements.show_runs.repeated(ids.len()));
    let query = ids.iter().fold(query, |query, id| query.bind(*id));
    let rows: Vec<RunRow> = query.fetch_all(connection).await.doing("read runs")?;
    Ok(rows.into_iter().map(LoggedRun::from).collect())
}

pub(super) async fn user_id(
    connection: &mut Connection,
    statements: &Statements,
    user: &str,
) -> Result<u64, RunLogError> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    let forms = Email::parse(user.as_bytes()).map(|email| email.forms());
    // For an invalid address, search for one that no user has.
    let forms = forms.unwrap_or_else(|_| vec!["-".to_owned()]);
    let query = sqlx::query_as(statements.users_by_name.sql()).bind(user);
    let forms = forms.iter().cycle().take(3);
    let query = forms.fold(query, sqlx::query::QueryAs::bind);
    let found = query.fetch_all(connection).await;
    let found: Vec<(String, u64)> = db::found(found.doing("look for the user"))?;
    let by_login = found.iter().find(|(found_by, _)| found_by == "login");
    let found = by_login.or(found.first());
    found.map(|(_, id)| *id).ok_or(RunLogError::UnknownUser)
}

pub(super) async fn webhook_id(
    connection: &mut Connection,
    statements: &Statements,
    webhook: &str,
) -> Result<u64, RunLogError> {
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
    let id = ids.next().ok_or(RunLogError::UnknownWebhook)?;
    let others: Vec<String> = ids.map(|id| id.to_string()).collect();
    if others.is_empty() {
        return Ok(id);
    }
    let all = format!("{id}, {}", others.join(", "));
    Err(RunLogError::SeveralWebhooks(all))
}
