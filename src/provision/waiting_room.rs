//! Queues calls of this process that want the same name, before they hold a connection.
//!
//! Claims in the database make names unique across all instances. But when many transactions wait for one claim,
//! `InnoDB` answers with deadlocks, and each of them would hold a connection that other calls need.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Enough slots that two names rarely share one.
const PLACES: usize = 1024;

/// Locks by name.
pub(super) struct WaitingRoom {
    places: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for WaitingRoom {
    fn default() -> Self {
        let places = std::iter::repeat_with(Mutex::default)
            .take(PLACES)
            .collect();
        Self {
            places,
            hasher: RandomState::new(),
        }
    }
}

impl WaitingRoom {
    /// Waits until no other call of this process works with `name`; first come, first served.
    pub(super) async fn turn(&self, name: &str) -> MutexGuard<'_, ()> {
        let hash = usize::try_from(self.hasher.hash_one(name) % PLACES as u64).unwrap_or_default();
        self.places[hash].lock().await
    }
}
