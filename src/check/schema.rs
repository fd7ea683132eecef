//! Reads the schema of the site's tables: engines, columns, indexes.

use std::collections::BTreeMap;

use sqlx::FromRow;
use sqlx::mysql::MySqlRow;

use crate::db::{Connection, DatabaseError, Doing, Purpose, Statement, TableNames, site_tables};

const TABLES_SQL: &str = include_str!("../../sql/checks/tables.sql");
const COLUMNS_SQL: &str = include_str!("../../sql/checks/columns.sql");
const INDEXES_SQL: &str = include_str!("../../sql/checks/indexes.sql");

/// Tables that exist only on a network of sites.
const NETWORK_TABLES: [&str; 2] = ["blogs", "sitemeta"];

/// The relevant tables that the account can see.
pub(super) struct Schema {
    pub(super) names: TableNames,
    pub(super) engines: BTreeMap<String, Option<String>>,
    pub(super) columns: BTreeMap<String, Vec<Column>>,
    pub(super) indexes: BTreeMap<String, Vec<FoundIndex>>,
    refuses_zero_dates: bool,
}

/// A column.
#[derive(FromRow)]
pub(super) struct Column {
    table_name: String,
    pub(super) name: String,
    pub(super) charset: Option<String>,
    /// `auto_increment`, `STORED GENERATED` and the like.
    pub(super) extra: String,
    /// `varchar` and the like.
    pub(super) data_type: String,
    /// Whether a strict session refuses an INSERT that does not name it.
    pub(super) needs_value: bool,
}

#[derive(FromRow)]
struct TableRow {
    name: String,
    engine: Option<String>,
    folds_case: bool,
    refuses_zero_dates: bool,
}

#[derive(FromRow)]
struct IndexRow {
    table_name: String,
    name: String,
    is_unique: bool,
    column_name: Option<String>,
}

/// An index with its columns in order.
pub(super) struct FoundIndex {
    pub(super) name: String,
    pub(super) is_unique: bool,
    pub(super) columns: Vec<String>,
}

impl Schema {
    pub(super) async fn read(
        connection: &mut Connection,
        names: &TableNames,
    ) -> Result<Self, DatabaseError> {
        let mut wanted: Vec<String> = site_tables(names).map(|t| t.full_name(names)).collect();
        wanted.extend(network_tables(names));
        let tables: Vec<TableRow> = rows(connection, TABLES_SQL, names, &wanted).await?;
        // A server that folds names to lower case reports them that way, whatever the prefix.
        let spell = |name: String| {
            let folds = tables.iter().any(|table| table.folds_case);
            let alike = |wanted: &&String| folds && wanted.eq_ignore_ascii_case(&name);
            wanted.iter().find(alike).cloned().unwrap_or(name)
        };
        let engines = tables
            .iter()
            .map(|table| (spell(table.name.clone()), table.engine.clone()));
        let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for column in rows::<Column>(connection, COLUMNS_SQL, names, &wanted).await? {
            let table = columns.entry(spell(column.table_name.clone())).or_default();
            table.push(column);
        }
        let found = rows(connection, INDEXES_SQL, names, &wanted).await?;
        let indexes = indexes(found).into_iter();
        Ok(Self {
            names: names.clone(),
            refuses_zero_dates: tables.iter().any(|table| table.refuses_zero_dates),
            engines: engines.collect(),
            columns,
            indexes: indexes
                .map(|(table, found)| (spell(table), found))
                .collect(),
        })
    }

    /// The statement that changes a table, for the operator to run.
    pub(super) fn alter(&self, table: &str, change: &str) -> String {
        let session = if self.refuses_zero_dates {
            "SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_ZERO_DATE', ''); "
        } else {
            ""
        };
        format!("{session}ALTER TABLE {table} {change};")
    }

    /// Tables of a network that exist.
    pub(super) fn network_tables(&self) -> Vec<String> {
        let mut names = network_tables(&self.names);
        names.retain(|name| self.engines.contains_key(name));
        names
    }

    /// The tables needed for these purposes that are missing.
    pub(super) fn missing(&self, purposes: &[Purpose]) -> Vec<String> {
        let wanted = site_tables(&self.names).filter(|table| purposes.contains(&table.purpose));
        wanted
            .map(|table| table.full_name(&self.names))
            .filter(|name| !self.engines.contains_key(name))
            .collect()
    }
}

/// With the prefix of a network's later site (`wp_2_`), the network's own tables have the shorter one.
fn network_tables(names: &TableNames) -> Vec<String> {
    let prefix = names.prefix();
    let without_number = prefix
        .strip_suffix('_')
        .map(|rest| rest.trim_end_matches(|c: char| c.is_ascii_digit()));
    let base = without_number.filter(|base| base.ends_with('_') && base.len() + 1 < prefix.len());
    let prefixes = [Some(prefix), base].into_iter().flatten();
    prefixes
        .flat_map(|prefix| NETWORK_TABLES.map(|name| format!("{prefix}{name}")))
        .collect()
}

fn indexes(rows: Vec<IndexRow>) -> BTreeMap<String, Vec<FoundIndex>> {
    let mut tables: BTreeMap<String, Vec<FoundIndex>> = BTreeMap::new();
    for row in rows {
        let indexes = tables.entry(row.table_name).or_default();
        // An index part that is an expression has no column name.
        let column = row.column_name.unwrap_or_default();
        match indexes.last_mut() {
            Some(index) if index.name == row.name => index.columns.push(column),
            _ => indexes.push(FoundIndex {
                name: row.name,
                is_unique: row.is_unique,
                columns: vec![column],
            }),
        }
    }
    tables
}

async fn rows<R: for<'r> FromRow<'r, MySqlRow> + Send + Unpin>(
    connection: &mut Connection,
    sql: &'static str,
    names: &TableNames,
    tables: &[String],
) -> Result<Vec<R>, DatabaseError> {
    let sql = Statement::render(sql, names).repeated(tables.len());
    let query = tables
        .iter()
        .fold(sqlx::query_as(sql), sqlx::query::QueryAs::bind);
    query
        .fetch_all(connection)
        .await
        .doing("read the structure of the tables")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_of_a_network_knows_the_networks_tables() {
        for (prefix, tables) in [
            ("wp_", vec!["wp_blogs", "wp_sitemeta"]),
            (
                "wp_2_",
                vec!["wp_2_blogs", "wp_2_sitemeta", "wp_blogs", "wp_sitemeta"],
            ),
            ("wp2_", vec!["wp2_blogs", "wp2_sitemeta"]),
        ] {
            let names = TableNames::new(prefix, None, None).unwrap();
            assert_eq!(network_tables(&names), tables, "{prefix}");
        }
    }
}
