//! Which webhook a key opens, if any: for who asks without calling it, and before a call is read with a source.

use sqlx::FromRow;

use super::WebhookKey;
use crate::db::{self, DatabaseError, Doing};
use crate::site::Site;

#[derive(FromRow)]
struct FoundKey {
    is_old: bool,
    id: u64,
    secret: Vec<u8>,
}

/// Whether the key is a webhook's, or was replaced and is still valid.
///
/// # Errors
/// The statement failed.
pub async fn opens(site: &Site, key: &WebhookKey) -> Result<bool, DatabaseError> {
    Ok(webhook_of(site, key).await?.is_some())
}

/// The webhook that a call with this key is for.
///
/// # Errors
/// The statement failed.
pub async fn webhook_of(site: &Site, key: &WebhookKey) -> Result<Option<u64>, DatabaseError> {
    let mut found = alike(site, key).await?;
    found.retain(|one| one.is_old || key.matches(&one.secret));
    // As for a call: the webhook that has the key now, and of several the first.
    let first = found.into_iter().min_by_key(|one| (one.is_old, one.id));
    Ok(first.map(|one| one.id))
}

/// Whether PHP would find a webhook by the key: it leaves the comparison to the collation, which ignores case and trailing spaces.
pub(super) async fn opens_in_php(site: &Site, key: &WebhookKey) -> Result<bool, DatabaseError> {
    Ok(!alike(site, key).await?.is_empty())
}

async fn alike(site: &Site, key: &WebhookKey) -> Result<Vec<FoundKey>, DatabaseError> {
    let found = site.pool.work(async |connection| {
        let found = sqlx::query_as(site.statements.webhooks_of_key.sql())
            .bind(key.for_lookup())
            .bind(key.old_key_hash())
            .bind(site.clock.now().naive_utc())
            .fetch_all(connection)
            .await;
        db::found(found.doing("look for the webhook"))
    });
    found.await
}
