//! Facts about a call, loaded from the database before anything is decided.

use sqlx::FromRow;

use super::names::Taken;
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
    pub(super) course_module: bool,
    pub(super) options: SiteOptions,
    /// The site, if it belongs to a network.
    pub(super) blog: Option<Blog>,
    /// The user with this address.
    pub(super) user_id: Option<u64>,
    /// What is known about a new user's possible names.
    pub(super) taken: Taken,
    /// The run of an earlier call of this webhook with the same idempotency key.
    pub(super) earlier: Option<EarlierRun>,
    /// An earlier signed call of this webhook with the same `webhook-id`.
    pub(super) earlier_signed: Option<EarlierRun>,
}

#[derive(FromRow)]
struct FactRow {
    kind: String,
    id: u64,
    name: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Facts {
    /// Loads everything in one round trip, or two for a signed call. Without an address, only the webhook matters. `names`
    /// are those that a new user would probably get.
    pub(super) async fn load(
        connection: &mut Connection,
        site: &Site,
        call: &WebhookCall,
        names: &[String],
    ) -> Result<Self, ProvisionError> {
        let mut facts = Self::load_unsigned(connection, site, call, names).await?;
        if let Some(signed) = call.signed_for(&facts.webhook) {
            let id = facts.webhook.id;
            let earlier = signed_calls::earlier(connection, &site.statements, signed, id);
            facts.earlier_signed = earlier.await?;
        }
        Ok(facts)
    }

    async fn load_unsigned(
        connection: &mut Connection,
        site: &Site,
        call: &WebhookCall,
        names: &[String],
    ) -> Result<Self, ProvisionError> {
        let forms = call.email.as_ref().ok();
        let forms = forms.map_or_else(|| vec![NO_ADDRESS.to_owned()], Email::forms);
        let read = |rows, names| Self::read(rows, &site.tables, &call.key, &forms, names);
        match ask(connection, site, call, &forms, names).await {
            Ok(rows) => read(rows, names),
            Err(error) if error.is_unstorable() => {
                // It is the key, which then no webhook has, or one of the names.
                let rows = ask(connection, site, call, &forms, &[]).await;
                read(db::found(rows)?, &[])?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read(
        rows: Vec<FactRow>,
        tables: &TableNames,
        key: &WebhookKey,
        forms: &[String],
        names: &[String],
    ) -> Result<Self, ProvisionError> {
        let mut taken = Taken::default();
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
                "webhook" if webhook.is_none() && key.matches(&name) => webhook = Some((id, value)),
                "webhook of old key" => webhook_of_old_key = Some((id, value)),
                "features" if features.is_none() => features = Some(value),
                "option" => options.take(tables.prefix(), &name, value),
                "blog" => blog = Some(Blog::read(&name, &value)),
                "taken" => taken = Taken::read(names, &String::from_utf8_lossy(&value)),
                "run" => earlier.extend(EarlierRun::read(id, name, &value)),
                "user" => users.push((id, name)),
                _ => {}
            }
        }
        let (id, value) = webhook
            .or(webhook_of_old_key)
            .ok_or(ProvisionError::UnknownWebhook)?;
        Ok(Self {
            webhook: Webhook::read(id, &value)?,
            course_module: course_module_is_on(features.as_deref()),
            options,
            blog,
            user_id: user_of(&users, forms),
            taken,
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
    names: &[String],
) -> Result<Vec<FactRow>, DatabaseError> {
    let last = forms.last().into_iter().cycle();
    let three_forms: Vec<&String> = forms.iter().chain(last).take(3).collect();
    // There is always a name to look up, so that the statement has one shape.
    let unnamed = [String::new()];
    let asked = if names.is_empty() { &unnamed } else { names };
    let mut query = sqlx::query_as(site.statements.facts.repeated(asked.len()));
    query = query.bind(call.key.for_lookup());
    query = query.bind(call.key.old_key_hash());
    query = query.bind(site.clock.now().naive_utc());
    query = three_forms
        .iter()
        .fold(query, |query, form| query.bind(*form));
    let idempotency = call.idempotency.as_ref();
    query = query.bind(idempotency.map(|idempotency| &idempotency.key[..]));
    for name in asked {
        query = query.bind(name).bind(name).bind(name).bind(name);
    }
    query = three_forms
        .iter()
        .fold(query, |query, form| query.bind(*form));
    let mut rows: Vec<FactRow> = query
        .fetch_all(connection)
        .await
        .doing("read the webhook, the options and the user")?;
    // PHP takes the first row it gets, in practice the one with the lowest id.
    rows.sort_by_key(|row| row.id);
    Ok(rows)
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
fn user_of(users: &[(u64, Vec<u8>)], forms: &[String]) -> Option<u64> {
    let of_form = |form: &String| {
        users
            .iter()
            .find(|(_, email)| email.eq_ignore_ascii_case(form.as_bytes()))
    };
    forms
        .iter()
        .find_map(of_form)
        .or(users.first())
        .map(|&(id, _)| id)
}
