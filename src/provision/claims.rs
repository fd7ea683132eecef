//! Claims: locks on the names of a user who is being created. WordPress's schema has no unique key on them, and ours must
//! not add one; a row in our own table, inserted first and deleted before the commit, makes colliding calls wait for
//! each other instead.

use crate::db::{Connection, DatabaseError, Doing, Statements};

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

    /// Takes what is not held yet, and waits for whoever holds it. Always in the same order of kinds, so that two calls
    /// rarely wait for each other in a circle.
    pub(super) async fn take(
        &mut self,
        connection: &mut Connection,
        statements: &Statements,
        mut claims: Vec<Claim>,
    ) -> Result<(), DatabaseError> {
        claims.retain(|claim| !self.held.contains(claim));
        if claims.is_empty() {
            return Ok(());
        }
        let sql = statements.claim.repeated(claims.len());
        let query = claims.iter().fold(sqlx::query(sql), |query, (kind, name)| {
            query.bind(*kind).bind(name).bind(&self.call_id[..])
        });
        query
            .execute(connection)
            .await
            .doing("claim the new user's names")?;
        self.held.append(&mut claims);
        Ok(())
    }

    /// Deletes all of them; the last thing before the commit.
    pub(super) async fn free(
        self,
        connection: &mut Connection,
        statements: &Statements,
    ) -> Result<(), DatabaseError> {
        if self.held.is_empty() {
            return Ok(());
        }
        sqlx::query(statements.free_claims.sql())
            .bind(&self.call_id[..])
            .execute(connection)
            .await
            .doing("free the claimed names")?;
        Ok(())
    }
}
