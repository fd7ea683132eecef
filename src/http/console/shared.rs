//! What is read once for all who look: a hundred open pages ask the database as often as one. `news` reads it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::spaces::Titles;
use crate::operations::hooks::TroubledEvent;
use crate::operations::instances::Running;
use crate::operations::mails::OutboxMail;
use crate::operations::runs::RunPage;
use crate::telemetry::Hooks;

/// What open pages ask for.
#[derive(Default)]
pub(super) struct News {
    pub(super) running: Shared<Vec<Running>>,
    pub(super) runs: Shared<RunPage>,
    pub(super) unsent: Shared<Vec<OutboxMail>>,
    pub(super) troubled: Shared<Vec<TroubledEvent>>,
    pub(super) relay: Shared<(Hooks, Titles)>,
}

/// What was read last, and when. Locked while it is read, so that whoever wants it meanwhile waits for the same answer.
pub(super) struct Shared<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shared<T> {
    /// What was read at most so long ago, or else what is read now.
    pub(super) async fn get<E>(
        &self,
        at_most: Duration,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let mut latest = self.0.lock().await;
        if let Some((when, value)) = &*latest
            && when.elapsed() < at_most
        {
            return Ok(Arc::clone(value));
        }
        let when = Instant::now();
        let value = Arc::new(read.await?);
        *latest = Some((when, Arc::clone(&value)));
        Ok(value)
    }

    /// What was read last, however old it is.
    pub(super) async fn latest(&self) -> Option<Arc<T>> {
        let latest = self.0.lock().await;
        latest.as_ref().map(|(_, value)| Arc::clone(value))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn one_reads_for_all() {
        let (shared, reads) = (Shared::default(), AtomicU32::new(0));
        let read = async || {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(reads.fetch_add(1, Ordering::Relaxed))
        };
        let hour = Duration::from_hours(1);
        let all = join_all((0..100).map(|_| shared.get(hour, read()))).await;
        assert!(all.into_iter().all(|one| *one.unwrap() == 0));
        assert_eq!(*shared.get(Duration::ZERO, read()).await.unwrap(), 1);
        let failed = shared.get(Duration::ZERO, async { Err("away") }).await;
        assert_eq!(failed, Err("away"));
        assert_eq!(shared.latest().await.as_deref(), Some(&1));
    }
}
