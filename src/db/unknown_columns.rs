//! Fills columns that others have added to the site's tables and that have no default.
//!
//! WordPress's session is not strict and stores the type's implicit default there; ours is strict and refuses the row
//! (error 1364). So the statements that insert rows name such columns, too, with the value that a session that is not
//! strict would store. They are read when a row is first refused, which costs calls nothing as long as there are none.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::additions::{Addition, Additions};
use super::{
    Cause, Connection, DatabaseError, Doing, Pool, Statement, Statements, TableNames, site_tables,
};

const UNKNOWN_COLUMNS: &str = include_str!("../../sql/checks/unknown_columns.sql");

/// What a session that is not strict stores in a column of this type (`DATA_TYPE` of the `information_schema`) that has
/// no default and is not named; `None` if it refuses the row as well, if the type is unknown, or for `MariaDB`'s
/// geometries, where it stores what no statement can.
pub fn implicit_default(data_type: &str) -> Option<&'static str> {
    Some(match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float"
        | "double" | "bit" | "year" => "0",
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "binary"
        | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "set" => "''",
        // By its index: the first value.
        "enum" => "1",
        "date" => "'0000-00-00'",
        "time" => "'00:00:00'",
        "datetime" | "timestamp" => "'0000-00-00 00:00:00'",
        "json" => "'null'",
        "uuid" => "'00000000-0000-0000-0000-000000000000'",
        "inet4" => "'0.0.0.0'",
        "inet6" => "'::'",
        _ => return None,
    })
}

#[derive(FromRow)]
struct ColumnRow {
    table_name: String,
    name: String,
    data_type: String,
}

/// Runs work that inserts rows into the site's tables. If a row is refused, reads the columns that others added again,
/// and if they have changed repeats the work, which must have been rolled back.
///
/// # Errors
/// Those of the work.
pub async fn follow_columns<T, E: Cause, F: Future<Output = Result<T, E>>>(
    pool: &Pool,
    statements: &Statements,
    tables: &TableNames,
    mut work: impl FnMut() -> F,
) -> Result<T, E> {
    let additions = statements.additions();
    let changes = additions.changes();
    let result = work().await;
    let error = result.as_ref().err().and_then(Cause::database);
    // As long as none were known, only a new one can be in the way.
    let were_some = changes != additions.changes() || !additions.is_empty();
    let is_worth_a_look =
        error.is_some_and(|error| error.lacks_default() || (were_some && error.concerns_columns()));
    if !is_worth_a_look {
        return result;
    }
    let read = pool.work(async |connection| read(connection, additions, tables, changes).await);
    match read.await {
        Ok(true) => work().await,
        _ => result,
    }
}

/// Reads the columns that others added again if there were any: they may be gone, or have a default by now.
///
/// # Errors
/// The query failed.
pub async fn refresh_columns(
    pool: &Pool,
    statements: &Statements,
    tables: &TableNames,
) -> Result<(), DatabaseError> {
    let additions = statements.additions();
    if additions.is_empty() {
        return Ok(());
    }
    let changes = additions.changes();
    let read = pool.work(async |connection| read(connection, additions, tables, changes).await);
    read.await.map(drop)
}

/// Reads them unless that has happened since `changes`. Returns whether they have changed since then.
async fn read(
    connection: &mut Connection,
    additions: &Additions,
    tables: &TableNames,
    changes: u64,
) -> Result<bool, DatabaseError> {
    let _alone = additions.alone().await;
    if additions.changes() == changes {
        additions.replace(find(connection, tables).await?);
    }
    Ok(additions.changes() != changes)
}

async fn find(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<BTreeMap<String, Addition>, DatabaseError> {
    let written: Vec<_> = site_tables(tables)
        .filter(|table| !table.inserts.is_empty())
        .map(|table| (table.full_name(tables), table.inserts))
        .collect();
    let sql = Statement::render(UNKNOWN_COLUMNS, tables).repeated(written.len());
    let query = written
        .iter()
        .fold(sqlx::query_as(sql), |query, (name, _)| query.bind(name));
    let rows: Vec<ColumnRow> = query
        .fetch_all(connection)
        .await
        .doing("look for columns without a default")?;
    let mut found: BTreeMap<String, Addition> = BTreeMap::new();
    for ColumnRow {
        table_name,
        name,
        data_type,
    } in rows
    {
        // A server may report table names in lower case.
        let table = written
            .iter()
            .find(|(table, _)| table.eq_ignore_ascii_case(&table_name));
        let Some((table, inserts)) = table else {
            continue;
        };
        let is_ours = inserts.iter().any(|ours| ours.eq_ignore_ascii_case(&name));
        if is_ours || !is_plain(&name) {
            continue;
        }
        let Some(value) = implicit_default(&data_type.to_ascii_lowercase()) else {
            continue;
        };
        let addition = found.entry(table.clone()).or_default();
        addition.columns.extend([", `", name.as_str(), "`"]);
        addition.values.extend([", ", value]);
    }
    Ok(found)
}

/// Whether a name can stand between backticks, and in a statement that has placeholders.
fn is_plain(name: &str) -> bool {
    !name.contains(['`', '?', '{', '}', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_that_inserts_rows_into_the_sites_tables_fills_them() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let tables = tables.of_blog(2, "wp_2_").unwrap();
        let statements = Statements::render(&tables);
        let addition = Addition {
            columns: ", `theirs`".to_owned(),
            values: ", 'value'".to_owned(),
        };
        let written = site_tables(&tables).filter(|table| !table.inserts.is_empty());
        let written = written.map(|table| (table.full_name(&tables), addition.clone()));
        statements.additions().replace(written.collect());
        let mut filling = 0;
        for (name, statement) in statements.all() {
            let sql = statement.repeated(2);
            let mut words = sql.as_str().split_whitespace();
            let table = words.by_ref().skip_while(|word| *word != "INTO").nth(1);
            let is_filled = table.is_some_and(|table| statements.additions().of(table).is_some());
            for added in ["`theirs`", "'value'"] {
                assert_eq!(sql.as_str().contains(added), is_filled, "{name}");
            }
            filling += usize::from(is_filled);
        }
        assert_eq!(filling, 10);
    }
}
