//! `fcom-sidecar serve`: runs the daemon until it is told to stop.

use std::process::ExitCode;

use super::block_on;
use crate::config::Config;
use crate::lifecycle::{self, StopSignals};
use crate::{app, telemetry};

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    telemetry::start(&config.log)?;
    block_on(async {
        let app = app::start(config)?;
        tracing::info!(
            "fcom-sidecar {} listens on {} for calls and on {} for operators",
            env!("CARGO_PKG_VERSION"),
            config.server.listen,
            config.server.admin_listen
        );
        let mut signals = StopSignals::receive()?;
        lifecycle::serve(app, config.server.shutdown, signals.next()).await
    })?;
    Ok(ExitCode::SUCCESS)
}
