//! `fcom-sidecar migrate`: creates or updates our tables, for an account that may, before one that may not serves.

use std::process::ExitCode;

use anyhow::Context;

use super::block_on;
use super::database::pool;
use super::terminal::say;
use crate::config::Config;
use crate::{db, site};

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    block_on(async {
        let tables = site::table_names(&config.wordpress)?;
        db::migrate(&pool(config)?, &tables).await.context(
            "the account needs CREATE, ALTER, INDEX, SELECT, INSERT and UPDATE on the site's database for this",
        )?;
        say(&format!(
            "The tables {}fcom_sidecar_* are up to date.",
            tables.prefix()
        ));
        Ok(ExitCode::SUCCESS)
    })
}
