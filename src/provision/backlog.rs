//! What waits in the database to be done, by whichever instance.

use chrono::NaiveDateTime;

use crate::db::{DatabaseError, Doing};
use crate::site::Site;
use crate::telemetry::Backlog;

/// Asks the database, in one statement.
///
/// # Errors
/// The statement failed.
pub async fn backlog(site: &Site) -> Result<Backlog, DatabaseError> {
    let rows: Vec<(String, i64, Option<NaiveDateTime>)> = site
        .pool
        .work(async |connection| {
            sqlx::query_as(site.statements.backlog.sql())
                .fetch_all(connection)
                .await
                .doing("count what waits")
        })
        .await?;
    let mut backlog = Backlog::default();
    for (kind, waiting, oldest) in rows {
        let waiting = waiting.unsigned_abs();
        let oldest = oldest.map(|oldest| oldest.and_utc());
        match kind.as_str() {
            "uncounted" => (backlog.uncounted, backlog.oldest_uncounted) = (waiting, oldest),
            "pending" => (backlog.pending, backlog.oldest_pending) = (waiting, oldest),
            _ => backlog.dead = waiting,
        }
    }
    Ok(backlog)
}
