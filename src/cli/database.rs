//! The site and its database, for commands that ask a few things of it and end.

use std::sync::Arc;

use anyhow::Context;

use super::block_on;
use crate::config::Config;
use crate::db::{self, Connection, Unobserved};
use crate::site::Site;

/// The site, with a connection to its database.
pub(super) struct Database {
    /// Its pool is for work that may have to be done again.
    pub(super) site: Site,
    /// Waits for an answer as long as it takes, unlike the pool's.
    pub(super) connection: Connection,
}

/// Opens the configured database and does the command's work with it.
pub(super) fn with_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(&mut Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    block_on(async {
        let connection = connect(config).await?;
        let mut database = Database {
            site: site(config)?,
            connection,
        };
        work(&mut database).await
    })
}

/// The configured site; nothing is connected yet.
pub(super) fn site(config: &Config) -> anyhow::Result<Site> {
    Ok(Site::new(config, Arc::new(Unobserved))?)
}

/// # Errors
/// There is no connection; the error names the command that tells why.
pub(super) async fn connect(config: &Config) -> anyhow::Result<Connection> {
    db::connect(&config.database).await.context(
        "could not connect to the database: \"fcom-sidecar check\" tells what is in the way",
    )
}
