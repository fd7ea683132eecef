//! The site's database, for commands that ask a few things of it and end.

use anyhow::Context;

use super::block_on;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{self, Connection, Pool, Statements, TableNames};
use crate::site;
use crate::telemetry::Metrics;

/// A connection with the site's statements.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) statements: Statements,
    pub(super) tables: TableNames,
}

/// Opens the configured database and does the command's work with it.
pub(super) fn with_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(&mut Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    block_on(async {
        let tables = site::table_names(&config.wordpress)?;
        let mut database = Database {
            connection: connect(config).await?,
            statements: Statements::render(&tables),
            tables,
        };
        work(&mut database).await
    })
}

/// # Errors
/// There is no connection; the error names the command that tells why.
pub(super) async fn connect(config: &Config) -> anyhow::Result<Connection> {
    db::connect(&config.database).await.context(
        "could not connect to the database: \"fcom-sidecar check\" tells what is in the way",
    )
}

/// A pool, for commands whose work may have to be done again.
pub(super) fn pool(config: &Config) -> anyhow::Result<Pool> {
    db::open(&config.database, Metrics::new(Clock.now()).into())
        .context("database.url cannot be used")
}
