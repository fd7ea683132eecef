//! `fcom-sidecar migrate`: creates or updates our tables, run with a privileged account before an unprivileged one
//! serves.

use anyhow::Context;

use super::block_on;
use super::database::site;
use super::terminal::say;
use crate::config::Config;
use crate::db;

pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    block_on(async {
        let site = site(config)?;
        db::migrate(&site.pool, &site.tables).await.context(
            "the account needs CREATE, ALTER, INDEX, SELECT, INSERT and UPDATE on the site's database for this",
        )?;
        say(&format!(
            "The tables {}fcom_sidecar_* are up to date.",
            site.tables.prefix()
        ));
        Ok(())
    })
}
