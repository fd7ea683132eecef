//! The record of calls in shadow mode: a row each, written before PHP gets the call, and completed after the comparison.

use std::time::Instant;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::findings::Findings;
use super::scene::Overlaps;
use crate::db::{Connection, DatabaseError, Doing};
use crate::site::Site;

/// The most rows that are kept; older ones are deleted whatever their age.
const MOST_ROWS: u64 = 100_000;
const DOING: &str = "record a call in shadow mode";
const PRUNING: &str = "forget calls in shadow mode";

/// A call whose row is written.
pub(super) struct Record {
    id: u64,
    address_hash: Option<[u8; 16]>,
}

/// What is added to the row in the end.
pub(super) struct Ended<'a> {
    pub(super) webhook_id: Option<u64>,
    pub(super) user_id: Option<u64>,
    pub(super) sidecar_status: Option<u16>,
    pub(super) php_status: Option<u16>,
    pub(super) sidecar_ms: Option<u32>,
    pub(super) php_ms: u32,
    pub(super) findings: &'a Findings,
}

#[derive(FromRow)]
struct Overlapping {
    webhook_id: Option<u64>,
    address_hash: Option<Vec<u8>>,
}

impl Record {
    /// Writes the row of a call for this address, if it has one. Its rehearsal began at `began`: what others have written since then may
    /// be missing in it.
    pub(super) async fn begin(
        site: &Site,
        address: Option<&str>,
        request_id: Option<&str>,
        began: Instant,
    ) -> Result<Self, DatabaseError> {
        let address_hash = address.map(|address| site.address_hashes.of(address));
        let inserted = site.pool.work(async |connection| {
            let ago = u64::try_from(began.elapsed().as_micros()).unwrap_or_default();
            sqlx::query(site.statements.insert_shadow.sql())
                .bind(ago)
                .bind(address_hash.map(|hash| hash.to_vec()))
                .bind(request_id)
                .execute(connection)
                .await
                .doing(DOING)
        });
        Ok(Self {
            id: inserted.await?.last_insert_id(),
            address_hash,
        })
    }

    /// Which other calls, also of other instances, ran at the same time. A call of which the webhook is not known yet may be one of
    /// the same.
    pub(super) async fn overlaps(
        &self,
        site: &Site,
        webhook_id: Option<u64>,
    ) -> Result<Overlaps, DatabaseError> {
        let looked = site.pool.work(async |connection| {
            sqlx::query_as(site.statements.overlapping_shadows.sql())
                .bind(self.id)
                .bind(self.id)
                .bind(self.id)
                .fetch_all(connection)
                .await
                .doing(DOING)
        });
        let others: Vec<Overlapping> = looked.await?;
        let own = self.address_hash.as_ref().map(<[u8; 16]>::as_slice);
        let is_same = |other: &Overlapping| own.is_some() && other.address_hash.as_deref() == own;
        let may_be_same =
            |other: &Overlapping| other.webhook_id.is_none_or(|id| Some(id) == webhook_id);
        Ok(Overlaps {
            any: !others.is_empty(),
            webhook: others.iter().any(may_be_same),
            member: others.iter().any(is_same),
        })
    }

    pub(super) async fn end(&self, site: &Site, ended: &Ended<'_>) -> Result<(), DatabaseError> {
        let findings = *ended.findings != Findings::default();
        let findings = findings.then(|| serde_json::json!(ended.findings).to_string());
        let verdict = ended.findings.verdict().word();
        let updated = site.pool.work(async |connection| {
            sqlx::query(site.statements.end_shadow.sql())
                .bind(ended.webhook_id)
                .bind(ended.user_id)
                .bind(verdict)
                .bind(ended.sidecar_status)
                .bind(ended.php_status)
                .bind(ended.sidecar_ms)
                .bind(ended.php_ms)
                .bind(findings.as_deref())
                .bind(self.id)
                .execute(connection)
                .await
                .doing(DOING)
        });
        updated.await?;
        Ok(())
    }
}

/// Deletes some of those from before `before`, or beyond the number that is kept at most; returns how many.
///
/// # Errors
/// A statement failed.
pub async fn prune_shadow(site: &Site, before: DateTime<Utc>) -> Result<u64, DatabaseError> {
    let pruned = site.pool.work(async |connection| {
        let old = sqlx::query(site.statements.prune_shadow.sql())
            .bind(before.naive_utc())
            .execute(&mut *connection)
            .await
            .doing(PRUNING)?;
        Ok::<_, DatabaseError>(old.rows_affected() + prune_many(site, connection).await?)
    });
    pruned.await
}

async fn prune_many(site: &Site, connection: &mut Connection) -> Result<u64, DatabaseError> {
    let newest: Option<u64> = sqlx::query_scalar(site.statements.newest_shadow.sql())
        .fetch_one(&mut *connection)
        .await
        .doing(PRUNING)?;
    let Some(last) = newest.and_then(|newest| newest.checked_sub(MOST_ROWS)) else {
        return Ok(0);
    };
    let many = sqlx::query(site.statements.prune_shadow_many.sql())
        .bind(last)
        .execute(connection)
        .await
        .doing(PRUNING)?;
    Ok(many.rows_affected())
}
