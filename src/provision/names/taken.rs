//! What is known about names. Deciding is pure: names that the database was not asked about count as free and are noted;
//! then it is asked about all of them at once, and it is decided again, until nothing is unknown.

use std::collections::HashMap;

use sqlx::Row;

use super::super::ProvisionError;
use crate::db::{Connection, DatabaseError, Doing, Statements};

/// Names tried before we give up.
const MOST_CANDIDATES: usize = 20_000;
/// Claims are taken and confirmed anew this often; each round another call has finished with the name.
pub(super) const MOST_ROUNDS: usize = 1_000;
/// Names asked about in one statement.
const ASKED_AT_ONCE: usize = 64;

/// What a name is already: bits of `names_taken.sql`.
#[derive(Clone, Copy)]
pub(super) enum As {
    Login = 1,
    Nicename = 2,
    Username = 4,
    Email = 8,
}

/// Which names are taken, as far as the database was asked.
#[derive(Clone, Default)]
pub(in super::super) struct Taken {
    known: HashMap<String, u8>,
    unknown: Vec<String>,
    rounds: u32,
}

impl Taken {
    /// From the answer to `NameFields::first_questions`: a list of numbers, as in `names_taken.sql`.
    pub(in super::super) fn read(questions: &[String], answers: &str) -> Self {
        let bits = answers.split(',').filter_map(|bits| bits.parse().ok());
        Self {
            known: questions.iter().cloned().zip(bits).collect(),
            ..Self::default()
        }
    }

    /// Whether the name is taken; no while that is unknown.
    pub(super) fn is(&mut self, name: &str, kind: As) -> bool {
        if let Some(bits) = self.known.get(name) {
            return bits & kind as u8 != 0;
        }
        if !self.unknown.iter().any(|asked| asked == name) {
            self.unknown.push(name.to_owned());
        }
        false
    }

    /// What the decisions so far rest on and the database was not asked about.
    pub(super) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The first candidate that is free. If that is a guess, some that follow are noted as well, more in each round, so
    /// that a long row of taken names costs few questions.
    pub(super) fn first_free<T>(
        &mut self,
        candidates: impl Iterator<Item = T>,
        mut is_free: impl FnMut(&mut Self, &T) -> bool,
    ) -> Option<T> {
        let mut candidates = candidates.take(MOST_CANDIDATES);
        let noted = self.unknown.len();
        let found = candidates.find(|candidate| is_free(self, candidate))?;
        if self.unknown.len() > noted {
            let ahead = (4_usize.saturating_pow(self.rounds) - 1).min(ASKED_AT_ONCE);
            for candidate in candidates.take(ahead) {
                is_free(self, &candidate);
            }
        }
        Some(found)
    }

    /// Asks the database about what is unknown. `own_id` is the user whose own names do not count, 0 for none. Returns
    /// whether there was anything to ask.
    async fn ask(
        &mut self,
        connection: &mut Connection,
        statements: &Statements,
        own_id: u64,
    ) -> Result<bool, DatabaseError> {
        let unknown = std::mem::take(&mut self.unknown);
        self.rounds += 1;
        for names in unknown.chunks(ASKED_AT_ONCE) {
            let sql = statements.names_taken.repeated(names.len());
            let query = names.iter().fold(sqlx::query(sql), |query, name| {
                query
                    .bind(name)
                    .bind(own_id)
                    .bind(name)
                    .bind(name)
                    .bind(own_id)
                    .bind(name)
            });
            let row = query
                .fetch_one(&mut *connection)
                .await
                .doing("look for taken names")?;
            for (index, name) in names.iter().enumerate() {
                let bits: i64 = row.try_get(index).doing("read which names are taken")?;
                self.known
                    .insert(name.clone(), u8::try_from(bits).unwrap_or(u8::MAX));
            }
        }
        Ok(!unknown.is_empty())
    }
}

/// Decides until the database has been asked about every name that the decision rests on.
pub(super) async fn settle<T>(
    mut taken: Taken,
    connection: &mut Connection,
    statements: &Statements,
    own_id: u64,
    decide: impl Fn(&mut Taken) -> Option<T>,
) -> Result<(T, Taken), ProvisionError> {
    loop {
        let decided = decide(&mut taken);
        if !taken.ask(connection, statements, own_id).await? {
            return decided
                .map(|decided| (decided, taken))
                .ok_or(ProvisionError::NoFreeName);
        }
    }
}
