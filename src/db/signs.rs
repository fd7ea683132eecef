//! What database work notices about the server in passing, for the examination that decides whether calls can be carried
//! out.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Shared by everything that uses the pool.
#[derive(Default)]
pub(super) struct Signs {
    suspicion: Notify,
    /// When the server last answered any query.
    heard: Mutex<Option<Instant>>,
}

impl Signs {
    /// A connection was lost or could not be opened, or a statement failed for a reason that may concern all calls.
    pub(super) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Returns when there is something to suspect.
    pub(super) async fn suspicion(&self) {
        self.suspicion.notified().await;
    }

    /// The server has answered a query.
    pub(super) fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it has since then.
    pub(super) fn was_heard_since(&self, time: Instant) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|heard| heard > time)
    }
}
