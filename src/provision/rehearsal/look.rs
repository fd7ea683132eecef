//! Looks at the rows that a member has by now, as far as the account may read them.

use super::rows::Excerpts;
use super::sight::{Seen, Subject};
use crate::db::{Batch, Connection, DatabaseError, TableNames};
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
        excerpts.read(Batch::of(&site.statements), connection).await
    });
    looked.await
}

/// Tables and columns that calls write and the account may not read.
///
/// # Errors
/// The statement failed.
pub(in super::super) async fn unread(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<Vec<String>, DatabaseError> {
    let job = (String::new(), String::new());
    let subject = Subject::new(0, 0, vec![job]);
    Ok(Excerpts::of(connection, tables, &subject, None)
        .await?
        .unread())
}
