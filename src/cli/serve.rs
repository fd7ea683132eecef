//! `fcom-sidecar serve`: runs the daemon until it is asked to stop.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::block_on;
use crate::config::{Config, ConfigError, Sources};
use crate::http::Inherited;
use crate::lifecycle::{self, StopSignals};
use crate::moved::until_moved;
use crate::reload::{self, ReloadSignal};
use crate::{app, telemetry};

/// The exit status of a process whose site has moved (`EX_TEMPFAIL`): the service manager starts it again, with the new
/// configuration.
const MOVED: u8 = 75;

/// Why the process ends by itself.
enum End {
    /// The site has moved.
    Moved,
    /// The configuration cannot be served; only the database told.
    Refused(ConfigError),
}

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
    let watched = sources.clone();
    let end = block_on(async {
        let listens = if inherited.has_calls() {
            "the socket of the service manager".to_owned()
        } else {
            config.server.listen.to_string()
        };
        let mut app = app::start(config, sources.clone(), inherited)?;
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
        let site = Arc::clone(&app.site);
        let end = OnceLock::new();
        let unguarded = app.unguarded.take();
        let refused = async {
            if let Some(unguarded) = unguarded
                && let Ok(error) = unguarded.await
            {
                return error;
            }
            std::future::pending().await
        };
        // Boxed because it is large and rarely used.
        let moving = Box::pin(until_moved(&site.readiness, watched, config.clone()));
        let until = async {
            tokio::select! {
                () = signals.next() => {}
                () = reloading => {}
                () = moving => {
                    let _ = end.set(End::Moved);
                }
                error = refused => {
                    let _ = end.set(End::Refused(error));
                }
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
        served?;
        anyhow::Ok(end.into_inner())
    })?;
    match end {
        None => Ok(ExitCode::SUCCESS),
        Some(End::Moved) => Ok(ExitCode::from(MOVED)),
        Some(End::Refused(error)) => Err(error.into()),
    }
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
