//! Keeps replaced keys while they are still valid. Has no counterpart in PHP: the plugin does not know these keys.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::key;
use crate::db::{Connection, DatabaseError, Doing, Statements};

/// The hash under which a replaced key is stored.
pub fn hash(key: &[u8]) -> [u8; 32] {
    key::hash(key)
}

#[derive(FromRow)]
struct KeyRow {
    is_hash: bool,
    secret: Vec<u8>,
    webhook_id: u64,
}

/// The hashes of all keys that open a webhook, with its id: replaced ones that are still valid, and current ones.
///
/// # Errors
/// The statement failed.
pub async fn all_valid(
    connection: &mut Connection,
    statements: &Statements,
    now: DateTime<Utc>,
) -> Result<HashMap<[u8; 32], u64>, DatabaseError> {
    let rows = sqlx::query_as(statements.webhook_keys.sql()).bind(now.naive_utc());
    let rows: Vec<KeyRow> = rows.fetch_all(connection).await.doing("read all keys")?;
    let of_row = |row: KeyRow| {
        let hash = if row.is_hash {
            row.secret.try_into().ok()
        } else {
            Some(hash(&row.secret))
        };
        Some((hash?, row.webhook_id))
    };
    Ok(rows.into_iter().filter_map(of_row).collect())
}

/// Deletes some expired keys; returns how many.
///
/// # Errors
/// The statement failed.
pub async fn prune(
    connection: &mut Connection,
    statements: &Statements,
    now: DateTime<Utc>,
) -> Result<u64, DatabaseError> {
    let pruned = sqlx::query(statements.prune_old_keys.sql()).bind(now.naive_utc());
    let pruned = pruned.execute(connection).await;
    Ok(pruned.doing("forget old keys")?.rows_affected())
}
