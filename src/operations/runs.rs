//! Queries the run log for operators. The types have the shape of the JSON in both the command line and the HTTP API.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::record::{Part, Record, RecordError};
use crate::db::{self, Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::webhook::Webhook;
use crate::provision::Email;

/// The record of executed calls.
pub struct ExecutedCalls;

/// The filter and limit of a page of runs.
#[derive(Clone, Debug)]
pub struct RunQuery {
    /// A user's id, login or address; digits mean an id.
    pub user: Option<String>,
    /// Which of their runs.
    pub part: Part,
}

/// What a query asks for, by ids.
#[derive(Clone, Copy, Debug)]
pub struct Meant {
    /// The user.
    pub user: Option<u64>,
    /// The webhook.
    pub webhook: Option<u64>,
}

impl RunQuery {
    /// The ids of what it names.
    ///
    /// # Errors
    /// There is no such user or webhook, or a statement failed.
    pub async fn meant(
        &self,
        connection: &mut Connection,
        statements: &Statements,
    ) -> Result<Meant, RecordError> {
        let user = match &self.user {
            Some(user) => Some(user_id(connection, statements, user).await?),
            None => None,
        };
        let webhook = self.part.webhook_id(connection, statements).await?;
        Ok(Meant { user, webhook })
    }
}

/// Some runs, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunPage {
    /// At most as many as were asked for.
    pub runs: Vec<LoggedRun>,
    /// `before` of the next page, if there is one.
    pub next_before: Option<u64>,
}

/// One executed call.
#[derive(Clone, Debug, Serialize, ToSchema)]
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

impl Record for ExecutedCalls {
    type Query = RunQuery;
    type Page = RunPage;
    type Entry = LoggedRun;

    async fn list(
        connection: &mut Connection,
        statements: &Statements,
        query: &RunQuery,
    ) -> Result<RunPage, RecordError> {
        let Meant { user, webhook } = query.meant(connection, statements).await?;
        let part = &query.part;
        let before = part.before();
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
        let ids = ids.bind(part.rows()).fetch_all(&mut *connection).await;
        let mut ids: Vec<u64> = ids.doing("look for runs")?;
        Ok(RunPage {
            next_before: part.cut(&mut ids, |id| *id),
            runs: read(connection, statements, &ids).await?,
        })
    }

    async fn show(
        connection: &mut Connection,
        statements: &Statements,
        id: u64,
    ) -> Result<Option<LoggedRun>, DatabaseError> {
        Ok(read(connection, statements, &[id]).await?.pop())
    }
}

/// The ids of the newest runs.
///
/// # Errors
/// The statement failed.
pub async fn newest(
    connection: &mut Connection,
    statements: &Statements,
    most: u32,
) -> Result<Vec<u64>, DatabaseError> {
    let newest = sqlx::query_scalar(statements.run_ids.sql())
        .bind(u64::MAX)
        .bind(most);
    let newest = newest.fetch_all(connection).await;
    newest.doing("look for the newest runs")
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
) -> Result<u64, RecordError> {
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
    found.map(|(_, id)| *id).ok_or(RecordError::UnknownUser)
}

/// The users who have this address, in the order of their ids: PHP takes the first.
pub(super) async fn users_of_address(
    connection: &mut Connection,
    statements: &Statements,
    email: &Email,
) -> Result<Vec<u64>, DatabaseError> {
    let forms = email.forms();
    let query = sqlx::query_as(statements.users_of_address.sql());
    let forms = forms.iter().cycle().take(3);
    let query = forms.fold(query, sqlx::query::QueryAs::bind);
    let found = query.fetch_all(connection).await;
    let found: Vec<(u64, Vec<u8>)> = db::found(found.doing("look for the user"))?;
    let mut ids: Vec<u64> = found.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Whether there is a user with this id.
pub(super) async fn is_user(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<bool, DatabaseError> {
    let query = sqlx::query(statements.logins_of_users.repeated(1)).bind(id);
    let found = query.fetch_optional(connection).await;
    Ok(found.doing("look for the user")?.is_some())
}
