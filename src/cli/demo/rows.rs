//! Prints rows for people: one `column: value` per line.

use anyhow::Context;
use sqlx::mysql::MySqlRow;
use sqlx::{Column, Row};

use super::super::terminal::say;
use crate::db::{Connection, Statement, TableNames};

/// Heading and query; every column is cast to text.
type Query = (&'static str, &'static str);

/// The webhook that created the user.
pub(super) const WEBHOOK: [Query; 1] = [(
    "{prefix}fcom_meta",
    "SELECT value AS webhook FROM {prefix}fcom_meta WHERE id = \
         (SELECT MAX(webhook_id) FROM {prefix}fcom_sidecar_runs WHERE user_id = ?)",
)];

/// Everything that a call writes for one user.
pub(super) const ALL: [Query; 6] = [
    (
        "{users}",
        "SELECT CAST(ID AS CHAR) AS `ID`, user_login, user_pass, user_nicename, user_email, \
         CAST(user_registered AS CHAR) AS user_registered, display_name FROM {users} WHERE ID = ?",
    ),
    (
        "{usermeta}",
        "SELECT GROUP_CONCAT(meta_key, ' = ', meta_value ORDER BY umeta_id SEPARATOR '\\n    ') AS meta \
         FROM {usermeta} WHERE user_id = ?",
    ),
    (
        "{prefix}fcom_xprofile",
        "SELECT username, display_name, CAST(status AS CHAR) AS status, meta, \
         CAST(created_at AS CHAR) AS created_at FROM {prefix}fcom_xprofile WHERE user_id = ?",
    ),
    (
        "{prefix}fcom_space_user",
        "SELECT GROUP_CONCAT(s.title, ': ', m.role, ', ', m.status ORDER BY m.id SEPARATOR '\\n    ') AS memberships \
         FROM {prefix}fcom_space_user m JOIN {prefix}fcom_spaces s ON s.id = m.space_id \
         WHERE m.user_id = ?",
    ),
    WEBHOOK[0],
    (
        "{prefix}fcom_sidecar_mail",
        "SELECT CAST(id AS CHAR) AS id, state, CAST(next_attempt_at AS CHAR) AS next_attempt_at \
         FROM {prefix}fcom_sidecar_mail WHERE user_id = ?",
    ),
];

/// Prints the rows of `user_id`.
pub(super) async fn show(
    connection: &mut Connection,
    tables: &TableNames,
    user_id: u64,
    queries: &[Query],
) -> anyhow::Result<()> {
    for (heading, query) in queries {
        let heading = Statement::render(heading, tables);
        say("");
        say(heading.sql().as_str());
        let rows = sqlx::query(Statement::render(query, tables).sql())
            // Bound as text: fcom_space_user.user_id is a text column.
            .bind(user_id.to_string())
            .fetch_all(&mut *connection)
            .await?;
        rows.iter()
            .try_for_each(show_row)
            .with_context(|| format!("cannot show {query}"))?;
    }
    Ok(())
}

fn show_row(row: &MySqlRow) -> anyhow::Result<()> {
    for column in row.columns() {
        let value: Option<String> = row.try_get(column.ordinal())?;
        let value = value.as_deref().unwrap_or("NULL");
        let shown = format!("  {}: {value}", column.name());
        shown.split('\n').for_each(say);
    }
    Ok(())
}
