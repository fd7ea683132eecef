//! Trying again what other transactions were in the way of.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};

use super::{Cause, DatabaseError};

/// What others are in the way of is tried again for so long: at least once after a silent connection.
pub const RETRY_FOR: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The pauses before each further try: they grow, are not the same for two who met, and do not end.
pub fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
}

/// Does [`Pool::work`](super::Pool::work) that is one transaction, and does it again as a whole, for [`RETRY_FOR`], while
/// others are in its way. Only when it is known to be undone: not after a lost connection.
///
/// # Errors
/// As the work.
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
