//! Queries the record of refused calls for operators. The types have the shape of the JSON in both the command line and the
//! HTTP API.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::record::{Part, Record, RecordError};
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::webhook::Webhook;
use crate::provision::KeyId;

/// The outcome of a row that stands for several requests.
const NOT_KEPT: &str = "not_kept";

const DOING: &str = "look for refused calls";

/// The record of refused calls.
pub struct RefusedCalls;

/// Some refused calls, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedPage {
    /// At most as many as were asked for.
    pub refused: Vec<LoggedRefusal>,
    /// `before` of the next page, if there is one.
    pub next_before: Option<u64>,
}

/// One refused call.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedRefusal {
    /// Row id.
    pub id: u64,
    /// When it was refused.
    #[schema(value_type = String)]
    pub refused_at: DateTime<Utc>,
    /// Row id in `fcom_meta`; `None` for requests that were too many to be recorded one by one.
    pub webhook_id: Option<u64>,
    /// Its title today; `None` if it was deleted or cannot be read.
    pub webhook_title: Option<String>,
    /// The word that the log and the metrics use; `not_kept` for requests that were too many.
    pub outcome: String,
    /// The status of the answer.
    pub status: u16,
    /// What the answer said.
    pub message: Option<String>,
    /// How many requests this stands for.
    pub calls: u32,
    /// What came as e-mail address: `missing`, `list`, `empty`, `padded`, `malformed`, `too_long` or `valid`; `None` if the
    /// form was not read.
    pub email: Option<String>,
    /// The names of the form's fields, as they were sent.
    pub fields: Option<Vec<String>>,
    /// Fields besides these: too many, or what does not look like a name.
    pub more_fields: Option<u32>,
    /// The declared type of the body.
    pub content_type: Option<String>,
    /// The declared length of the body, in bytes.
    pub content_length: Option<u64>,
    /// Where it came from, if that is recorded.
    pub client_address: Option<String>,
    /// The name of the request.
    pub request_id: Option<String>,
    /// Whether its fields are kept and can be read, so that it can be carried out.
    pub retriable: bool,
    /// Whether it was executed later: by a retry, or by its sender under the same name.
    pub retried: bool,
    /// The run that it was executed as, if that is known.
    pub run_id: Option<u64>,
    /// What its fields are encrypted with.
    #[serde(skip)]
    pub key_id: Option<KeyId>,
}

impl LoggedRefusal {
    /// Only what is encrypted with this key can be carried out.
    pub fn judge(&mut self, key: Option<KeyId>) {
        self.retriable = self.key_id.is_some() && self.key_id == key;
    }

    /// Whether it stands for requests that were too many to be recorded one by one.
    pub fn is_summary(&self) -> bool {
        self.outcome == NOT_KEPT
    }
}

#[derive(FromRow)]
pub(super) struct RefusedRow {
    id: u64,
    created_at: NaiveDateTime,
    webhook_id: Option<u64>,
    webhook: Option<Vec<u8>>,
    outcome: String,
    status: u16,
    calls: u32,
    request_id: Option<String>,
    client_address: Option<String>,
    message: Option<String>,
    content_type: Option<String>,
    content_length: Option<u64>,
    email: Option<String>,
    fields: Option<String>,
    more_fields: Option<u32>,
    key_id: Option<Vec<u8>>,
    run_id: Option<u64>,
}

impl From<RefusedRow> for LoggedRefusal {
    fn from(row: RefusedRow) -> Self {
        let record = row.webhook.unwrap_or_default();
        let webhook = Webhook::read(row.webhook_id.unwrap_or_default(), &record).ok();
        let fields = row.fields.map(|names| serde_json::from_str(&names));
        Self {
            id: row.id,
            refused_at: row.created_at.and_utc(),
            webhook_id: row.webhook_id,
            webhook_title: webhook
                .map(|webhook| String::from_utf8_lossy(&webhook.title).into_owned()),
            outcome: row.outcome,
            status: row.status,
            message: row.message.filter(|message| !message.is_empty()),
            calls: row.calls,
            email: row.email,
            fields: fields.and_then(Result::ok),
            more_fields: row.more_fields,
            content_type: row.content_type,
            content_length: row.content_length,
            client_address: row.client_address,
            request_id: row.request_id,
            retriable: false,
            retried: row.run_id.is_some(),
            run_id: row.run_id.filter(|run_id| *run_id > 0),
            key_id: row.key_id.and_then(|id| id.try_into().ok()),
        }
    }
}

impl Record for RefusedCalls {
    type Query = Part;
    type Page = RefusedPage;
    type Entry = LoggedRefusal;

    async fn list(
        connection: &mut Connection,
        statements: &Statements,
        part: &Part,
    ) -> Result<RefusedPage, RecordError> {
        let rows = match part.webhook_id(connection, statements).await? {
            Some(id) => sqlx::query_as(statements.refused_of_webhook.sql()).bind(id),
            None => sqlx::query_as(statements.list_refused.sql()),
        };
        let rows = rows.bind(part.before()).bind(part.rows());
        let mut rows: Vec<RefusedRow> = rows.fetch_all(connection).await.doing(DOING)?;
        Ok(RefusedPage {
            next_before: part.cut(&mut rows, |row| row.id),
            refused: rows.into_iter().map(LoggedRefusal::from).collect(),
        })
    }

    async fn show(
        connection: &mut Connection,
        statements: &Statements,
        id: u64,
    ) -> Result<Option<LoggedRefusal>, DatabaseError> {
        let row: Option<RefusedRow> = sqlx::query_as(statements.show_refused.sql())
            .bind(id)
            .fetch_optional(connection)
            .await
            .doing(DOING)?;
        Ok(row.map(LoggedRefusal::from))
    }
}
