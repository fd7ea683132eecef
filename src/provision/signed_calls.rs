//! The record of signed calls: rows of `{prefix}fcom_sidecar_signed`. While a signature is valid, whoever has recorded
//! the call can send it again; a call that was executed gets its first answer. The nonces of changes that wp-admin signs are kept
//! there, too.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::runs::EarlierRun;
use super::{Executed, Idempotency};
use crate::db::{Batch, Connection, DatabaseError, Doing, Literal, Statements};
use crate::outcome::Outcome;
use crate::site::Site;
use crate::wordpress::time::format;

/// The call of this webhook that had the same `webhook-id`, if it was executed.
pub(super) async fn earlier(
    connection: &mut Connection,
    statements: &Statements,
    signed: &Idempotency,
    webhook_id: u64,
) -> Result<Option<EarlierRun>, DatabaseError> {
    let row: Option<(u64, Vec<u8>, Vec<u8>)> = sqlx::query_as(statements.signed_call.sql())
        .bind(&signed.key[..])
        .bind(webhook_id)
        .fetch_optional(connection)
        .await
        .doing("look for the signed call")?;
    Ok(row.and_then(|(user_id, fields, run)| EarlierRun::read(user_id, fields, &run)))
}

/// Adds the statement that records a signed call with its answer. It fails as a duplicate if another call with the same
/// id was faster.
pub(super) fn insert_in(
    batch: &mut Batch,
    statements: &Statements,
    signed: &Idempotency,
    executed: &Executed,
    now: DateTime<Utc>,
) {
    let outcome = if executed.created {
        Outcome::Created
    } else {
        Outcome::Found
    };
    let (executed_at, now) = (
        format(executed.executed_at.naive_utc()),
        format(now.naive_utc()),
    );
    let literals = [
        Literal::Bytes(&signed.key),
        executed.webhook_id.into(),
        Literal::Bytes(&signed.fields),
        executed.user_id.into(),
        outcome.word().into(),
        Literal::Text(&executed_at),
        Literal::Text(&now),
    ];
    batch.add(
        &statements.insert_signed_call,
        "record the signed call",
        &literals,
    );
}

/// Records a signed call that was executed under another name, its `Idempotency-Key`: that is not signed, so whoever sends
/// the call again can leave it out.
pub(super) async fn remember(
    site: &Site,
    signed: &Idempotency,
    executed: &Executed,
) -> Result<(), DatabaseError> {
    let mut batch = Batch::of(&site.statements);
    let now = site.clock.now();
    insert_in(&mut batch, &site.statements, signed, executed, now);
    let recorded = site
        .pool
        .work(async |connection| batch.run(connection).await);
    match recorded.await {
        // An equal call was faster.
        Err(error) if error.is_duplicate() => Ok(()),
        recorded => recorded.map(drop),
    }
}

/// Takes the nonce of a change that was signed in wp-admin; `false` if any process has taken it before. No webhook has the id 0.
///
/// # Errors
/// The statement failed.
pub async fn take_nonce(site: &Site, nonce: [u8; 16]) -> Result<bool, DatabaseError> {
    let (id, now) = (Sha256::digest(nonce), site.clock.now().naive_utc());
    let taken = site.pool.work(async |connection| {
        let row = sqlx::query(site.statements.insert_signed_call.sql());
        let row = row.bind(&id[..]).bind(0_u64).bind(&id[..]).bind(0_u64);
        let row = row.bind("console").bind(now).bind(now);
        row.execute(connection)
            .await
            .doing("take the nonce of a change")
    });
    match taken.await {
        Err(error) if error.is_duplicate() => Ok(false),
        taken => taken.map(|_| true),
    }
}
