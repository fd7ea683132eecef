//! Keys that were replaced, as long as they are still valid. Mirrors nothing in PHP: to the plugin they are unknown.

use chrono::{DateTime, Utc};

use super::key;
use crate::db::{Connection, DatabaseError, Doing, Statements};

/// By what a key is found among those that were replaced.
pub fn hash(key: &[u8]) -> [u8; 32] {
    key::hash(key)
}

/// Forgets some keys that are no longer valid; returns how many.
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
