//! Notifies the service manager (`Type=notify`, `WatchdogSec=`). Without one, does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// The listeners are bound: dependent units may start. The database may still be down.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The daemon is stopping, and may take this long.
pub fn stopping(patience: Duration) {
    let microseconds = u32::try_from(patience.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(microseconds),
    ]);
}

/// Feeds the watchdog, if there is one, until `stop`: a runtime that no longer runs tasks gets restarted.
pub async fn feed_watchdog(stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::select! {
            () = tokio::time::sleep(limit / 3) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("the service manager cannot be told {state:?}: {error}");
    }
}
