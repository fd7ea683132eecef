//! Where calls of this process that want the same name wait for each other, before they hold a connection.
//!
//! Claims in the database are what makes names unique, on any number of instances. But `InnoDB` answers many transactions
//! that wait for one claim with deadlocks, and each of them would keep a connection from everybody else.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Two names share a place only now and then.
const PLACES: usize = 1024;

/// Waits by name.
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
    /// Waits until nobody else of this process is busy with `name`; first come, first served.
    pub(super) async fn turn(&self, name: &str) -> MutexGuard<'_, ()> {
        let hash = usize::try_from(self.hasher.hash_one(name) % PLACES as u64).unwrap_or_default();
        self.places[hash].lock().await
    }
}
