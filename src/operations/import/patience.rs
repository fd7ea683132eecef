//! Lines wait for a database that is away.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// How long.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Pauses before another attempt at a database that is away; `false` if there should be none.
pub(super) async fn waits(since: Instant, stop: &CancellationToken) -> bool {
    if since.elapsed() > PATIENCE || stop.is_cancelled() {
        return false;
    }
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        () = stop.cancelled() => {}
    }
    true
}
