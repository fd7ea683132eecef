//! Compares our tables, and the ledger of what was done, with what should be there.

use std::fmt;

use super::gaps::{self, GapKind};
use super::list::MIGRATIONS;
use crate::db::{Connection, DatabaseError, Doing, Statement, TableNames};

/// The state of our tables.
#[derive(Clone, Debug, Default)]
pub struct OwnTables {
    /// How many migrations have not been applied; `None` if the ledger itself is missing.
    missing: Option<usize>,
    /// What is not there although the ledger says so.
    gaps: Vec<String>,
}

impl OwnTables {
    /// Whether everything is there.
    pub fn is_complete(&self) -> bool {
        self.missing == Some(0) && self.gaps.is_empty()
    }

    /// The command that makes what is missing.
    pub const REMEDY: &str =
        "run \"fcom-sidecar migrate\" with an account that may CREATE, ALTER and INDEX";
}

/// What is missing.
impl fmt::Display for OwnTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missing {
            None => f.write_str("the sidecar's own tables are not there yet"),
            Some(0) if self.gaps.is_empty() => f.write_str("the sidecar's own tables are complete"),
            Some(0) => f.write_str(&self.gaps.join("; ")),
            Some(count) => write!(f, "{count} migrations have not been applied"),
        }
    }
}

/// Compares our tables with what they should be.
///
/// # Errors
/// The query failed, or a table is hidden from the account.
pub async fn own_tables(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<OwnTables, DatabaseError> {
    let gaps = gaps::gaps(&mut *connection, tables).await?;
    let ledger = gaps.first().filter(|gap| gap.is_of_ledger());
    let missing = match ledger.map(|gap| &gap.kind) {
        Some(GapKind::Table) => None,
        // It can be read only when it has been mended.
        Some(GapKind::Parts(_)) => Some(0),
        None => missing_of_ledger(connection, tables).await?,
    };
    Ok(OwnTables {
        missing,
        gaps: gaps.iter().map(ToString::to_string).collect(),
    })
}

/// How many migrations have not been applied or have to be applied again; `None` when the ledger itself is missing.
///
/// # Errors
/// As [`own_tables`].
pub async fn missing_migrations(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<Option<usize>, DatabaseError> {
    let state = own_tables(connection, tables).await?;
    Ok(state.missing.map(|missing| missing + state.gaps.len()))
}

/// How many migrations the ledger lacks; `None` when it is missing.
async fn missing_of_ledger(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<Option<usize>, DatabaseError> {
    let applied: Result<Vec<i64>, _> = sqlx::query_scalar(Statement::render(APPLIED, tables).sql())
        .fetch_all(connection)
        .await
        .doing("read which migrations were applied");
    match applied {
        Ok(applied) => Ok(Some(
            MIGRATIONS
                .iter()
                .filter(|(version, ..)| !applied.contains(version))
                .count(),
        )),
        Err(error) if error.is_missing_table() => Ok(None),
        Err(error) => Err(error),
    }
}

const APPLIED: &str = "SELECT version FROM {prefix}fcom_sidecar_schema WHERE success";
