//! Reads which ids users and their rows have.

use std::ops::RangeInclusive;

use crate::db::{Connection, DatabaseError, Doing, Statements};

const DOING: &str = "look for rows that have a new user's id";

/// Whether rows of another person have the id of the user whose row was inserted last.
pub(super) async fn has_rows(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<bool, DatabaseError> {
    let query = sqlx::query_scalar(statements.leftover_rows.sql());
    query.fetch_one(connection).await.doing(DOING)
}

/// The highest id of a user, or 0.
pub(super) async fn newest_user(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<u64, DatabaseError> {
    let query = sqlx::query_scalar(statements.newest_user.sql());
    let newest: Option<u64> = query.fetch_one(connection).await.doing(DOING)?;
    Ok(newest.unwrap_or_default())
}

/// The highest id within these bounds that has rows, or 0.
pub(super) async fn highest(
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
