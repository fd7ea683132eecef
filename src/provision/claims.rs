//! Claims: locks on the names of a user who is being created. WordPress's schema has no unique key on them, and ours must
//! not add one; a row in our own table, inserted first and deleted before the commit, makes colliding calls wait for
//! each other instead. The sites of a network share that table as they share their users.
//!
//! On a Galera cluster locks stay on their node, and what nodes agree on at commit is rows: two transactions conflict if they
//! write the same one. The claims of new users are such rows. A call for a known user locks the user's row, which writes
//! nothing, so there it claims the user, too.

use crate::db::{Batch, Connection, DatabaseError, Literal, Statements};

/// A kind of name and the name.
pub(super) type Claim = (&'static str, String);

/// `user_email`.
pub(super) const EMAIL: &str = "email";
/// `user_login`.
pub(super) const LOGIN: &str = "login";
/// `user_nicename`.
pub(super) const NICENAME: &str = "nicename";
/// `username` of a community profile.
pub(super) const USERNAME: &str = "username";

/// The count of a network's users, kept in a table without a unique key.
pub(super) const USER_COUNT: &str = "user_count";
/// A user's id; on a cluster only.
pub(super) const USER: &str = "user";

/// The claims that a transaction holds.
#[derive(Debug)]
pub(super) struct Claims {
    call_id: [u8; 16],
    held: Vec<Claim>,
}

impl Claims {
    /// None yet, for one call.
    pub(super) fn of_call(call_id: [u8; 16]) -> Self {
        Self {
            call_id,
            held: Vec::new(),
        }
    }

    /// None yet, for work that belongs to no call.
    pub(super) fn of_nobody() -> Self {
        Self::of_call(rand::random())
    }

    /// Adds the statement that takes what is not held yet, and waits for whoever holds it. Always in the same order of
    /// kinds, so that two calls rarely wait for each other in a circle.
    pub(super) fn take_in(
        &mut self,
        batch: &mut Batch,
        statements: &Statements,
        mut claims: Vec<Claim>,
    ) {
        claims.retain(|claim| !self.held.contains(claim));
        if claims.is_empty() {
            return;
        }
        let literals: Vec<Literal<'_>> = claims
            .iter()
            .flat_map(|(kind, name)| [(*kind).into(), name.into(), Literal::Bytes(&self.call_id)])
            .collect();
        batch.add(&statements.claim, "claim names or a user", &literals);
        self.held.append(&mut claims);
    }

    /// The same, at once.
    pub(super) async fn take(
        &mut self,
        connection: &mut Connection,
        statements: &Statements,
        claims: Vec<Claim>,
    ) -> Result<(), DatabaseError> {
        let mut batch = Batch::of(statements);
        self.take_in(&mut batch, statements, claims);
        batch.run(connection).await?;
        Ok(())
    }

    /// Adds the statement that deletes all of them; the last one before the commit.
    pub(super) fn free_in(&self, batch: &mut Batch, statements: &Statements) {
        if !self.held.is_empty() {
            let call = Literal::Bytes(&self.call_id);
            batch.add(&statements.free_claims, "free the claimed names", &[call]);
        }
    }
}
