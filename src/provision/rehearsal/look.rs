//! Looks at the rows that a member has by now.

use super::rows::Excerpts;
use super::sight::{Seen, Subject};
use crate::db::DatabaseError;
use crate::site::Site;

/// What there is now.
///
/// # Errors
/// A statement failed.
pub(in super::super) async fn look(
    site: &Site,
    subject: &Subject,
) -> Result<Vec<Seen>, DatabaseError> {
    let looked = site.pool.work(async |connection| {
        let excerpts = Excerpts::of(connection, &site.tables, subject, None).await?;
        excerpts.read(connection, site).await
    });
    looked.await
}
