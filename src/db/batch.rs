//! Sends several statements in one round trip. The database usually runs on another machine, where round trips dominate
//! the cost of a call.

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlQueryResult, MySqlRow};
use sqlx::{Either, Executor};

use super::statements::safe;
use super::{Connection, DatabaseError, Doing, Literal, Statement, Statements};

/// Statements that go to the server together, in its text protocol. That has no parameters, so values are written as
/// literals that cannot be mistaken for anything else. The server stops at the first statement that fails. No `Debug`: a
/// batch holds names, addresses and hashes.
///
/// Not for use where several servers accept writes: there each statement is sent by itself. When another node's
/// transaction conflicts, a Galera node may roll a transaction back between any two statements. It then still executes
/// the rest of what was sent together, outside any transaction, before it reports the conflict (`MariaDB` 10.11).
pub struct Batch {
    statements: Vec<(String, &'static str)>,
    is_sent_together: bool,
}

/// The server's answer to one statement.
#[derive(Default)]
pub struct Answer {
    /// Rows of a SELECT.
    pub rows: Vec<MySqlRow>,
    /// Number of rows that were inserted, changed or deleted.
    pub affected: u64,
    /// The first `AUTO_INCREMENT` id that was assigned.
    pub last_insert_id: u64,
}

impl Batch {
    /// An empty batch that uses these statements.
    pub fn of(statements: &Statements) -> Self {
        Self {
            statements: Vec::new(),
            is_sent_together: !statements.has_several_writers(),
        }
    }

    /// A batch that begins a transaction.
    pub fn begin(statements: &Statements) -> Self {
        let mut batch = Self::of(statements);
        batch.push("START TRANSACTION".to_owned(), "begin the transaction");
        batch
    }

    /// Adds a statement and returns the index of its answer. `{each: …}` is repeated to match the number of literals;
    /// `doing` completes the sentence "could not …".
    ///
    /// # Panics
    /// The number of literals does not fit the statement.
    pub fn add(
        &mut self,
        statement: &Statement,
        doing: &'static str,
        literals: &[Literal<'_>],
    ) -> usize {
        self.push(statement.filled(literals), doing);
        self.statements.len() - 1
    }

    /// Adds a statement that was written for this one occasion, and returns the index of its answer.
    pub(super) fn add_text(&mut self, sql: String, doing: &'static str) -> usize {
        self.push(sql, doing);
        self.statements.len() - 1
    }

    /// Makes the server give this number to the first row of the next INSERT, instead of the next one of its counter.
    pub fn number_next_row(&mut self, id: u64) {
        self.push(format!("SET INSERT_ID = {id}"), "number the next row");
    }

    /// Adds the rollback.
    pub fn roll_back(&mut self, doing: &'static str) {
        self.push("ROLLBACK".to_owned(), doing);
    }

    /// Adds the commit.
    pub fn commit(&mut self, doing: &'static str) {
        self.push("COMMIT".to_owned(), doing);
    }

    fn push(&mut self, sql: String, doing: &'static str) {
        self.statements.push((sql, doing));
    }

    /// Sends everything and returns the answers in order; an empty batch costs nothing.
    ///
    /// # Errors
    /// A statement failed; those before it were executed, those after it were not.
    pub async fn run(self, connection: &mut Connection) -> Result<Vec<Answer>, DatabaseError> {
        let mut answers = Vec::with_capacity(self.statements.len());
        if self.is_sent_together {
            send(connection, &self.statements, &mut answers).await?;
        } else {
            for statement in &self.statements {
                send(connection, std::slice::from_ref(statement), &mut answers).await?;
            }
        }
        Ok(answers)
    }
}

/// Sends statements together and collects their answers.
async fn send(
    connection: &mut Connection,
    statements: &[(String, &'static str)],
    answers: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    if statements.is_empty() {
        return Ok(());
    }
    let mut doing = statements.iter().map(|(_, doing)| *doing);
    let mut now = doing.next().unwrap_or_default();
    let mut rows = Vec::new();
    let mut parts = connection.fetch_many(safe(together(statements)));
    while let Some(part) = parts.try_next().await.doing(now)? {
        match part {
            Either::Right(row) => rows.push(row),
            Either::Left(done) => {
                answers.push(answer(std::mem::take(&mut rows), &done));
                now = doing.next().unwrap_or("end the batch");
            }
        }
    }
    Ok(())
}

fn together(statements: &[(String, &'static str)]) -> String {
    let texts: Vec<&str> = statements.iter().map(|(sql, _)| sql.as_str()).collect();
    texts.join(";\n")
}

fn answer(rows: Vec<MySqlRow>, done: &MySqlQueryResult) -> Answer {
    Answer {
        rows,
        affected: done.rows_affected(),
        last_insert_id: done.last_insert_id(),
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
        let mut batch = Batch::begin(&Statements::render(&tables));
        let literals = [
            Literal::Number(7),
            "a'; DROP TABLE t; -- ?\\".into(),
            8.into(),
            Literal::Bytes(&[0, 255]),
        ];
        batch.add(&statement, "insert", &literals);
        batch.commit("commit");
        assert_eq!(
            together(&batch.statements),
            "START TRANSACTION;\nINSERT INTO t (a, b) VALUES \
             (7, _utf8mb4 x'61273b2044524f50205441424c4520743b202d2d203f5c'), (8, x'00ff');\nCOMMIT"
        );
        let doing: Vec<_> = batch.statements.iter().map(|(_, doing)| *doing).collect();
        assert_eq!(doing, ["begin the transaction", "insert", "commit"]);
    }

    #[test]
    #[should_panic(expected = "takes")]
    fn a_statement_takes_the_literals_that_it_names() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let statement = Statement::render("SELECT ?, ?", &tables);
        let mut batch = Batch::of(&Statements::render(&tables));
        batch.add(&statement, "select", &[1.into()]);
    }
}
