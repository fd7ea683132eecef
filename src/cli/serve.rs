//! `fcom-sidecar serve`: runs the daemon until it is told to stop.

use std::process::ExitCode;

use super::block_on;
use crate::config::Config;
use crate::http::Inherited;
use crate::lifecycle::{self, StopSignals};
use crate::{app, telemetry};

/// Files that are open beside client connections: the database's, logs, mails on their way.
const OTHER_FILES: u64 = 256;

/// `socket_names` are those of the sockets that the service manager passes.
pub(super) fn run(config: &Config, socket_names: Option<&str>) -> anyhow::Result<ExitCode> {
    telemetry::start(&config.log)?;
    let inherited = Inherited::receive(socket_names)?;
    allow_open_files(config.limits.max_connections);
    block_on(async {
        let listens = if inherited.has_calls() {
            "the socket of the service manager".to_owned()
        } else {
            config.server.listen.to_string()
        };
        let app = app::start(config, inherited)?;
        tracing::info!(
            "fcom-sidecar {} listens on {listens} for calls and on {} for operators",
            env!("CARGO_PKG_VERSION"),
            config.server.admin_listen
        );
        let mut signals = StopSignals::receive()?;
        lifecycle::serve(app, config.server.shutdown, signals.next()).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A connection is an open file, of which the system allows few at first.
fn allow_open_files(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed < wanted => tracing::warn!(
            "{allowed} files may be open at once, too few for limits.max_connections = {connections}: raise the limit \
             (LimitNOFILE={wanted} in the service's unit, or ulimit -n), or lower the option"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!("the limit of open files cannot be read: {error}"),
    }
}
