//! Whether a key opens a webhook, for who asks without calling it.

use sqlx::FromRow;

use super::WebhookKey;
use crate::db::{self, DatabaseError, Doing};
use crate::site::Site;

#[derive(FromRow)]
struct FoundKey {
    is_old: bool,
    secret: Vec<u8>,
}

/// Whether the key is a webhook's, or was replaced and is still valid.
///
/// # Errors
/// The statement failed.
pub async fn opens(site: &Site, key: &WebhookKey) -> Result<bool, DatabaseError> {
    let found = site.pool.work(async |connection| {
        let found = sqlx::query_as(site.statements.webhooks_of_key.sql())
            .bind(key.for_lookup())
            .bind(key.old_key_hash())
            .bind(site.clock.now().naive_utc())
            .fetch_all(connection)
            .await;
        db::found(found.doing("look for the webhook"))
    });
    let found: Vec<FoundKey> = found.await?;
    Ok(found
        .iter()
        .any(|one| one.is_old || key.matches(&one.secret)))
}
