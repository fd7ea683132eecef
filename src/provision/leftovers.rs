//! Ids of users that cannot be used, because rows of another person have them. A restored dump sets the counter of the
//! users table back and leaves rows of later members behind: whoever got such an id would inherit their memberships,
//! names and roles.
//!
//! The check is sent together with the row that it checks, so it costs no round trip. If it finds something, the call
//! is rolled back with that row, the counter moves past everything that was left, and the call is tried again.

use std::ops::RangeInclusive;
use std::time::Instant;

use sqlx::Row;
use tokio::sync::Mutex;

use super::ProvisionError;
use crate::db::{Answer, Batch, Connection, DatabaseError, Doing, Statements};
use crate::site::Site;
use crate::wordpress::users::NewUser;

const DOING: &str = "look for rows that have the new user's id";

/// How many ids beyond the last one with rows are looked at; ten times as many while most of them have some.
const FIRST_STRIDE: u64 = 1_000;
const LONGEST_STRIDE: u64 = 1_000_000;

/// Inserts the row of a new user and returns the id.
///
/// # Errors
/// [`ProvisionError::LeftoverRows`] if other rows have the id; the transaction must be rolled back then.
pub(super) async fn insert_checked(
    user: &NewUser<'_>,
    connection: &mut Connection,
    statements: &Statements,
) -> Result<u64, ProvisionError> {
    let mut batch = Batch::of(statements);
    user.insert_in(&mut batch, statements);
    let leftovers = batch.add(&statements.leftover_rows, DOING, &[]);
    let answers = batch.run(connection).await?;
    let (id, has_rows) = read(&answers[leftovers])?;
    if has_rows {
        return Err(ProvisionError::LeftoverRows(id));
    }
    Ok(id)
}

fn read(answer: &Answer) -> Result<(u64, bool), DatabaseError> {
    let row = answer.rows.first().ok_or(sqlx::Error::RowNotFound);
    let row = row.doing(DOING)?;
    let id = row.try_get("id").doing(DOING)?;
    Ok((id, row.try_get("has_rows").doing(DOING)?))
}

/// What this process has skipped. Colliding calls all meet such ids; one of them moves the counter for all.
#[derive(Default)]
pub(super) struct Leftovers(Mutex<Option<Skipped>>);

struct Skipped {
    at: Instant,
    last: u64,
}

impl Leftovers {
    /// Moves the counter of the users table past the ids that have rows, from this one on, which an attempt that began
    /// at this time has met. The server numbers the next user itself, with its own steps: of a row that is numbered as
    /// told and rolled back, only the counter remains.
    pub(super) async fn skip(
        &self,
        site: &Site,
        first: u64,
        began: Instant,
    ) -> Result<(), DatabaseError> {
        let mut skipped = self.0.lock().await;
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

/// The highest id within these bounds that has rows, or 0.
async fn highest(
    connection: &mut Connection,
    statements: &Statements,
    from: u64,
    to: u64,
) -> Result<u64, DatabaseError> {
    let query = sqlx::query_scalar(statements.highest_leftover.sql());
    let query = (0..6).fold(query, |query, _| query.bind(from).bind(to));
    let found: Option<u64> = query.fetch_one(&mut *connection).await.doing(DOING)?;
    let mut highest = found.unwrap_or_default();
    for range in of_equal_length(from, to) {
        let (from, to) = (range.start().to_string(), range.end().to_string());
        let length = from.len() as u64;
        let found: Option<String> =
            sqlx::query_scalar(statements.highest_leftover_membership.sql())
                .bind(from)
                .bind(to)
                .bind(length)
                .fetch_one(&mut *connection)
                .await
                .doing(DOING)?;
        let found = found.and_then(|id| id.parse().ok());
        highest = highest.max(found.unwrap_or_default());
    }
    Ok(highest)
}

/// Splits a range of numbers into ranges of numbers that have equally many digits.
fn of_equal_length(from: u64, to: u64) -> Vec<RangeInclusive<u64>> {
    let mut ranges = Vec::new();
    let mut from = from;
    while from <= to {
        let digits = from.checked_ilog10().unwrap_or_default() + 1;
        let last = 10_u64.checked_pow(digits).map_or(u64::MAX, |next| next - 1);
        ranges.push(from..=last.min(to));
        let Some(next) = last.checked_add(1) else {
            break;
        };
        from = next;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_split_where_the_number_of_digits_changes() {
        assert_eq!(of_equal_length(13, 99), [13..=99]);
        assert_eq!(of_equal_length(13, 1012), [13..=99, 100..=999, 1000..=1012]);
        assert_eq!(of_equal_length(100, 99), []);
        let end = 10_000_000_000_000_000_000;
        assert_eq!(
            of_equal_length(end - 2, u64::MAX),
            [end - 2..=end - 1, end..=u64::MAX]
        );
    }
}
