//! Changes webhook records, each change in one transaction. Mirrors `ProAdminController::saveWebhook` and
//! `deleteWebhook`, but reads the record under a lock: the plugin writes back the value it read earlier and so loses
//! runs counted in the meantime.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::Row as _;

use super::rows::{self, Environment, WebhookRow};
use super::{Kind, SpacesAndCourses, WebhookSettings, key};
use crate::db::{Answer, Batch, Cause, Connection, DatabaseError, Doing, Literal, Statements};
use crate::fluentcommunity::webhook::{UnreadableWebhook, Webhook};
use crate::wordpress::time::format;

/// Why a webhook was not changed, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no webhook with this id.
    #[error("there is no webhook {0}")]
    Unknown(u64),
    /// The record is corrupt and was left unchanged.
    #[error(transparent)]
    Unreadable(#[from] UnreadableWebhook),
    /// The edit was for settings that are not there any more.
    #[error("the webhook was changed meanwhile")]
    Outdated,
    /// A column cannot store the title.
    #[error("the title has characters that this site cannot store")]
    Unstorable(#[source] DatabaseError),
    /// The commit was sent, and the database has not said what became of it.
    #[error(
        "the database did not say whether it made this change: look at the webhook before you repeat it"
    )]
    OutcomeUnknown(#[source] DatabaseError),
    /// A statement failed.
    #[error(transparent)]
    Database(DatabaseError),
}

impl From<DatabaseError> for ChangeError {
    fn from(error: DatabaseError) -> Self {
        if error.is_unstorable() {
            Self::Unstorable(error)
        } else if error.is_unheard() {
            // A change is short, so what was waited for in vain may well be its commit.
            Self::OutcomeUnknown(error)
        } else {
            Self::Database(error)
        }
    }
}

impl Cause for ChangeError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Unstorable(error) | Self::OutcomeUnknown(error) | Self::Database(error) => {
                Some(error)
            }
            _ => None,
        }
    }
}

/// The context of a change, apart from its connection.
#[derive(Clone, Copy)]
pub struct ChangeContext<'a> {
    /// The site's statements.
    pub statements: &'a Statements,
    /// The site.
    pub environment: &'a Environment,
    /// The time of the change.
    pub now: DateTime<Utc>,
}

impl ChangeContext<'_> {
    fn local_now(&self) -> String {
        format(self.environment.options.zone().local(self.now))
    }
}

/// Creates a webhook with a new key. Ids of spaces and courses that do not exist are dropped from the lists.
///
/// # Errors
/// The database failed, or cannot store the title.
pub async fn create(
    connection: &mut Connection,
    site: ChangeContext<'_>,
    settings: &WebhookSettings,
) -> Result<WebhookRow, ChangeError> {
    let known = SpacesAndCourses::read(connection, site.statements).await?;
    let value = existing(settings.clone(), &known).write();
    let (key, now) = (key::generate(), site.local_now());
    let mut batch = Batch::begin(site.statements);
    let literals = [
        Literal::Text(key.expose_secret()),
        text(&value),
        Literal::Text(&now),
        Literal::Text(&now),
    ];
    let doing = "insert the webhook";
    let inserted = batch.add(&site.statements.insert_webhook, doing, &literals);
    batch.commit("commit the webhook");
    let id = commit(connection, batch).await?[inserted].last_insert_id;
    committed(connection, site.statements, id).await
}

/// Applies `edit` to a webhook's settings and keeps everything else in the record. If the edit returns nothing, nothing is written.
///
/// # Errors
/// The webhook does not exist, its record is corrupt, the edit returned nothing, or as [`create`].
pub async fn update(
    connection: &mut Connection,
    site: ChangeContext<'_>,
    id: u64,
    edit: impl FnOnce(WebhookSettings) -> Option<WebhookSettings>,
) -> Result<WebhookRow, ChangeError> {
    let known = SpacesAndCourses::read(connection, site.statements).await?;
    let before = lock(connection, site.statements, id).await?;
    let settings = edit(WebhookSettings::from(&Webhook::read(id, &before)?));
    let settings = settings.ok_or(ChangeError::Outdated)?;
    let value = existing(settings, &known).rewrite(id, &before)?;
    let now = site.local_now();
    let literals = [text(&value), Literal::Text(&now), id.into()];
    let mut batch = Batch::of(site.statements);
    batch.add(
        &site.statements.update_webhook,
        "update the webhook",
        &literals,
    );
    batch.commit("commit the webhook");
    commit(connection, batch).await?;
    committed(connection, site.statements, id).await
}

/// A webhook with its new key, and the time the old key expires.
pub struct Rotated {
    /// The webhook as it is now.
    pub row: WebhookRow,
    /// The old key is valid until then.
    pub old_key_valid_until: DateTime<Utc>,
}

/// Gives a webhook a new key. The old key stays valid for `grace`, and the expiry of earlier keys does not change. With no grace at all, no
/// key but the new one is valid any more: somebody else may know one of them.
///
/// # Errors
/// The webhook does not exist, or the database failed.
pub async fn rotate(
    connection: &mut Connection,
    site: ChangeContext<'_>,
    id: u64,
    grace: TimeDelta,
) -> Result<Rotated, ChangeError> {
    lock(connection, site.statements, id).await?;
    let before = rows::find(connection, site.statements, id).await?;
    let before = before.ok_or(ChangeError::Unknown(id))?;
    let (key, now): (SecretString, _) = (key::generate(), site.local_now());
    let until = site.now + grace;
    let mut batch = Batch::of(site.statements);
    if grace > TimeDelta::zero() {
        let (hash, until) = (key::hash(&before.meta_key), format(until.naive_utc()));
        let value = [id.into(), Literal::Text(&until)];
        let literals = [&[Literal::Bytes(&hash)][..], &value, &value].concat();
        batch.add(
            &site.statements.insert_old_key,
            "keep the old key",
            &literals,
        );
    } else {
        batch.add(
            &site.statements.delete_old_keys,
            "withdraw old keys",
            &[id.into()],
        );
    }
    let literals = [
        Literal::Text(key.expose_secret()),
        Literal::Text(&now),
        id.into(),
    ];
    batch.add(
        &site.statements.replace_webhook_key,
        "replace the key",
        &literals,
    );
    batch.commit("commit the new key");
    commit(connection, batch).await?;
    Ok(Rotated {
        row: committed(connection, site.statements, id).await?,
        old_key_valid_until: until,
    })
}

/// Deletes a webhook and its old keys.
///
/// # Errors
/// The webhook does not exist, or the database failed.
pub async fn delete(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<(), ChangeError> {
    let mut batch = Batch::begin(statements);
    let deleted = batch.add(
        &statements.delete_webhook,
        "delete the webhook",
        &[id.into()],
    );
    batch.add(
        &statements.delete_old_keys,
        "delete its old keys",
        &[id.into()],
    );
    batch.commit("commit the deletion");
    match commit(connection, batch).await?[deleted].affected {
        0 => Err(ChangeError::Unknown(id)),
        _ => Ok(()),
    }
}

/// Sends the last batch of a change, which ends with its commit.
async fn commit(connection: &mut Connection, batch: Batch) -> Result<Vec<Answer>, ChangeError> {
    let committed = batch.run(connection).await;
    committed.map_err(|error| {
        if error.may_follow_commit() {
            ChangeError::OutcomeUnknown(error)
        } else {
            error.into()
        }
    })
}

/// The webhook after a change, which has been committed.
async fn committed(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<WebhookRow, ChangeError> {
    let row = rows::find(connection, statements, id).await;
    let row = row.map_err(ChangeError::OutcomeUnknown)?;
    row.ok_or(ChangeError::Unknown(id))
}

/// Begins a transaction that locks the webhook against the tally and concurrent changes, and returns its value.
async fn lock(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<Vec<u8>, ChangeError> {
    let mut batch = Batch::begin(statements);
    let locked = batch.add(&statements.lock_webhook, "lock the webhook", &[id.into()]);
    let answers = batch.run(connection).await?;
    let row = answers[locked].rows.first();
    let row = row.ok_or(ChangeError::Unknown(id))?;
    let value: Option<Vec<u8>> = row.try_get(0).doing("read the webhook")?;
    Ok(value.unwrap_or_default())
}

fn existing(settings: WebhookSettings, known: &SpacesAndCourses) -> WebhookSettings {
    WebhookSettings {
        course_ids: known.existing(Kind::Course, &settings.course_ids),
        space_ids: known.existing(Kind::Space, &settings.space_ids),
        remove_course_ids: known.existing(Kind::Course, &settings.remove_course_ids),
        remove_space_ids: known.existing(Kind::Space, &settings.remove_space_ids),
        ..settings
    }
}

/// Valid UTF-8 is sent as text, so that a column that cannot store a character rejects it; a broken record is kept as
/// it is.
fn text(value: &[u8]) -> Literal<'_> {
    std::str::from_utf8(value).map_or(Literal::Bytes(value), Literal::Text)
}
