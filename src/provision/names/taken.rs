//! Tracks which names are taken. Deciding is pure: a name that has not been looked up counts as free and is noted. Then
//! all noted names are looked up at once and the decision is repeated, until nothing is unknown.

use std::collections::HashMap;

use sqlx::Row;

use super::super::ProvisionError;
use crate::db::{Answer, Batch, Connection, DatabaseError, Doing, Literal, Statements};

/// How many names are tried before giving up.
const MOST_CANDIDATES: usize = 20_000;
/// How often claims are taken and confirmed at most; each further round means that another call was faster.
pub(super) const MOST_ROUNDS: usize = 1_000;
/// How many names one statement looks up.
const ASKED_AT_ONCE: usize = 64;
/// How many names, and how many addresses, the first look takes.
const FIRST_LOOK: usize = 3;

/// The kinds of use that a name already has: bits of `names_taken.sql`.
#[derive(Clone, Copy)]
pub(super) enum As {
    Login = 1,
    Nicename = 2,
    Username = 4,
    Email = 8,
}

/// Which names are taken, as far as they have been looked up.
#[derive(Clone, Default)]
pub(in super::super) struct Taken {
    known: HashMap<String, u8>,
    unknown: Vec<String>,
    rounds: u32,
}

impl Taken {
    /// Forgets everything but the names that others have; these `forms` of an address, too.
    pub(super) fn forget_free(&mut self, forms: &[String]) {
        let known = &mut self.known;
        known.retain(|name, bits| *bits != 0 && !forms.contains(name));
        self.rounds = 0;
    }

    /// Knows that one name is taken.
    #[cfg(test)]
    pub(super) fn with(name: &str, kind: As) -> Self {
        Self {
            known: HashMap::from([(name.to_owned(), kind as u8)]),
            ..Self::default()
        }
    }

    /// Whether the name is taken; false while that is unknown.
    pub(super) fn is(&mut self, name: &str, kind: As) -> bool {
        if let Some(bits) = self.known.get(name) {
            return bits & kind as u8 != 0;
        }
        if !self.unknown.iter().any(|asked| asked == name) {
            self.unknown.push(name.to_owned());
        }
        false
    }

    /// The first free candidate. If that is a guess, some of the next candidates are noted as well, more in each round,
    /// so that a long run of taken names needs few look-ups.
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

    /// Adds a statement that tells whether anybody has one of the noted names, or one of these `forms` of an address. Usually
    /// nobody has, and it costs a third of asking who has what. `None` if there are too many.
    pub(super) fn look_in(
        &self,
        forms: &[String],
        batch: &mut Batch,
        statements: &Statements,
    ) -> Option<usize> {
        let (names, forms) = (places(&self.unknown)?, places(forms)?);
        let literals: Vec<Literal<'_>> = [names, names, names, forms]
            .into_iter()
            .flatten()
            .map(Literal::Text)
            .collect();
        Some(batch.add(&statements.names_in_use, "look for taken names", &literals))
    }

    /// Takes the answer to that statement. If somebody has something, the names stay unknown.
    pub(super) fn looked(&mut self, forms: &[String], answer: &Answer) {
        if answer.rows.is_empty() {
            let all = self.unknown.drain(..).chain(forms.iter().cloned());
            self.known.extend(all.map(|name| (name, 0)));
        }
    }

    /// Looks up the unknown names. `own_id` is the user whose own names do not count, 0 for none. Returns whether there
    /// was anything to look up.
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

/// Fills all places of the first look; the last text takes those that are left.
fn places(texts: &[String]) -> Option<[&str; FIRST_LOOK]> {
    let last = texts.last().filter(|_| texts.len() <= FIRST_LOOK)?;
    Some(std::array::from_fn(|index| {
        texts.get(index).unwrap_or(last).as_str()
    }))
}

/// Repeats the decision until every name that it depends on has been looked up.
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
