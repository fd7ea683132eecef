//! Finds reasons why a reachable database cannot be written to safely: the one list of `serve`, which executes no calls
//! while there is an obstacle, and of `check`, which reports the same and more.

use std::collections::BTreeMap;

use sqlx::mysql::MySqlRow;
use sqlx::{FromRow, Row};

use super::{
    Cluster, Connection, DatabaseError, Doing, NoWrites, Purpose, Statement, TableNames,
    site_tables,
};

/// Why no call may be executed on this database; [`remedy`](Self::remedy) says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The server is part of a cluster and must get no writes.
    #[error("{}", .0.found)]
    NoWrites(#[from] NoWrites),
    /// The server refuses every write of a READ COMMITTED transaction (error 1665).
    #[error(
        "the server writes its binary log in the format STATEMENT, and so refuses every write at READ COMMITTED"
    )]
    StatementBinaryLog,
    /// A non-transactional table: a call could be half done.
    #[error(
        "the table {table} is {engine}, which knows no transactions: a call could be half done"
    )]
    NoTransactions {
        /// The full table name.
        table: String,
        /// The server's name for the storage engine.
        engine: String,
    },
    /// Nobody can see which tables are behind it, and whether those know transactions.
    #[error(
        "{0} is a view, and the tables behind it may know no transactions: a call could be half done"
    )]
    View(String),
    /// A network of sites, with none selected.
    #[error(
        "the tables of a network are there ({0}blogs, {0}sitemeta), and nothing says which of its sites is served"
    )]
    UndeclaredNetwork(String),
    /// The selected site does not exist.
    #[error("the network has no site {0}")]
    NoSuchSite(u64),
    /// Only the site's owner knows which bytes such a column really holds.
    #[error(
        "{table}.{column} holds {charset} text: names would be written in another way than PHP writes them"
    )]
    NoUnicode {
        /// The full table name.
        table: String,
        /// A text column.
        column: String,
        /// Its character set.
        charset: String,
    },
}

impl Obstacle {
    /// What the operator has to do.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoWrites(no_writes) => no_writes.remedy.to_owned(),
            Self::StatementBinaryLog => "set binlog_format to ROW or MIXED: SET GLOBAL binlog_format = 'ROW', and the same in the \
                 server's configuration file"
                .to_owned(),
            Self::NoTransactions { table, .. } => {
                format!("after a backup: ALTER TABLE {table} ENGINE = InnoDB;")
            }
            Self::View(name) => format!("make {name} an InnoDB table"),
            Self::UndeclaredNetwork(_) => "set wordpress.blog_id or wordpress.root".to_owned(),
            Self::NoSuchSite(_) => "set wordpress.blog_id to the id of one that it has".to_owned(),
            // A plain CONVERT would corrupt text that PHP wrote as UTF-8 into a latin1 column.
            Self::NoUnicode { .. } => "convert the table to utf8mb4 after a backup, as the WordPress handbook describes; until then \
                 let PHP take the calls"
                .to_owned(),
        }
    }
}

const VARIABLES: &str =
    "SHOW SESSION VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')";
const ENGINES: &str = include_str!("../../sql/checks/engines.sql");
const CHARSETS: &str = include_str!("../../sql/checks/charsets.sql");

/// The first obstacle, if any. A missing table is none: the test write finds it. `has_files`: WordPress's own files have
/// already determined what kind of site it is.
///
/// # Errors
/// The query failed.
pub async fn obstacle(
    connection: &mut Connection,
    names: &TableNames,
    has_files: bool,
) -> Result<Option<Obstacle>, DatabaseError> {
    // First: a Galera node without quorum answers nothing else.
    if let Some(no_writes) = Cluster::read(connection).await?.no_writes() {
        return Ok(Some(no_writes.into()));
    }
    if !has_files && let Some(network) = undeclared_network(connection, names).await? {
        return Ok(Some(network));
    }
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
    let found: Vec<(String, Option<String>)> = ask(connection, ENGINES, names, &tables).await?;
    if let Some((table, engine)) = found.into_iter().next() {
        return Ok(Some(match engine {
            Some(engine) => Obstacle::NoTransactions { table, engine },
            None => Obstacle::View(table),
        }));
    }
    let charsets: Vec<(String, String, String)> = ask(connection, CHARSETS, names, &tables).await?;
    let is_used = |(table, column, _): &(String, String, String)| is_used(names, table, column);
    let charset = charsets.into_iter().find(is_used);
    Ok(charset.map(|(table, column, charset)| Obstacle::NoUnicode {
        table,
        column,
        charset,
    }))
}

/// Whether the daemon reads or writes this column; plugins add some of their own. A server that folds names to lower case tells them so.
pub fn is_used(names: &TableNames, table: &str, column: &str) -> bool {
    let mut of_table =
        site_tables(names).filter(|it| it.full_name(names).eq_ignore_ascii_case(table));
    of_table.any(|it| {
        let columns = it.columns();
        columns.iter().any(|used| used.eq_ignore_ascii_case(column))
    })
}

const NETWORK: &str = "SELECT COUNT(*) = 2 FROM information_schema.TABLES \
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('{base}blogs', '{base}sitemeta')";

/// For a site configured as a single site: whether it belongs to a network that the configuration does not mention.
async fn undeclared_network(
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
) -> Result<Vec<R>, DatabaseError> {
    let sql = Statement::render(sql, names).repeated(tables.len());
    let query = tables
        .iter()
        .fold(sqlx::query_as(sql), sqlx::query::QueryAs::bind);
    query
        .fetch_all(connection)
        .await
        .doing("read how the tables store rows and text")
}

/// Whether the server refuses our writes because of its binary log. The session's format counts, not the server's. Uses
/// `SHOW`, because a server may not know a variable.
///
/// # Errors
/// The query failed.
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

/// Whether text in this character set is Unicode, possibly without the characters above U+FFFF.
pub fn is_unicode(charset: &str) -> bool {
    charset.starts_with("utf8")
}
