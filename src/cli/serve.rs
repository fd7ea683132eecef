//! `fcom-sidecar serve`: runs the daemon until it is asked to stop.

use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::block_on;
use crate::config::{Config, Sources};
use crate::http::Inherited;
use crate::lifecycle::{self, StopSignals};
use crate::reload::{self, ReloadSignal};
use crate::{app, telemetry};

/// Open files besides client connections: database connections, logs, SMTP connections.
const OTHER_FILES: u64 = 256;

/// `socket_names` are the names of the sockets that the service manager passes.
pub(super) fn run(
    config: &Config,
    sources: Sources,
    socket_names: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let (log, exporter) = telemetry::start(&config.log, config.otlp.as_ref())?;
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
        let end_of_spans = CancellationToken::new();
        let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(end_of_spans.clone())));
        let mut signals = StopSignals::receive()?;
        let reload = ReloadSignal::receive()?;
        let reloading = reload::at_signals(
            reload,
            Arc::clone(&app.reloadable),
            log,
            sources,
            config.clone(),
        );
        let until = async {
            tokio::select! {
                () = signals.next() => {}
                () = reloading => {}
            }
        };
        let served = lifecycle::serve(app, config.server.shutdown, until).await;
        end_of_spans.cancel();
        if let Some(exporting) = exporting {
            tokio::select! {
                ended = exporting => ended?,
                () = signals.next() => {}
            }
        }
        served
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Each connection is an open file, and the system's initial limit is low.
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
