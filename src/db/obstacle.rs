//! What keeps a database that answers from being written to safely. `serve` takes no call while there is an obstacle;
//! `check` tells the same and more.

use std::collections::BTreeMap;

use sqlx::mysql::MySqlRow;
use sqlx::{FromRow, Row};

use super::{Connection, DatabaseError, Doing, Purpose, Statement, TableNames, site_tables};

/// Why no call may be carried out here. Says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The server refuses every write of a READ COMMITTED transaction (error 1665).
    #[error(
        "the server writes its binary log in the format STATEMENT, and so refuses every write at READ COMMITTED: \
         set binlog_format to ROW or MIXED"
    )]
    StatementBinaryLog,
    /// A table without transactions: a call could be half done.
    #[error(
        "the table {table} is {engine}, which knows no transactions: a call could be half done. \
         After a backup: ALTER TABLE {table} ENGINE = InnoDB;"
    )]
    NoTransactions {
        /// Its whole name.
        table: String,
        /// As the server calls it.
        engine: String,
    },
    /// A network of sites, of which nobody has chosen one.
    #[error(
        "the tables of a network are there ({0}blogs, {0}sitemeta), and nothing says which of its sites is served: set \
         wordpress.blog_id or wordpress.root"
    )]
    UndeclaredNetwork(String),
    /// The chosen site is not there.
    #[error("the network has no site {0}: set wordpress.blog_id to the id of one that it has")]
    NoSuchSite(u64),
    /// Nobody but the site's owner knows which bytes such a column really holds.
    #[error(
        "{table}.{column} holds {charset} text: names would be written in another way than PHP writes them, so the table must \
         be converted to utf8mb4 first"
    )]
    NoUnicode {
        /// The table's whole name.
        table: String,
        /// A column with text.
        column: String,
        /// Its character set.
        charset: String,
    },
}

const VARIABLES: &str =
    "SHOW SESSION VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')";
const ENGINES: &str = include_str!("../../sql/checks/engines.sql");
const CHARSETS: &str = include_str!("../../sql/checks/charsets.sql");

/// The first obstacle, if any. A table that is not there is none: calls fail by themselves.
///
/// # Errors
/// The database cannot be asked.
pub async fn obstacle(
    connection: &mut Connection,
    names: &TableNames,
) -> Result<Option<Obstacle>, DatabaseError> {
    if statements_are_logged(connection).await? {
        return Ok(Some(Obstacle::StatementBinaryLog));
    }
    if let Some(id) = names.blog_id()
        && !blog_is_there(connection, names).await?
    {
        return Ok(Some(Obstacle::NoSuchSite(id)));
    }
    let tables = site_tables(names).filter(|table| table.purpose == Purpose::Calls);
    let tables: Vec<String> = tables.map(|table| table.full_name(names)).collect();
    let engine: Option<(String, String)> = ask(connection, ENGINES, names, &tables).await?;
    let without_transactions =
        engine.map(|(table, engine)| Obstacle::NoTransactions { table, engine });
    if without_transactions.is_some() {
        return Ok(without_transactions);
    }
    let charset: Option<(String, String, String)> =
        ask(connection, CHARSETS, names, &tables).await?;
    Ok(charset.map(|(table, column, charset)| Obstacle::NoUnicode {
        table,
        column,
        charset,
    }))
}

const NETWORK: &str = "SELECT COUNT(*) = 2 FROM information_schema.TABLES \
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('{base}blogs', '{base}sitemeta')";

/// For a site of which only the options tell: whether it belongs to a network that they do not mention.
///
/// # Errors
/// The database cannot be asked.
pub async fn undeclared_network(
    connection: &mut Connection,
    names: &TableNames,
) -> Result<Option<Obstacle>, DatabaseError> {
    if names.is_network() {
        return Ok(None);
    }
    let is_network: bool = sqlx::query_scalar(Statement::render(NETWORK, names).sql())
        .fetch_one(connection)
        .await
        .doing("look for the tables of a network")?;
    Ok(is_network.then(|| Obstacle::UndeclaredNetwork(names.base().to_owned())))
}

const BLOG: &str = "SELECT 1 FROM {base}blogs WHERE blog_id = {blog_id}";

async fn blog_is_there(
    connection: &mut Connection,
    names: &TableNames,
) -> Result<bool, DatabaseError> {
    let found = sqlx::query(Statement::render(BLOG, names).sql())
        .fetch_optional(connection)
        .await
        .doing("look for the site in the network's table of sites")?;
    Ok(found.is_some())
}

async fn ask<R: for<'r> FromRow<'r, MySqlRow> + Send + Unpin>(
    connection: &mut Connection,
    sql: &str,
    names: &TableNames,
    tables: &[String],
) -> Result<Option<R>, DatabaseError> {
    let sql = Statement::render(sql, names).repeated(tables.len());
    let query = tables
        .iter()
        .fold(sqlx::query_as(sql), sqlx::query::QueryAs::bind);
    query
        .fetch_optional(connection)
        .await
        .doing("read how the tables store rows and text")
}

/// Whether the server refuses our writes because of its binary log, in the words of the session: its own format counts,
/// not the server's. `SHOW`, because a server may not know a variable.
///
/// # Errors
/// The database cannot be asked.
pub async fn statements_are_logged(connection: &mut Connection) -> Result<bool, DatabaseError> {
    let rows = sqlx::raw_sql(VARIABLES)
        .fetch_all(connection)
        .await
        .doing("read how the server writes its binary log")?;
    let mut variables = BTreeMap::new();
    for row in rows {
        let name: String = row.try_get_unchecked(0).doing("read a variable's name")?;
        let value: String = row.try_get_unchecked(1).doing("read a variable")?;
        variables.insert(name, value.to_ascii_uppercase());
    }
    let is = |name: &str, values: &[&str]| {
        variables
            .get(name)
            .is_some_and(|value| values.contains(&value.as_str()))
    };
    Ok(is("log_bin", &["ON", "1"]) && is("binlog_format", &["STATEMENT"]))
}

/// Whether text in this character set is Unicode, perhaps without the characters above U+FFFF.
pub fn is_unicode(charset: &str) -> bool {
    charset.starts_with("utf8")
}
