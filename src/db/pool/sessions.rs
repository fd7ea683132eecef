//! Opens the pool's connections.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sqlx::MySqlConnection;

use crate::db::group;
use crate::db::way::Way;

/// Far shorter than the session's `wait_timeout`, so that we close an idle connection before the server does.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections, and decides which of them may be reused.
pub(super) struct Sessions {
    pub(super) way: Way,
    lock_wait: Duration,
    last_loss: Mutex<Option<Instant>>,
}

impl Sessions {
    pub(super) fn of(way: Way, lock_wait: Duration) -> Self {
        Self {
            way,
            lock_wait,
            last_loss: Mutex::default(),
        }
    }

    /// Connections older than the last lost one are probably dead too, and trying each of them would take long.
    pub(super) fn note_loss(&self) {
        *self
            .last_loss
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn is_fresh(&self, metrics: &Metrics) -> bool {
        let last_loss = *self
            .last_loss
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last_loss.is_none_or(|loss| loss < metrics.created) && metrics.last_used() < IDLE_TIMEOUT
    }
}

impl Manager for Sessions {
    type Type = MySqlConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<MySqlConnection, sqlx::Error> {
        // Boxed because it is large and rarely used, and would otherwise be part of every piece of work.
        Box::pin(async {
            let mut connection = self.way.open(self.lock_wait).await?;
            group::refuse_outsider(&mut connection).await?;
            Ok(connection)
        })
        .await
    }

    /// Does not ask the server: a dead connection costs one retry of a call, a check would cost every call a round
    /// trip.
    async fn recycle(
        &self,
        _: &mut MySqlConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if self.is_fresh(metrics) {
            Ok(())
        } else {
            Err(RecycleError::message("idle for long, or older than a loss"))
        }
    }
}
