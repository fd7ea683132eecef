//! Several statements in one round trip. The database is usually another machine, and then round trips are what a call
//! costs.

use std::fmt::Write;

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlQueryResult, MySqlRow};
use sqlx::{Either, Executor};

use super::statements::safe;
use super::{Connection, DatabaseError, Doing, Statement};

/// Statements that go to the server together, in its text protocol, which has no parameters: values are written as
/// literals that cannot be taken for anything else. The server stops at the first that fails. No `Debug`: it holds names,
/// addresses and hashes.
#[derive(Default)]
pub struct Batch {
    sql: String,
    doing: Vec<&'static str>,
}

/// A value of a statement in a [`Batch`].
#[derive(Clone, Copy)]
pub enum Literal<'a> {
    /// A whole number.
    Number(u64),
    /// Text, in the connection's character set.
    Text(&'a str),
    /// Bytes that no character set converts.
    Bytes(&'a [u8]),
    /// NULL.
    Null,
}

/// What the server said to one statement.
#[derive(Default)]
pub struct Answer {
    /// Rows of a SELECT.
    pub rows: Vec<MySqlRow>,
    /// Rows that were inserted, changed or deleted.
    pub affected: u64,
    /// The first `AUTO_INCREMENT` id that was given.
    pub last_insert_id: u64,
}

impl Batch {
    /// A batch that begins a transaction.
    pub fn begin() -> Self {
        let mut batch = Self::default();
        batch.push("START TRANSACTION", "begin the transaction");
        batch
    }

    /// Adds a statement and returns the index of its answer. `{each: …}` stands as often as the literals want; `doing`
    /// completes the sentence "could not …".
    ///
    /// # Panics
    /// The statement does not take so many literals.
    pub fn add(
        &mut self,
        statement: &Statement,
        doing: &'static str,
        literals: &[Literal<'_>],
    ) -> usize {
        let sql = statement.filled(literals);
        self.push(&sql, doing);
        self.doing.len() - 1
    }

    /// Adds the commit.
    pub fn commit(&mut self, doing: &'static str) {
        self.push("COMMIT", doing);
    }

    fn push(&mut self, sql: &str, doing: &'static str) {
        if !self.sql.is_empty() {
            self.sql.push_str(";\n");
        }
        self.sql.push_str(sql);
        self.doing.push(doing);
    }

    /// Sends all of it and returns the answers in order; an empty batch costs nothing.
    ///
    /// # Errors
    /// A statement failed; those before it are done, the others are not.
    pub async fn run(self, connection: &mut Connection) -> Result<Vec<Answer>, DatabaseError> {
        let mut answers: Vec<Answer> = Vec::with_capacity(self.doing.len());
        if self.doing.is_empty() {
            return Ok(answers);
        }
        let mut rows = Vec::new();
        let mut parts = connection.fetch_many(safe(self.sql));
        loop {
            let doing = *self.doing.get(answers.len()).unwrap_or(&"end the batch");
            match parts.try_next().await.doing(doing)? {
                Some(Either::Right(row)) => rows.push(row),
                Some(Either::Left(done)) => answers.push(answer(std::mem::take(&mut rows), &done)),
                None => return Ok(answers),
            }
        }
    }
}

fn answer(rows: Vec<MySqlRow>, done: &MySqlQueryResult) -> Answer {
    Answer {
        rows,
        affected: done.rows_affected(),
        last_insert_id: done.last_insert_id(),
    }
}

impl Literal<'_> {
    /// Hexadecimal digits can hold any text and end none; the introducer keeps them from being taken for bytes.
    pub(super) fn write(self, sql: &mut String) {
        let (before, bytes) = match self {
            Self::Number(number) => {
                let _ = write!(sql, "{number}");
                return;
            }
            Self::Null => {
                sql.push_str("NULL");
                return;
            }
            Self::Text(text) => ("_utf8mb4 x'", text.as_bytes()),
            Self::Bytes(bytes) => ("x'", bytes),
        };
        sql.push_str(before);
        for byte in bytes {
            let _ = write!(sql, "{byte:02x}");
        }
        sql.push('\'');
    }
}

impl From<u64> for Literal<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Literal<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Literal<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::TableNames;

    #[test]
    fn no_value_can_end_its_literal() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let statement = Statement::render("INSERT INTO t (a, b) VALUES {each: (?, ?)}", &tables);
        let mut batch = Batch::begin();
        let literals = [
            Literal::Number(7),
            "a'; DROP TABLE t; -- ?\\".into(),
            8.into(),
            Literal::Bytes(&[0, 255]),
        ];
        batch.add(&statement, "insert", &literals);
        batch.commit("commit");
        assert_eq!(
            batch.sql,
            "START TRANSACTION;\nINSERT INTO t (a, b) VALUES \
             (7, _utf8mb4 x'61273b2044524f50205441424c4520743b202d2d203f5c'), (8, x'00ff');\nCOMMIT"
        );
        assert_eq!(batch.doing, ["begin the transaction", "insert", "commit"]);
    }

    #[test]
    #[should_panic(expected = "takes")]
    fn a_statement_takes_the_literals_that_it_names() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let statement = Statement::render("SELECT ?, ?", &tables);
        Batch::default().add(&statement, "select", &[1.into()]);
    }
}
