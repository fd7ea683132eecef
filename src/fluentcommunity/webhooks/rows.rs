//! Reads webhook records as rows, and the site data needed to show and write them.

use sqlx::FromRow;

use super::portal::PortalOptions;
use super::{Portal, PortalOverrides};
use crate::db::{self, Connection, DatabaseError, Doing, Statements, TableNames};
use crate::fluentcommunity::features::course_module_is_on;
use crate::wordpress::options::{OptionRow, SiteOptions};

/// A webhook: a row of `{prefix}fcom_meta`. No `Debug`: it holds the key.
#[derive(Clone, FromRow)]
pub struct WebhookRow {
    /// The webhook's id.
    pub id: u64,
    /// `webhook`.
    pub object_type: String,
    /// The plugin never writes it.
    pub object_id: Option<i64>,
    /// The key.
    pub meta_key: Vec<u8>,
    /// The serialised record.
    pub value: Option<Vec<u8>>,
    /// Site-local time.
    pub created_at: Option<String>,
    /// Site-local time.
    pub updated_at: Option<String>,
}

/// All webhooks ordered by id. With `search`, only those whose key or serialised record contains the text.
///
/// # Errors
/// The statement failed.
pub async fn list(
    connection: &mut Connection,
    statements: &Statements,
    search: &str,
) -> Result<Vec<WebhookRow>, DatabaseError> {
    let mut pattern = String::from("%");
    for character in search.chars() {
        // The plugin does not escape wildcards, so there "_" finds everything.
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    let rows = sqlx::query_as(statements.list_webhooks.sql());
    let rows = rows.bind(&pattern).bind(&pattern);
    db::found(rows.fetch_all(connection).await.doing("list the webhooks"))
}

/// The webhook with this id.
///
/// # Errors
/// The statement failed.
pub async fn find(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> Result<Option<WebhookRow>, DatabaseError> {
    let row = sqlx::query_as(statements.show_webhook.sql()).bind(id);
    row.fetch_optional(connection)
        .await
        .doing("read the webhook")
}

/// The site data that webhooks need.
pub struct Environment {
    /// The time zone and the roles.
    pub options: SiteOptions,
    /// The portal that webhook callers use.
    pub portal: Portal,
    /// Whether courses are enabled.
    pub course_module: bool,
}

impl Environment {
    /// Reads the site's current options and applies the overrides from `wp-config.php`.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn read(
        connection: &mut Connection,
        statements: &Statements,
        tables: &TableNames,
        overrides: &PortalOverrides,
    ) -> Result<Self, DatabaseError> {
        let rows: Vec<OptionRow> = sqlx::query_as(statements.webhook_environment.sql())
            .fetch_all(connection)
            .await
            .doing("read the site's options")?;
        let (mut portal, mut features) = (PortalOptions::default(), None);
        let options = SiteOptions::read(tables.prefix(), rows, |name, value| match name {
            b"home" => portal.home = value,
            b"siteurl" => portal.site_url = value,
            b"fluent_community_settings" => portal.settings = value,
            b"fluent_community_features" => features = Some(value),
            _ => {}
        });
        Ok(Self {
            options,
            portal: Portal::new(overrides, &portal),
            course_module: course_module_is_on(features.as_deref()),
        })
    }
}
