//! Keeps replaced keys while they are still valid. Has no counterpart in PHP: the plugin does not know these keys.

use chrono::{DateTime, Utc};

use super::key;
use crate::db::{Connection, DatabaseError, Doing, Statements};

/// The hash under which a replaced key is stored.
pub fn hash(key: &[u8]) -> [u8; 32] {
    key::hash(key)
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
