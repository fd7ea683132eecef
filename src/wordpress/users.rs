//! Inserts and locks rows of the users table. Mirrors `wp_insert_user`; `spam` and `deleted`, which a network adds,
//! keep their default 0, the value that it writes.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::time::format;
use crate::db::{Answer, Batch, DatabaseError, Doing, Literal, Statements};

/// A row to insert; all values as stored.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    /// `user_login`, 60 characters at most.
    pub login: &'a str,
    /// The hash for `user_pass`.
    pub password_hash: &'a str,
    /// `user_nicename`, 50 characters at most.
    pub nicename: &'a str,
    /// `user_email`, 100 characters at most.
    pub email: &'a str,
    /// `display_name`, 250 characters at most.
    pub display_name: &'a str,
    /// `user_registered`, stored in UTC to the second.
    pub registered: DateTime<Utc>,
}

impl NewUser<'_> {
    /// Adds the statement that inserts the row; its answer has the user's id.
    pub fn insert_in(&self, batch: &mut Batch, statements: &Statements) -> usize {
        let registered = format(self.registered.naive_utc());
        let literals = [
            self.password_hash.into(),
            self.nicename.into(),
            self.email.into(),
            Literal::Text(&registered),
            self.display_name.into(),
            self.login.into(),
        ];
        batch.add(&statements.insert_user, "insert the user", &literals)
    }
}

/// An existing user, locked for the rest of the transaction.
#[derive(Clone, Debug, FromRow)]
pub struct LockedUser {
    /// Whether there is a community profile.
    pub has_profile: bool,
}

/// Adds the statement that locks a user's row; [`LockedUser::read`] reads its answer.
pub fn lock_in(batch: &mut Batch, statements: &Statements, user_id: u64) -> usize {
    batch.add(&statements.lock_user, LOCK, &[user_id.into()])
}

const LOCK: &str = "lock the user";

impl LockedUser {
    /// `None` if the user was deleted in the meantime.
    ///
    /// # Errors
    /// The row does not have the expected columns.
    pub fn read(answer: &Answer) -> Result<Option<Self>, DatabaseError> {
        let row = answer.rows.first();
        row.map(Self::from_row).transpose().doing(LOCK)
    }
}

/// A user's row, as far as a profile is made of it.
#[derive(Clone, Debug, FromRow)]
pub struct UserRow {
    /// `user_login`.
    pub user_login: String,
    /// `user_nicename`.
    pub user_nicename: String,
    /// `user_url`.
    pub user_url: String,
    /// `user_registered`, a UTC literal; may be the zero date.
    pub user_registered: String,
    /// `display_name`.
    pub display_name: String,
}

const READ: &str = "read the user";

impl UserRow {
    /// Adds the statement that reads a user's row; [`UserRow::read`] reads its answer.
    pub fn ask_in(batch: &mut Batch, statements: &Statements, user_id: u64) -> usize {
        batch.add(&statements.user_without_profile, READ, &[user_id.into()])
    }

    /// `None` if there is no such user.
    ///
    /// # Errors
    /// The row does not have the expected columns.
    pub fn read(answer: &Answer) -> Result<Option<Self>, DatabaseError> {
        let row = answer.rows.first();
        row.map(Self::from_row).transpose().doing(READ)
    }
}
