//! Limits for calls that create a user. They cost a password hash and several times as many statements, and calls for
//! existing users must not queue behind them. So a share of the places and of the connections is reserved for the
//! latter.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::ProvisionError;

/// One part in this many is reserved for calls that create no user.
const KEPT: usize = 4;

/// Limits on what calls that create a user may use at once.
pub struct NewUserLimits {
    places: Semaphore,
    connections: Semaphore,
    hashing: Semaphore,
}

impl NewUserLimits {
    /// Derives the limits from the numbers of calls in flight, database connections and concurrent password hashes.
    pub fn new(calls: usize, connections: usize, hashes: usize) -> Self {
        let share = |whole: usize| whole.saturating_sub(whole / KEPT).max(1);
        Self {
            places: Semaphore::new(share(calls)),
            connections: Semaphore::new(share(connections)),
            hashing: Semaphore::new(hashes),
        }
    }

    /// A place for one more call in flight.
    ///
    /// # Errors
    /// All places are in use; waiting for one would hold a place that other calls need.
    pub(super) fn place(&self) -> Result<SemaphorePermit<'_>, ProvisionError> {
        let place = self.places.try_acquire();
        place.map_err(|_| ProvisionError::Crowded)
    }

    /// Waits until the call may take a connection.
    pub(super) async fn connection(&self) -> SemaphorePermit<'_> {
        turn(&self.connections).await
    }

    /// Waits until a password may be hashed.
    pub(super) async fn hash(&self) -> SemaphorePermit<'_> {
        turn(&self.hashing).await
    }
}

async fn turn(semaphore: &Semaphore) -> SemaphorePermit<'_> {
    semaphore.acquire().await.expect("nobody closes it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_not_for_new_users() {
        for (calls, new) in [(256, 192), (4, 3), (3, 3), (1, 1)] {
            let limits = NewUserLimits::new(calls, 1, 1);
            let taken: Vec<_> = (0..new).map(|_| limits.place()).collect();
            assert!(taken.iter().all(Result::is_ok), "{calls}");
            assert!(matches!(limits.place(), Err(ProvisionError::Crowded)));
        }
    }
}
