//! The site and its database, for commands that run a few queries and exit.

use std::sync::Arc;

use anyhow::Context;
use sqlx::Connection as _;

use super::block_on;
use crate::config::Config;
use crate::db::{self, Connection, Unobserved, Weight};
use crate::operations::trial::{Callee, webhook_key};
use crate::site::{Examination, Examiner, Reason, Site, Verdict};

/// The site, with a connection to its database.
pub(super) struct Database {
    /// Its pool is for work that may have to be retried.
    pub(super) site: Site,
    /// Waits for a response without a time limit, unlike the pool's connections.
    pub(super) connection: Connection,
}

/// Connects to the configured database and runs the command's work with it.
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

/// The configured site; does not connect yet.
pub(super) fn site(config: &Config) -> anyhow::Result<Site> {
    Ok(Site::new(config, Arc::new(Unobserved))?)
}

/// The configured site, with what calls and changes of webhooks have to know of its database, and the connection that told it.
pub(super) async fn site_to_change(config: &Config) -> anyhow::Result<(Site, Connection)> {
    let site = site(config)?;
    let mut connection = connect(config).await?;
    let cluster = db::Cluster::read(&mut connection).await?;
    site.statements
        .set_several_writers(cluster.has_several_writers());
    let missing = db::missing_migrations(&mut connection, &site.tables).await?;
    anyhow::ensure!(
        missing == Some(0),
        "the sidecar's own tables are not up to date: run \"fcom-sidecar migrate\""
    );
    Ok((site, connection))
}

/// The same for calls of a webhook, which is named by its number or title.
pub(super) async fn callee(config: &Config, webhook: &str) -> anyhow::Result<Callee> {
    // On the heap, because the site is large.
    let (site, mut connection) = Box::pin(site_to_change(config)).await?;
    let site = Arc::new(site);
    let key = Box::pin(webhook_key(&mut connection, &site.statements, webhook)).await?;
    let (id, key) = key.with_context(|| {
        format!(
            "no webhook has the number or title \"{webhook}\": \"fcom-sidecar webhook list\" lists them"
        )
    })?;
    // The rest uses the pool: where connections are few, this one may be the last.
    connection.close().await?;
    Ok(Callee { site, id, key })
}

/// Examines the database as `serve` does before it executes calls; the site is ready from then on.
///
/// # Errors
/// It cannot be written to safely; the error names the remedy.
pub(super) async fn ensure_fit(config: &Config, site: &Site) -> anyhow::Result<()> {
    let has_files = config.wordpress.root.is_some();
    let mut examination = Examination::new(site, Examiner::Check, has_files);
    match examination.examine(site, Weight::Light).await {
        Verdict::Fit | Verdict::Unclear => {
            site.readiness.examined(None);
            Ok(())
        }
        Verdict::Obstructed(_, Reason { what, remedy }) => {
            let remedy = remedy.unwrap_or_else(|| "wait until it is over".to_owned());
            anyhow::bail!("calls cannot be carried out: {what}; {remedy}")
        }
    }
}

/// # Errors
/// The connection failed; the error names the command that explains why.
pub(super) async fn connect(config: &Config) -> anyhow::Result<Connection> {
    db::connect(&config.database).await.context(
        "could not connect to the database: \"fcom-sidecar check\" tells what is in the way",
    )
}
