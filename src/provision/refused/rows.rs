//! The rows: written many at once, deleted when their time is up or when they are too many.

use chrono::{DateTime, Utc};

use super::super::{Keeping, kept};
use super::call::RefusedCall;
use crate::db::{Batch, Connection, DatabaseError, Doing};
use crate::site::Site;

/// The most rows that are kept; older ones are deleted whatever their age.
const MOST_ROWS: u64 = 100_000;

pub(super) const DOING: &str = "record refused calls";

/// Inserts rows together; but each one whose fields are kept, by itself: they are encrypted for the number that it gets.
pub(super) async fn insert_all(
    connection: &mut Connection,
    site: &Site,
    rows: &[(u64, RefusedCall)],
    keeping: Option<&Keeping>,
) -> Result<(), DatabaseError> {
    let has_fields = |row: &(u64, RefusedCall)| row.1.kept.is_some();
    let Some(keeping) = keeping.filter(|_| rows.iter().any(has_fields)) else {
        insert(connection, site, rows).await?;
        return Ok(());
    };
    let statements = &site.statements;
    Batch::begin(statements).run(connection).await?;
    for row in rows {
        let (webhook_id, refused) = row;
        let id = insert(connection, site, std::slice::from_ref(row)).await?;
        if let Some(kept) = &refused.kept {
            let ids = (id, *webhook_id);
            kept::insert(connection, statements, keeping, kept, ids, refused.at).await?;
        }
    }
    let mut end = Batch::of(statements);
    end.commit(DOING);
    end.run(connection).await?;
    Ok(())
}

/// Returns the number of the first row.
async fn insert(
    connection: &mut Connection,
    site: &Site,
    rows: &[(u64, RefusedCall)],
) -> Result<u64, DatabaseError> {
    let mut query = sqlx::query(site.statements.insert_refused.repeated(rows.len()));
    for (webhook_id, refused) in rows {
        let address = refused.asker.address.as_deref();
        let hash = address.map(|address| site.address_hashes.of(address));
        let form = refused.form.as_ref();
        let names = form.map(|form| serde_json::json!(form.names.kept()).to_string());
        query = query
            .bind(refused.at.naive_utc())
            .bind(webhook_id)
            .bind(refused.outcome.word())
            .bind(refused.status)
            .bind(hash.map(|hash| hash.to_vec()))
            .bind(refused.request_id.as_deref())
            .bind(refused.client.map(|client| client.to_string()))
            .bind(&*refused.message)
            .bind(refused.content_type.as_deref())
            .bind(refused.content_length)
            .bind(form.map(|form| form.email.word()))
            .bind(names)
            .bind(form.map(|form| form.names.more()));
    }
    let inserted = query.execute(connection).await.doing(DOING)?;
    Ok(inserted.last_insert_id())
}

/// Deletes some of those recorded before `before`, or beyond the number that is kept at most; returns how many.
///
/// # Errors
/// A statement failed.
pub async fn prune_refused(site: &Site, before: DateTime<Utc>) -> Result<u64, DatabaseError> {
    let pruned = site.pool.work(async |connection| {
        let old = sqlx::query(site.statements.prune_refused.sql())
            .bind(before.naive_utc())
            .execute(&mut *connection)
            .await
            .doing("forget refused calls")?;
        Ok::<_, DatabaseError>(old.rows_affected() + prune_many(site, connection).await?)
    });
    pruned.await
}

async fn prune_many(site: &Site, connection: &mut Connection) -> Result<u64, DatabaseError> {
    const DOING: &str = "forget refused calls";
    let newest: Option<u64> = sqlx::query_scalar(site.statements.newest_refused.sql())
        .fetch_one(&mut *connection)
        .await
        .doing(DOING)?;
    let Some(last) = newest.and_then(|newest| newest.checked_sub(MOST_ROWS)) else {
        return Ok(0);
    };
    let many = sqlx::query(site.statements.prune_refused_many.sql())
        .bind(last)
        .execute(connection)
        .await
        .doing(DOING)?;
    Ok(many.rows_affected())
}
