//! Carries refused calls out whose fields were kept, each once. The types have the shape of the JSON in both the command line and the HTTP
//! API.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::record::webhook_id;
use super::trial::{MailText, Trial, TrialError};
use crate::config::Config;
use crate::db::{Connection, DatabaseError, Statements};
use crate::fluentcommunity::webhooks;
use crate::outcome::Outcome;
use crate::provision::{
    self, Calls, Executed, IfKept, KeptRow, Protection, ProvisionError, Recalled, SourceRead,
    Waiting, WebhookKey,
};

/// A refused call that was carried out, or refused once more.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retried {
    /// The refused call.
    pub id: u64,
    /// The HTTP status that its sender would get now.
    pub status: u16,
    /// The message with it.
    pub message: String,
    /// `created`, `found`, `repeated` if it had been executed before, or why it is refused again.
    pub outcome: &'static str,
    /// The run that it was executed as; `None` if it was refused again, or if the record of the run is gone.
    pub run_id: Option<u64>,
    /// The member; `None` as well if an earlier retry had made it a member.
    pub user_id: Option<u64>,
    /// Whether the new member has a generated password because the call's own was not kept.
    pub password_generated: bool,
}

impl Retried {
    /// Whether it had been executed before: this retry did nothing.
    pub fn was_executed_before(&self) -> bool {
        self.outcome == Outcome::Repeated.word()
    }

    /// Whether the call is executed by now.
    pub fn is_executed(&self) -> bool {
        self.status == 200 && self.outcome != Outcome::Ignored.word()
    }
}

/// Why a refused call cannot be retried.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// No refused call has this number.
    #[error("there is no refused call {0}: they are kept for refused.retention_days")]
    NoSuchCall(u64),
    /// No fields are kept.
    #[error(
        "refused.keep_fields_hours is 0: no fields of refused calls are kept, so that none can be retried"
    )]
    Off,
    /// Not those of this call.
    #[error(
        "the fields of call {0} are not kept: its reason was not one that passes, its address was not valid, \
         refused.keep_fields_hours was 0 when it came, or these hours are over. Its sender has to send it again"
    )]
    NotKept(u64),
    /// They were encrypted with another key.
    #[error(
        "the fields of call {0} were encrypted with another key than the one in refused.key_file: put the key of that time back, \
         or let its sender send it again"
    )]
    OtherKey(u64),
    /// They were changed.
    #[error(
        "what was kept of call {0} cannot be used: the fields were changed, or belong to another call"
    )]
    NotOpened(u64),
    /// Its webhook has got a source since.
    #[error(
        "call {0} came before its webhook had a [source]: nobody has asked whether it is the sender's. Let its sender send it again"
    )]
    OtherSource(u64),
    /// It has a name, which is no longer remembered.
    #[error(
        "call {0} has an Idempotency-Key or a signature, and came longer ago than runs.idempotency_hours: nobody can say any more \
         whether its sender has sent it again. See \"fcom-sidecar find\", and let its sender send it again"
    )]
    Forgotten(u64),
    /// A retry would do nothing.
    #[error("call {0} has been executed before: a retry does nothing")]
    Executed(u64),
    /// The webhook was deleted.
    #[error("the webhook of call {0} was deleted")]
    NoWebhook(u64),
    /// The database or other calls are in the way.
    #[error("call {0} could not be carried out now: retry it later, it is executed once")]
    Unavailable(u64, #[source] ProvisionError),
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What retries need.
pub struct Retries {
    /// Carries calls out.
    pub calls: Arc<Calls>,
    /// How fields are kept.
    pub keeping: IfKept,
    /// How long the names of executed calls are remembered.
    pub remembered: TimeDelta,
    /// What webhooks require of callers: a call that did not meet it when it came is not executed.
    pub protections: Arc<[Protection]>,
    /// What sources say: a call that came before there was one has not been asked for its sender's signature.
    pub sources: Vec<SourceRead>,
}

/// The refused calls whose fields are kept and that were not executed, the oldest first: of this webhook, which is named by its id or title,
/// or refused for this reason.
///
/// # Errors
/// There is no such webhook or no such reason, or a statement failed.
pub async fn retriable(
    connection: &mut Connection,
    statements: &Statements,
    webhook: Option<&str>,
    outcome: Option<&str>,
) -> anyhow::Result<Vec<u64>> {
    let is_known = |word| Outcome::ALL.iter().any(|outcome| outcome.word() == word);
    anyhow::ensure!(
        outcome.is_none_or(is_known),
        "no call is refused for \"{}\": \"fcom-sidecar refused list\" shows the words",
        outcome.unwrap_or_default()
    );
    let webhook = match webhook {
        Some(webhook) => Some(webhook_id(connection, statements, webhook).await?),
        None => None,
    };
    let is_meant = |one: &Waiting| {
        let is_of_webhook = webhook.is_none_or(|id| one.webhook_id == Some(id));
        is_of_webhook && outcome.is_none_or(|word| one.outcome == word)
    };
    let (mut ids, mut after) = (Vec::new(), 0);
    loop {
        let some = provision::waiting(connection, statements, after).await?;
        let Some(last) = some.last() else {
            return Ok(ids);
        };
        after = last.refused_id;
        ids.extend(
            some.iter()
                .filter(|one| is_meant(one))
                .map(|one| one.refused_id),
        );
    }
}

/// What there is of a refused call.
enum Found {
    /// It was executed, as this run.
    Executed(u64),
    /// It can be carried out.
    Kept(Box<Recalled>, WebhookKey, Option<SourceRead>),
}

impl Retries {
    /// For a command.
    pub fn of_command(calls: Arc<Calls>, keeping: IfKept, config: &Config) -> Self {
        Self {
            calls,
            keeping,
            remembered: TimeDelta::hours(config.runs.idempotency_hours.into()),
            protections: config.protections.iter().map(Protection::from).collect(),
            sources: config
                .sources
                .iter()
                .map(|one| SourceRead::of(one))
                .collect(),
        }
    }

    /// Carries a refused call out, unless it has been executed by now. `answer` knows the status and the message of the answer.
    ///
    /// # Errors
    /// See [`RetryError`]; a call that is refused again is none.
    pub async fn retry(
        &self,
        id: u64,
        answer: impl Fn(&Result<Executed, ProvisionError>) -> (u16, String),
    ) -> Result<Retried, RetryError> {
        let (recalled, key, source) = match self.find(id).await? {
            Found::Kept(recalled, key, source) => (recalled, key, source),
            Found::Executed(run_id) => return Ok(executed_before(id, run_id)),
        };
        let lacks_password = recalled.password_left_out;
        let now = self.calls.site.clock.now();
        let call = recalled.call(key, id, Arc::clone(&self.protections), now);
        let call = call.heeding(source);
        let ended = provision::provision(Arc::clone(&self.calls), call, ()).await;
        let (status, message) = answer(&ended);
        match ended {
            Ok(executed) => Ok(Retried {
                id,
                status,
                message,
                outcome: executed.outcome().word(),
                run_id: self.run_of(id, &executed).await?,
                user_id: Some(executed.user_id),
                password_generated: lacks_password && executed.created && !executed.replayed,
            }),
            Err(error) if error.is_unavailable() => Err(RetryError::Unavailable(id, error)),
            Err(error) => Ok(Retried {
                id,
                status,
                message,
                outcome: error.outcome().word(),
                run_id: None,
                user_id: None,
                password_generated: false,
            }),
        }
    }

    /// What a retry would do.
    ///
    /// # Errors
    /// See [`RetryError`].
    pub async fn rehearse(
        &self,
        id: u64,
        answer: impl Fn(&Result<provision::Rehearsal, ProvisionError>) -> (u16, String),
        mail: &MailText,
    ) -> Result<Trial, RetryError> {
        let (recalled, key, source) = match self.find(id).await? {
            Found::Kept(recalled, key, source) => (recalled, key, source),
            Found::Executed(_) => return Err(RetryError::Executed(id)),
        };
        let call = recalled.trial(key, Arc::clone(&self.protections));
        let call = call.heeding(source);
        match Trial::of(&self.calls, call, answer, mail).await {
            Ok(trial) => Ok(trial),
            Err(TrialError::Unavailable(error)) => Err(RetryError::Unavailable(id, error)),
            Err(TrialError::Database(error)) => Err(error.into()),
        }
    }

    async fn find(&self, id: u64) -> Result<Found, RetryError> {
        let pool = &self.calls.site.pool;
        // What is wrong with the call is no failure of the database work, so it is passed through as a result.
        let found = pool.work(
            async |connection| match self.find_with(connection, id).await {
                Err(RetryError::Database(error)) => Err(error),
                found => Ok(found),
            },
        );
        found.await?
    }

    async fn find_with(&self, connection: &mut Connection, id: u64) -> Result<Found, RetryError> {
        let site = &self.calls.site;
        let statements = &site.statements;
        let row = KeptRow::of(connection, statements, id).await?;
        let row = row.ok_or(RetryError::NoSuchCall(id))?;
        if let Some(run_id) = row.run_id {
            return Ok(Found::Executed(run_id));
        }
        let keeping = self.keeping.as_ref().ok_or(RetryError::Off)?;
        let (now, came_at) = (site.clock.now(), row.came_at());
        let kept = row.kept().filter(|_| now < came_at + keeping.time);
        let (webhook_id, key_id) = kept.ok_or(RetryError::NotKept(id))?;
        if key_id != keeping.key.id() {
            return Err(RetryError::OtherKey(id));
        }
        let recalled = row.open(&keeping.key, id);
        let recalled = recalled.map_err(|_| RetryError::NotOpened(id))?;
        let mut sources = self.sources.iter();
        let source = sources.find(|source| source.webhook_id == webhook_id);
        if source.is_some() && recalled.source_of != Some(webhook_id) {
            return Err(RetryError::OtherSource(id));
        }
        let call_id = recalled.call_id();
        if let Some(run_id) = KeptRow::run_of_call(connection, statements, &call_id).await? {
            KeptRow::mark(connection, statements, id, run_id).await?;
            return Ok(Found::Executed(run_id));
        }
        let until = recalled.is_remembered_until(came_at, self.remembered);
        if until.is_some_and(|until| until <= now) {
            return Err(RetryError::Forgotten(id));
        }
        let webhook = webhooks::find(connection, statements, webhook_id).await?;
        let key = webhook.and_then(|webhook| WebhookKey::parse(&webhook.meta_key));
        let key = key.ok_or(RetryError::NoWebhook(id))?;
        Ok(Found::Kept(Box::new(recalled), key, source.cloned()))
    }

    /// The run of an executed retry. The call's own transaction has noted it, unless the call had been executed before.
    async fn run_of(&self, id: u64, executed: &Executed) -> Result<Option<u64>, DatabaseError> {
        let site = &self.calls.site;
        let run = site.pool.work(async |connection| {
            let row = KeptRow::of(connection, &site.statements, id).await?;
            match row.and_then(|row| row.run_id) {
                Some(run_id) => Ok(Some(run_id)),
                None => KeptRow::done_before(connection, &site.statements, id, executed).await,
            }
        });
        Ok(run.await?.filter(|run_id| *run_id > 0))
    }
}

fn executed_before(id: u64, run_id: u64) -> Retried {
    Retried {
        id,
        status: 200,
        message: "The call has been executed before; nothing was done".to_owned(),
        outcome: Outcome::Repeated.word(),
        run_id: Some(run_id).filter(|run_id| *run_id > 0),
        user_id: None,
        password_generated: false,
    }
}
