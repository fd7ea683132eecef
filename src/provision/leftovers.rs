//! Ids of users that cannot be used, because rows of another person have them. A restored dump sets the counter of the
//! users table back and leaves rows of later members behind: whoever got such an id would inherit their memberships,
//! names and roles.
//!
//! Ids are looked at ahead of the counter (`ahead`), and one that was not is looked at when it was given out. If it has
//! rows, the call is rolled back with the user's, the counter moves past everything that was left, and the call is tried
//! again.

mod ahead;
mod rows;

use std::time::Instant;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::ahead::Ahead;
use self::rows::{has_rows, highest};
use super::ProvisionError;
use crate::db::{Answer, Batch, Connection, DatabaseError, Statements};
use crate::site::Site;
use crate::wordpress::users::NewUser;

/// How many ids beyond the last one with rows are looked at; ten times as many while most of them have some.
const FIRST_STRIDE: u64 = 1_000;
const LONGEST_STRIDE: u64 = 1_000_000;

/// What this process knows about ids with rows.
#[derive(Default)]
pub(super) struct Leftovers {
    ahead: Ahead,
    /// Colliding calls all meet such ids; one of them moves the counter for all.
    skipped: Mutex<Option<Skipped>>,
}

struct Skipped {
    at: Instant,
    last: u64,
}

impl Leftovers {
    /// Looks ahead of the counter until `stop`.
    pub(super) async fn look_ahead(&self, site: &Site, stop: CancellationToken) {
        // Only reads, so it may be broken off at any point.
        tokio::select! {
            () = self.ahead.keep(site) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Sends the batch, in which the statement with this index inserts the row of a new user. Returns the user's id and
    /// all answers.
    ///
    /// # Errors
    /// [`ProvisionError::LeftoverRows`] if other rows have the id; the transaction must be rolled back then.
    pub(super) async fn insert_checked(
        &self,
        batch: Batch,
        insert: usize,
        connection: &mut Connection,
        statements: &Statements,
    ) -> Result<(u64, Vec<Answer>), ProvisionError> {
        let free = self.ahead.free();
        let answers = batch.run(connection).await?;
        let id = answers[insert].last_insert_id;
        self.ahead.note(id);
        if !free.has(id) && has_rows(connection, statements).await? {
            return Err(ProvisionError::LeftoverRows(id));
        }
        Ok((id, answers))
    }

    /// Moves the counter of the users table past the ids that have rows, from this one on, which an attempt that began
    /// at this time has met. The server numbers the next user itself, with its own steps: of a row that is numbered as
    /// told and rolled back, only the counter remains.
    pub(super) async fn skip(
        &self,
        site: &Site,
        first: u64,
        began: Instant,
    ) -> Result<(), DatabaseError> {
        let mut skipped = self.skipped.lock().await;
        let is_done = |skipped: &Skipped| skipped.at > began && skipped.last >= first;
        if skipped.as_ref().is_some_and(is_done) {
            return Ok(());
        }
        let last = move_counter(site, first).await?;
        *skipped = Some(Skipped {
            at: Instant::now(),
            last,
        });
        tracing::warn!(
            "skipped the user ids {first} to {last}: rows of users who are gone have them, as after a restored dump; \
             new members would inherit them"
        );
        Ok(())
    }
}

async fn move_counter(site: &Site, first: u64) -> Result<u64, DatabaseError> {
    let statements = &site.statements;
    let nobody = NewUser {
        login: "",
        password_hash: "",
        nicename: "",
        email: "",
        display_name: "",
        registered: site.clock.now(),
    };
    let moved = site.pool.work_and_close(async |connection| {
        let last = last_with_rows(connection, statements, first).await?;
        let mut batch = Batch::begin(statements);
        batch.number_next_row(last);
        nobody.insert_in(&mut batch, statements);
        batch.roll_back("move the counter of the users table");
        match batch.run(connection).await {
            // A user has that id by now, so the counter is there already.
            Err(error) if !error.is_duplicate() => Err(error),
            _ => Ok(last),
        }
    });
    moved.await
}

async fn last_with_rows(
    connection: &mut Connection,
    statements: &Statements,
    first: u64,
) -> Result<u64, DatabaseError> {
    let (mut last, mut stride) = (first, FIRST_STRIDE);
    loop {
        let (from, to) = (last.saturating_add(1), last.saturating_add(stride));
        let found = highest(connection, statements, from, to).await?;
        match found {
            0 if stride == FIRST_STRIDE => return Ok(last),
            0 => stride = FIRST_STRIDE,
            found => {
                let is_dense = found - last > stride / 2;
                last = found;
                stride = if is_dense {
                    (stride * 10).min(LONGEST_STRIDE)
                } else {
                    FIRST_STRIDE
                };
            }
        }
    }
}
