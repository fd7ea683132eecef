//! What a call would do, for operators: the answer, the rows, the names and why, memberships, the welcome mail and hooks. The type has the
//! shape of the JSON in both the command line and the HTTP API.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::FromRow;
use utoipa::ToSchema;

use super::record::{RecordError, webhook_id};
use crate::config::Config;
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::memberships::{Change, ChangeKind, LeftOut, Reason, Wish};
use crate::fluentcommunity::webhooks;
use crate::mail::{MailOptions, Sender, Templates, Text, Welcome, compose};
use crate::provision::{
    Calls, Chosen, MailPlan, NamesOfNew, NoMail, ProvisionError, Rehearsal, WebhookCall,
    WebhookKey, rehearse,
};
use crate::site::Site;

/// Stands for the reset key in the text of the mail.
const NO_KEY: &str = "xxxxxxxxxxxxxxxxxxxx";

/// What a call would do. Nothing of it was kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trial {
    /// The HTTP status of the answer.
    pub status: u16,
    /// Its message.
    pub message: String,
    /// `created`, `found`, or why the call would be refused.
    pub outcome: &'static str,
    /// What happens; `None` if the call would be refused.
    pub effects: Option<Effects>,
}

/// What happens.
#[derive(Debug, Serialize, ToSchema)]
pub struct Effects {
    /// Row id in `fcom_meta`.
    pub webhook_id: u64,
    /// The webhook's title.
    pub webhook_title: String,
    /// The member. A new member's id will be higher if others come first.
    pub user_id: u64,
    /// The names of a new member; `None` for a known one, whose names stay as they are.
    pub names: Option<Names>,
    /// What becomes of the webhook's spaces and courses, changes first.
    pub memberships: Vec<MembershipEffect>,
    /// The welcome mail.
    pub welcome_mail: MailEffect,
    /// The hooks that PHP would fire, in its order; the ids of spaces and courses in parentheses.
    pub hooks: Vec<String>,
    /// By table, `inserted`, `updated` (`key`, and `changed`: by column the values before and after) and `deleted`. Keys and hashes of
    /// passwords are left out.
    #[schema(value_type = Value)]
    pub tables: Map<String, Value>,
    /// By table, the column that identifies a row.
    #[serde(skip)]
    pub keys: BTreeMap<String, String>,
    /// Columns that are written, and that the database account may not read.
    pub unread: Vec<String>,
}

/// The names of a new member.
#[derive(Debug, Serialize, ToSchema)]
pub struct Names {
    /// `user_login`.
    pub login: Name,
    /// `user_nicename`.
    pub nicename: Name,
    /// `username` of the community profile.
    pub username: Name,
    /// `user_email`.
    pub email: String,
    /// `display_name`.
    pub display_name: String,
}

/// A name, and the one that somebody else has.
#[derive(Debug, Serialize, ToSchema)]
pub struct Name {
    /// The name.
    pub name: String,
    /// It would be this one if nobody had it.
    pub taken: Option<String>,
}

/// What becomes of a membership.
#[derive(Debug, Serialize, ToSchema)]
pub struct MembershipEffect {
    /// Id in `fcom_spaces`.
    pub space_id: u64,
    /// `joined`, `reactivated`, `left` or `unchanged`.
    pub effect: &'static str,
    /// The role in what is joined.
    pub role: Option<String>,
    /// Why nothing changes: `already_active`, `not_active`, `course_module_off` or `does_not_exist`.
    pub reason: Option<&'static str>,
}

/// The welcome mail.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailEffect {
    /// `sidecar`, `wordpress` or `nobody`.
    pub sent_by: &'static str,
    /// Why there is none: `known_user`, `not_wanted` (by the webhook), `off` (by the operator) or `undeliverable`.
    pub reason: Option<&'static str>,
    /// Of a mail that the sidecar sends.
    pub subject: Option<String>,
    /// The same, with its link's key masked.
    pub body: Option<String>,
}

/// The webhook that a command calls.
pub struct Callee {
    /// Its site.
    pub site: Arc<Site>,
    /// Its number.
    pub id: u64,
    /// Its key.
    pub key: WebhookKey,
}

/// The number and the key of a webhook, which is named by its id or title; `None` if there is no such webhook.
///
/// # Errors
/// Several have this title, or a statement failed.
pub async fn webhook_key(
    connection: &mut Connection,
    statements: &Statements,
    webhook: &str,
) -> Result<Option<(u64, WebhookKey)>, RecordError> {
    let id = match webhook_id(connection, statements, webhook).await {
        Err(RecordError::UnknownWebhook) => return Ok(None),
        id => id?,
    };
    let row = webhooks::find(connection, statements, id).await?;
    let key = row.and_then(|row| WebhookKey::parse(&row.meta_key));
    Ok(key.map(|key| (id, key)))
}

/// What the text of mails is made of.
pub struct MailText {
    sender: Sender,
    templates: Templates,
}

impl MailText {
    /// From the configuration.
    ///
    /// # Errors
    /// An address or the operator's templates are invalid.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            sender: Sender::new(&config.mail, &config.wordpress)?,
            templates: Templates::read(config.mail.templates.as_deref())?,
        })
    }

    /// The text that a mail in the outbox would have if it left now, with its link's key masked; `None` if there is no such mail, its
    /// member was deleted, or there is no text, as of new members.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn of_mail(
        &self,
        site: &Site,
        id: u64,
    ) -> Result<Option<(String, String)>, DatabaseError> {
        let statements = &site.statements;
        let found = site.pool.work(async |connection| {
            sqlx::query_as(statements.mail_recipient.sql())
                .bind(id)
                .fetch_optional(connection)
                .await
                .doing("read whom a mail greets")
        });
        let found: Option<Recipient> = found.await?;
        let Some(recipient) = found else {
            return Ok(None);
        };
        let text = self.to(site, &recipient).await?;
        Ok(text.map(|text| (text.subject, text.body)))
    }

    /// The text that a new member would get; `None` where the release is unknown or a template fails.
    async fn of(
        &self,
        site: &Site,
        names: &NamesOfNew,
        https: bool,
    ) -> Result<Option<Text>, DatabaseError> {
        let recipient = Recipient {
            https,
            user_login: names.login.name.clone(),
            display_name: names.display_name.clone(),
            locale: None,
        };
        self.to(site, &recipient).await
    }

    async fn to(&self, site: &Site, recipient: &Recipient) -> Result<Option<Text>, DatabaseError> {
        let (statements, prefix) = (&site.statements, site.tables.prefix());
        let options = site
            .pool
            .work(async |connection| MailOptions::load(connection, statements, prefix).await);
        let mut options = options.await?;
        self.sender.overlay(&mut options);
        let Some(version) = site.version.version(&options.site) else {
            return Ok(None);
        };
        let welcome = Welcome {
            version,
            options: &options,
            login: &recipient.user_login,
            display_name: &recipient.display_name,
            locale: recipient.locale.as_deref().filter(|one| !one.is_empty()),
            key: &SecretString::from(NO_KEY),
            https: recipient.https || self.sender.https_links,
        };
        Ok(compose(&welcome, &site.catalogues, &self.templates).ok())
    }
}

/// Whom a mail greets.
#[derive(FromRow)]
struct Recipient {
    https: bool,
    user_login: String,
    display_name: String,
    locale: Option<String>,
}

/// Why a call could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Neither the call nor the site's data is at fault.
    #[error("the call could not be tried now")]
    Unavailable(#[source] ProvisionError),
    /// The options that the mail is made from could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Trial {
    /// Carries the call out and rolls it back. `answer` knows the status and the message of the answer.
    ///
    /// # Errors
    /// See [`TrialError`]; a call that would be refused is none.
    pub async fn of(
        calls: &Arc<Calls>,
        call: WebhookCall,
        answer: impl Fn(&Result<Rehearsal, ProvisionError>) -> (u16, String),
        mail: &MailText,
    ) -> Result<Self, TrialError> {
        let rehearsed = rehearse(Arc::clone(calls), call).await;
        let (status, message) = answer(&rehearsed);
        let (outcome, effects) = match rehearsed {
            Ok(rehearsal) => {
                let effects = Effects::of(&rehearsal, &calls.site, mail).await?;
                (rehearsal.executed.outcome(), Some(effects))
            }
            Err(error) if error.is_unavailable() => return Err(TrialError::Unavailable(error)),
            Err(error) => (error.outcome(), None),
        };
        Ok(Self {
            status,
            message,
            outcome: outcome.word(),
            effects,
        })
    }
}

impl Effects {
    async fn of(
        rehearsal: &Rehearsal,
        site: &Site,
        mail: &MailText,
    ) -> Result<Self, DatabaseError> {
        let executed = &rehearsal.executed;
        let names = rehearsal.names.as_ref();
        let text = match (rehearsal.welcome_mail, names) {
            (MailPlan::Outbox, Some(names)) => mail.of(site, names, rehearsal.https).await?,
            _ => None,
        };
        let changes = rehearsal.changes.iter().map(changed);
        Ok(Self {
            webhook_id: executed.webhook_id,
            webhook_title: rehearsal.title.clone(),
            user_id: executed.user_id,
            names: names.map(|names| Names {
                login: name(&names.login),
                nicename: name(&names.nicename),
                username: name(&names.username),
                email: names.email.clone(),
                display_name: names.display_name.clone(),
            }),
            memberships: changes
                .chain(rehearsal.left_out.iter().map(unchanged))
                .collect(),
            welcome_mail: mail_effect(rehearsal.welcome_mail, text),
            hooks: rehearsal.hooks.clone(),
            tables: rehearsal.rows.tables.clone(),
            keys: rehearsal.rows.keys.clone(),
            unread: rehearsal.rows.unread.clone(),
        })
    }
}

fn name(chosen: &Chosen) -> Name {
    Name {
        name: chosen.name.clone(),
        taken: chosen.taken.clone(),
    }
}

fn changed(change: &Change) -> MembershipEffect {
    let (effect, role) = match &change.kind {
        ChangeKind::Joined {
            role,
            reactivated: None,
            ..
        } => ("joined", Some(role.clone())),
        ChangeKind::Joined { role, .. } => ("reactivated", Some(role.clone())),
        ChangeKind::Left { .. } => ("left", None),
    };
    MembershipEffect {
        space_id: change.space_id,
        effect,
        role,
        reason: None,
    }
}

fn unchanged(left_out: &LeftOut) -> MembershipEffect {
    let reason = match (left_out.reason, left_out.wish) {
        (Reason::AlreadyActive, _) => "already_active",
        (Reason::NotActive, _) => "not_active",
        (Reason::CourseModuleOff, _) => "course_module_off",
        (Reason::DoesNotExist, Wish::Join | Wish::Leave) => "does_not_exist",
    };
    MembershipEffect {
        space_id: left_out.space_id,
        effect: "unchanged",
        role: None,
        reason: Some(reason),
    }
}

fn mail_effect(plan: MailPlan, text: Option<Text>) -> MailEffect {
    let (sent_by, reason) = match plan {
        MailPlan::Outbox => ("sidecar", None),
        MailPlan::ScheduledAction | MailPlan::Event => ("wordpress", None),
        MailPlan::None(NoMail::KnownUser) => ("nobody", Some("known_user")),
        MailPlan::None(NoMail::NotWanted) => ("nobody", Some("not_wanted")),
        MailPlan::None(NoMail::Off) => ("nobody", Some("off")),
        MailPlan::None(NoMail::Undeliverable) => ("nobody", Some("undeliverable")),
    };
    let (subject, body) = text.map(|text| (text.subject, text.body)).unzip();
    MailEffect {
        sent_by,
        reason,
        subject,
        body,
    }
}
