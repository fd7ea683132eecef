//! Claims: locks on the names of a user who is being created. WordPress's schema has no unique key on them, and we must
//! not add one. Instead, a call inserts a row into our own table first and deletes it before the commit, which makes
//! colliding calls wait for each other. The sites of a network share that table because they share their users.
//!
//! On a Galera cluster locks are local to a node, and nodes agree at commit on rows only: two transactions conflict if
//! they write the same row. The claims of new users are such rows. A call for a known user locks the user's row, which
//! writes nothing, so on a cluster it also claims the user.

use crate::db::{Batch, Connection, DatabaseError, Literal, Statements};

/// The kind of a name, and the name.
pub(super) type Claim = (&'static str, String);

/// `user_email`.
pub(super) const EMAIL: &str = "email";
/// A name, whether it becomes a `user_login`, a `user_nicename` or the `username` of a community profile: mostly all three are
/// the same, and one row is cheaper than three.
pub(super) const NAME: &str = "login";

/// The user count of a network, stored in a table without a unique key.
pub(super) const USER_COUNT: &str = "user_count";
/// A user's id; used on a cluster only.
pub(super) const USER: &str = "user";

/// The claims held by a transaction.
#[derive(Debug)]
pub(super) struct Claims {
    call_id: [u8; 16],
    held: Vec<Claim>,
}

impl Claims {
    /// No claims yet, for one call.
    pub(super) fn of_call(call_id: [u8; 16]) -> Self {
        Self {
            call_id,
            held: Vec::new(),
        }
    }

    /// No claims yet, for work that belongs to no call.
    pub(super) fn of_nobody() -> Self {
        Self::of_call(rand::random())
    }

    /// Adds the statement that takes the claims not yet held, and waits for other holders. Kinds are always claimed in
    /// the same order, so that two calls rarely deadlock.
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

    /// The same, but runs it at once.
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

    /// Adds the statement that deletes all claims; it must be the last one before the commit.
    pub(super) fn free_in(&self, batch: &mut Batch, statements: &Statements) {
        if !self.held.is_empty() {
            let call = Literal::Bytes(&self.call_id);
            batch.add(&statements.free_claims, "free the claimed names", &[call]);
        }
    }
}
