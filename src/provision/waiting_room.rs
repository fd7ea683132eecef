//! Queues calls of this process that want the same name or the same user, before they hold a connection.
//!
//! Claims in the database make names unique across all instances. But when many transactions wait for one claim,
//! `InnoDB` answers with deadlocks, and each of them would hold a connection that other calls need.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Enough slots that two names rarely share one.
const PLACES: usize = 1024;

/// Calls for one user that may be at the database at once. The server lets go of a user's row before the commit has
/// reached the disk, so the second call is ready to commit by then. More would only hold connections.
const AT_ONCE: u32 = 2;

/// Locks by name.
pub(super) struct WaitingRoom {
    places: Vec<Semaphore>,
    hasher: RandomState,
}

impl Default for WaitingRoom {
    fn default() -> Self {
        let places = std::iter::repeat_with(|| Semaphore::new(AT_ONCE as usize))
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
    pub(super) async fn turn(&self, name: &str) -> SemaphorePermit<'_> {
        self.places(name, AT_ONCE).await
    }

    /// Waits until few other calls of this process work with the user.
    pub(super) async fn turn_with_user(&self, user_id: u64) -> SemaphorePermit<'_> {
        self.places(&user_id.to_string(), 1).await
    }

    async fn places(&self, name: &str, wanted: u32) -> SemaphorePermit<'_> {
        let hash = usize::try_from(self.hasher.hash_one(name) % PLACES as u64).unwrap_or_default();
        let place = self.places[hash].acquire_many(wanted);
        place.await.expect("nobody closes it")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_call_works_with_a_name_and_two_with_a_user() {
        let room = WaitingRoom::default();
        let name = room.turn("ann").now_or_never();
        assert!(name.is_some() && room.turn("ann").now_or_never().is_none());
        let users = [(); 3].map(|()| room.turn_with_user(7).now_or_never());
        let admitted: Vec<bool> = users.iter().map(Option::is_some).collect();
        assert_eq!(admitted, [true, true, false]);
    }
}
