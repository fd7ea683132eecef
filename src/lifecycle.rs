//! Runs the daemon from ready to exit: signals, draining, and the shutdown order.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::systemd;

/// How long an accepted connection may take to send its request while the socket passes to another process.
const QUIET: Duration = Duration::from_millis(200);

/// SIGTERM and SIGINT.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on the signals no longer terminate the process by themselves.
    ///
    /// # Errors
    /// The system refuses to register the signal handlers.
    pub fn receive() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot receive SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot receive SIGINT")?,
        })
    }

    /// Returns at the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until `until` ends, then accepts nothing new, finishes and counts every call in flight, and returns. A signal
/// during that aborts at once. `patience` is how long open connections may take to end.
///
/// # Errors
/// A listener failed, or signals cannot be received.
pub async fn serve(
    app: App,
    patience: Duration,
    until: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut background = app.background;
    background.spawn(systemd::feed_watchdog(app.stop_tally.clone()));
    let (public, admin) = (app.servers.public, app.servers.admin);
    let (public_handle, admin_handle) = (public.handle(), admin.handle());
    let mut public = tokio::spawn(public);
    let mut admin = tokio::spawn(admin);
    systemd::ready();
    tokio::select! {
        () = until => {}
        ended = &mut public => ended?.context("the public listener failed")?,
        ended = &mut admin => ended?.context("the admin listener failed")?,
        error = failure(&mut background) => return Err(error).context("a background task failed"),
    }
    tracing::info!("stopping: calls that have begun are carried out, new ones get 503");
    app.draining.cancel();
    systemd::stopping(patience * 2);
    let calls = app.calls.tasks.clone();
    let drain = async {
        if app.hands_over {
            public_handle.pause().await;
            let _ = tokio::time::timeout(patience, quiet(&app.requests)).await;
        }
        // Waits for open requests, but no longer than the configured time; a call itself is not bound to its
        // connection.
        public_handle.stop(true).await;
        app.calls.tasks.close();
        app.calls.tasks.wait().await;
        app.stop_tally.cancel();
        while background.join_next().await.is_some() {}
        admin_handle.stop(false).await;
        app.site.pool.close().await;
    };
    let mut signals = StopSignals::receive()?;
    tokio::select! {
        () = drain => tracing::info!("stopped"),
        () = signals.next() => tracing::warn!("stopped by a second signal"),
        () = tokio::time::sleep(patience * 2) => tracing::error!(
            calls = calls.len(),
            "stopped: draining took too long: calls, or mails that were being sent or recorded, had not ended"
        ),
    }
    Ok(())
}

/// Returns when there have been no requests for a while: connections that were accepted before the socket passed to the
/// next process have sent their requests by then.
async fn quiet(requests: &TaskTracker) {
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        if !requests.is_empty() {
            since = Instant::now();
        }
        tokio::time::sleep(QUIET / 20).await;
    }
}

/// Returns when a task has panicked: without it the daemon would go on with part of its work undone.
async fn failure(background: &mut JoinSet<()>) -> anyhow::Error {
    loop {
        match background.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return error.into(),
            None => std::future::pending().await,
        }
    }
}
