//! Writes rows of the usermeta table. Mirrors the part of `wp_insert_user` that writes them, and `update_user_meta`.

use super::roles;
use super::sanitize::meta_value;
use super::version::Version;
use crate::db::{Batch, Connection, DatabaseError, Doing, Literal, Statements};

/// The input for a new user's meta rows.
#[derive(Clone, Debug)]
pub struct NewUserMeta<'a> {
    /// The filtered login.
    pub nickname: &'a str,
    /// Filtered, empty if none.
    pub first_name: &'a str,
    /// Filtered, empty if none.
    pub last_name: &'a str,
    /// The role's slug; may be empty or unknown.
    pub role: &'a str,
    /// From the role's capabilities.
    pub user_level: u8,
}

impl NewUserMeta<'_> {
    /// Keys and values in the order in which WordPress inserts them. `prefix` is the blog's.
    pub fn rows(&self, prefix: &str, version: Version) -> Vec<(String, String)> {
        let row = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let guarded = |key: &str, value: &str| {
            (
                key.to_owned(),
                meta_value::guard(value, version).into_owned(),
            )
        };
        let mut rows = vec![
            guarded("nickname", self.nickname),
            guarded("first_name", self.first_name),
            guarded("last_name", self.last_name),
            row("description", ""),
            row("rich_editing", "true"),
            row("syntax_highlighting", "true"),
        ];
        if version.has_infinite_scrolling_meta() {
            rows.push(row("infinite_scrolling", "true"));
        }
        rows.extend([
            row("comment_shortcuts", "false"),
            row("admin_color", version.default_admin_color()),
            row("use_ssl", "0"),
            row("show_admin_bar_front", "true"),
            row("locale", ""),
            (
                format!("{prefix}capabilities"),
                roles::capabilities_value(self.role),
            ),
            (format!("{prefix}user_level"), self.user_level.to_string()),
        ]);
        rows
    }
}

/// Rows to write for a user: keys and values as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaRows {
    /// Rows for keys that the user already has.
    pub update: Vec<(String, String)>,
    /// Rows for new keys, in order.
    pub insert: Vec<(String, String)>,
}

impl MetaRows {
    /// Adds the statements that write them.
    pub fn write_in(&self, batch: &mut Batch, statements: &Statements, user_id: u64) {
        for (key, value) in &self.update {
            let literals = [value.into(), user_id.into(), key.into()];
            batch.add(&statements.update_usermeta, "update user meta", &literals);
        }
        if !self.insert.is_empty() {
            insert_in(batch, statements, user_id, &self.insert);
        }
    }
}

fn insert_in(batch: &mut Batch, statements: &Statements, user_id: u64, rows: &[(String, String)]) {
    let literals: Vec<Literal<'_>> = rows
        .iter()
        .flat_map(|(key, value)| [user_id.into(), key.into(), value.into()])
        .collect();
    batch.add(&statements.insert_usermeta, "insert user meta", &literals);
}

/// Sets one meta value, inserting the row if it is missing. `value` is the stored form.
///
/// # Errors
/// A statement failed.
pub async fn update(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
    key: &str,
    value: &[u8],
) -> Result<(), DatabaseError> {
    let value = String::from_utf8_lossy(value).into_owned();
    let updated = sqlx::query(statements.update_usermeta.sql())
        .bind(&value)
        .bind(user_id)
        .bind(key)
        .execute(&mut *connection)
        .await
        .doing("update user meta")?;
    // The driver requests the number of matched rows, so an unchanged value counts.
    if updated.rows_affected() == 0 {
        let mut batch = Batch::of(statements);
        insert_in(&mut batch, statements, user_id, &[(key.to_owned(), value)]);
        batch.run(connection).await?;
    }
    Ok(())
}
