//! Compares our tables with what they should be. A table may be dropped, restored from an old dump or lose a column
//! while the ledger still says that it was made.

use std::fmt;

use sqlx::FromRow;
use sqlx::mysql::MySqlRow;

use super::blueprint::{Blueprint, Column, Index, blueprints};
use super::list::LEDGER;
use crate::db::{Connection, DatabaseError, Doing, Statement, TableNames};

const COLUMNS: &str = include_str!("../../../sql/checks/own_columns.sql");
const INDEXES: &str = include_str!("../../../sql/checks/own_indexes.sql");
const DOING: &str = "compare the sidecar's tables with what they should be";

/// What one table lacks.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    pub(super) table: Blueprint,
    pub(super) kind: GapKind,
}

/// See [`Gap`].
#[derive(Clone, Debug)]
pub(super) enum GapKind {
    /// There is no such table.
    Table,
    /// The table lacks parts.
    Parts(Parts),
}

/// Parts of a table that are missing or not as they should be.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// The columns that are there, in order.
    pub(super) present: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// The column that numbers the rows, but no longer by itself.
    pub(super) counter: Option<Column>,
    pub(super) indexes: Vec<Index>,
    /// Of these, those that are there with other columns: an index loses a column together with its table.
    pub(super) damaged: Vec<&'static str>,
}

impl Gap {
    pub(super) fn is_of_ledger(&self) -> bool {
        self.table.text == LEDGER
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, kind } = self;
        let GapKind::Parts(parts) = kind else {
            return write!(f, "{} is missing", table.name);
        };
        let columns = parts.columns.iter();
        let columns = columns.map(|column| format!("the column {}", column.name));
        let counter = parts.counter.iter();
        let counter = counter.map(|column| format!("AUTO_INCREMENT of {}", column.name));
        let indexes = parts.indexes.iter();
        let indexes = indexes.map(|index| format!("the index {}", index.name));
        let lacking: Vec<String> = columns.chain(counter).chain(indexes).collect();
        write!(f, "{} lacks {}", table.name, lacking.join(", "))
    }
}

#[derive(FromRow)]
struct FoundColumn {
    table_name: String,
    name: String,
    is_counter: bool,
    folds_case: bool,
}

#[derive(FromRow)]
struct FoundIndex {
    table_name: String,
    name: String,
    column_name: String,
    folds_case: bool,
}

/// Everything that our tables lack. The ledger comes first.
pub(super) async fn gaps(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<Vec<Gap>, DatabaseError> {
    let blueprints = blueprints(tables);
    let columns: Vec<FoundColumn> = ask(connection, COLUMNS, tables, &blueprints).await?;
    let indexes: Vec<FoundIndex> = ask(connection, INDEXES, tables, &blueprints).await?;
    let mut gaps = Vec::new();
    for table in blueprints {
        let is_of = |name: &str, folds_case: bool| {
            name == table.name || folds_case && name.eq_ignore_ascii_case(&table.name)
        };
        let columns: Vec<&FoundColumn> = columns
            .iter()
            .filter(|column| is_of(&column.table_name, column.folds_case))
            .collect();
        let indexes: Vec<&FoundIndex> = indexes
            .iter()
            .filter(|index| is_of(&index.table_name, index.folds_case))
            .collect();
        let kind = if columns.is_empty() {
            if is_hidden(connection, tables, &table).await? {
                continue;
            }
            GapKind::Table
        } else {
            match parts(&table, &columns, &indexes) {
                Some(parts) => GapKind::Parts(parts),
                None => continue,
            }
        };
        gaps.push(Gap { table, kind });
    }
    Ok(gaps)
}

fn parts(table: &Blueprint, columns: &[&FoundColumn], indexes: &[&FoundIndex]) -> Option<Parts> {
    let found = |wanted: &Column| columns.iter().find(|one| one.name == wanted.name);
    let mut parts = Parts {
        present: columns.iter().map(|one| one.name.clone()).collect(),
        ..Parts::default()
    };
    for column in &table.columns {
        match found(column) {
            None => parts.columns.push(*column),
            Some(one) if column.is_counter() && !one.is_counter => parts.counter = Some(*column),
            Some(_) => {}
        }
    }
    for index in &table.indexes {
        let of_index = indexes.iter().filter(|one| one.name == index.name);
        let of_index: Vec<&str> = of_index.map(|one| one.column_name.as_str()).collect();
        if of_index == index.columns {
            continue;
        }
        if !of_index.is_empty() {
            parts.damaged.push(index.name);
        }
        parts.indexes.push(index.clone());
    }
    let is_whole = parts.columns.is_empty() && parts.counter.is_none() && parts.indexes.is_empty();
    (!is_whole).then_some(parts)
}

/// Whether the account sees no column because it has no privilege on the table; the statements that need one say so.
async fn is_hidden(
    connection: &mut Connection,
    tables: &TableNames,
    table: &Blueprint,
) -> Result<bool, DatabaseError> {
    let probe = format!("SELECT 1 FROM {} WHERE 0 = 1", table.token);
    let probed = sqlx::query(Statement::render(&probe, tables).sql())
        .fetch_optional(connection)
        .await
        .doing(DOING);
    match probed {
        Err(error) if error.is_missing_table() => Ok(false),
        Err(error) if !error.is_denied() => Err(error),
        _ => Ok(true),
    }
}

async fn ask<R: for<'r> FromRow<'r, MySqlRow> + Send + Unpin>(
    connection: &mut Connection,
    sql: &str,
    tables: &TableNames,
    blueprints: &[Blueprint],
) -> Result<Vec<R>, DatabaseError> {
    let sql = Statement::render(sql, tables).repeated(blueprints.len());
    let names = blueprints.iter().map(|table| table.name.as_str());
    let query = names.fold(sqlx::query_as(sql), sqlx::query::QueryAs::bind);
    query.fetch_all(connection).await.doing(DOING)
}
