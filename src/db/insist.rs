//! Retries work that conflicted with other transactions.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};

use super::{Cause, DatabaseError};

/// Conflicting work is retried for this long: at least once after a silent connection.
pub const RETRY_FOR: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The back-off between retries: growing, with jitter so that two that collided do not collide again, and without end.
pub fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
}

/// Runs [`Pool::work`](super::Pool::work) that is one transaction. Retries it as a whole, for [`RETRY_FOR`], while it
/// conflicts with other transactions. Only retries work that is known to be rolled back: not after a lost connection.
///
/// # Errors
/// Those of the work.
pub async fn insist<T, E: Cause, F: Future<Output = Result<T, E>>>(
    work: impl FnMut() -> F,
) -> Result<T, E> {
    let started = Instant::now();
    let is_worth_another = |error: &E| {
        let is_undone = error.database().is_some_and(DatabaseError::is_undone);
        is_undone && started.elapsed() < RETRY_FOR
    };
    work.retry(pauses()).when(is_worth_another).await
}
