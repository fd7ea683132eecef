//! Facts about a call, loaded from the database before anything is decided.

use std::time::Instant;

use sqlx::FromRow;

use super::counting::Record;
use super::runs::EarlierRun;
use super::signed_calls;
use super::{Email, ProvisionError, WebhookCall, WebhookKey};
use crate::db::{self, Connection, DatabaseError, Doing, TableNames};
use crate::fluentcommunity::features::course_module_is_on;
use crate::fluentcommunity::webhook::Webhook;
use crate::site::Site;
use crate::wordpress::blog::Blog;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::sanitize::Rules;

/// Stands for a missing address in the query: no user has it, while many users may have an empty one.
const NO_ADDRESS: &str = "-";

/// The rows that are relevant to one call.
pub(super) struct Facts {
    pub(super) webhook: Webhook,
    /// The webhook as it is stored.
    pub(super) record: Record,
    pub(super) course_module: bool,
    pub(super) options: SiteOptions,
    /// The site, if it belongs to a network.
    pub(super) blog: Option<Blog>,
    /// The user with this address.
    pub(super) user: Option<FoundUser>,
    /// The run of an earlier call of this webhook with the same idempotency key.
    pub(super) earlier: Option<EarlierRun>,
    /// An earlier signed call of this webhook with the same `webhook-id`.
    pub(super) earlier_signed: Option<EarlierRun>,
}

/// A user, as found without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundUser {
    /// `ID` in the users table.
    pub(super) id: u64,
    /// Whether there is a community profile.
    pub(super) has_profile: bool,
}

const WEBHOOK: &str = "webhook";
const WEBHOOK_OF_OLD_KEY: &str = "webhook of old key";

#[derive(FromRow)]
struct FactRow {
    kind: String,
    id: u64,
    name: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl FactRow {
    fn name(&self) -> &[u8] {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Facts {
    /// Loads everything in one round trip; one more for a signed call, and for a key that was replaced or is none.
    /// Without an address, only the webhook matters. `looks_for_run`: whether to look for an earlier run with the call's idempotency key.
    pub(super) async fn load(
        connection: &mut Connection,
        site: &Site,
        call: &WebhookCall,
        looks_for_run: bool,
    ) -> Result<Self, ProvisionError> {
        let forms = call.email.as_ref().ok();
        let forms = forms.map_or_else(|| vec![NO_ADDRESS.to_owned()], Email::forms);
        let asked_at = Instant::now();
        // A key that the column cannot hold is no webhook's.
        let mut rows = db::found(ask(connection, site, call, &forms, looks_for_run).await)?;
        let is_found = |row: &FactRow| row.kind == WEBHOOK && call.key.matches(row.name());
        if !rows.iter().any(is_found) {
            rows.extend(by_old_key(connection, site, call).await?);
        }
        let mut facts = Self::read(rows, asked_at, &site.tables, &call.key, &forms)?;
        if let Some(signed) = call.signed_for(&facts.webhook) {
            let id = facts.webhook.id;
            let earlier = signed_calls::earlier(connection, &site.statements, signed, id);
            facts.earlier_signed = earlier.await?;
        }
        Ok(facts)
    }

    fn read(
        rows: Vec<FactRow>,
        asked_at: Instant,
        tables: &TableNames,
        key: &WebhookKey,
        forms: &[String],
    ) -> Result<Self, ProvisionError> {
        let (mut webhook, mut features, mut users) = (None, None, Vec::new());
        let (mut webhook_of_old_key, mut blog, mut earlier) = (None, None, Vec::new());
        let mut options = SiteOptions::default();
        for FactRow {
            kind,
            id,
            name,
            value,
        } in rows
        {
            let (name, value) = (name.unwrap_or_default(), value.unwrap_or_default());
            match kind.as_str() {
                WEBHOOK if webhook.is_none() && key.matches(&name) => webhook = Some((id, value)),
                WEBHOOK_OF_OLD_KEY => webhook_of_old_key = Some((id, value)),
                "features" if features.is_none() => features = Some(value),
                "option" => options.take(tables.prefix(), &name, value),
                "blog" => blog = Some(Blog::read(&name, &value)),
                "run" => earlier.extend(EarlierRun::read(id, name, &value)),
                "user" => {
                    let has_profile = !value.is_empty();
                    users.push((FoundUser { id, has_profile }, name));
                }
                _ => {}
            }
        }
        let (id, value) = webhook
            .or(webhook_of_old_key)
            .ok_or(ProvisionError::UnknownWebhook)?;
        Ok(Self {
            webhook: Webhook::read(id, &value)?,
            record: Record { value, asked_at },
            course_module: course_module_is_on(features.as_deref()),
            options,
            blog,
            user: user_of(&users, forms),
            earlier: earlier
                .into_iter()
                .find(|run| run.executed.webhook_id == id),
            earlier_signed: None,
        })
    }
}

async fn ask(
    connection: &mut Connection,
    site: &Site,
    call: &WebhookCall,
    forms: &[String],
    looks_for_run: bool,
) -> Result<Vec<FactRow>, DatabaseError> {
    let statements = &site.statements;
    let last = forms.last().into_iter().cycle();
    let three_forms = forms.iter().chain(last).take(3);
    let idempotency = call.idempotency.as_ref().filter(|_| looks_for_run);
    let sql = match idempotency {
        Some(_) => statements.facts.with(&statements.earlier_runs),
        None => statements.facts.sql(),
    };
    let query = sqlx::query_as(sql).bind(call.key.for_lookup());
    let query = three_forms.fold(query, |query, form| query.bind(form.as_str()));
    let query = match idempotency {
        Some(idempotency) => query.bind(&idempotency.key[..]),
        None => query,
    };
    let rows = query.fetch_all(connection).await;
    let mut rows: Vec<FactRow> = rows.doing("read the webhook, the options and the user")?;
    // PHP takes the first row it gets, in practice the one with the lowest id.
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

async fn by_old_key(
    connection: &mut Connection,
    site: &Site,
    call: &WebhookCall,
) -> Result<Option<FactRow>, DatabaseError> {
    let found: Option<(u64, Option<Vec<u8>>)> =
        sqlx::query_as(site.statements.webhook_of_old_key.sql())
            .bind(call.key.old_key_hash())
            .bind(site.clock.now().naive_utc())
            .fetch_optional(connection)
            .await
            .doing("look for the webhook of a replaced key")?;
    Ok(found.map(|(id, value)| FactRow {
        kind: WEBHOOK_OF_OLD_KEY.to_owned(),
        id,
        name: None,
        value,
    }))
}

impl Facts {
    /// How the site currently sanitises texts.
    pub(super) fn rules(&self, site: &Site) -> Result<Rules<'_>, ProvisionError> {
        let version = site.version.version(&self.options);
        Ok(Rules {
            locale: self.options.locale(),
            version: version.ok_or(ProvisionError::UnknownVersion)?,
            multisite: site.tables.is_network(),
        })
    }
}

/// The user with the address as given; other forms count only if no user has that one. The collation has already
/// decided that each address equals some form; which form is decided here, comparing ASCII as MySQL does.
fn user_of(users: &[(FoundUser, Vec<u8>)], forms: &[String]) -> Option<FoundUser> {
    let of_form = |form: &String| {
        users
            .iter()
            .find(|(_, email)| email.eq_ignore_ascii_case(form.as_bytes()))
    };
    forms
        .iter()
        .find_map(of_form)
        .or(users.first())
        .map(|&(user, _)| user)
}
