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
    /// Permits of the above.
    most_connections: usize,
}

impl NewUserLimits {
    /// Derives the limits from the numbers of calls in flight and of database connections.
    pub fn new(calls: usize, connections: usize) -> Self {
        Self {
            places: Semaphore::new(share(calls)),
            connections: Semaphore::new(share(connections)),
            most_connections: share(connections),
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

    /// Waits until the call may take a connection. While the server allows fewer connections than configured, the call
    /// takes the share of several.
    pub(super) async fn connection(&self, allowed: usize) -> SemaphorePermit<'_> {
        let shares = self.most_connections.div_ceil(share(allowed));
        let shares = u32::try_from(shares).unwrap_or(u32::MAX);
        let connection = self.connections.acquire_many(shares).await;
        connection.expect("nobody closes it")
    }
}

/// What is left of the whole for calls that create a user.
fn share(whole: usize) -> usize {
    whole.saturating_sub(whole / KEPT).max(1)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_last_places_are_not_for_new_users() {
        for (calls, new) in [(256, 192), (4, 3), (3, 3), (1, 1)] {
            let limits = NewUserLimits::new(calls, 1);
            let taken: Vec<_> = (0..new).map(|_| limits.place()).collect();
            assert!(taken.iter().all(Result::is_ok), "{calls}");
            assert!(matches!(limits.place(), Err(ProvisionError::Crowded)));
        }
    }

    #[test]
    fn of_fewer_connections_than_configured_some_are_kept_as_well() {
        for (configured, allowed, new) in
            [(16, 16, 12), (16, 9, 6), (16, 2, 2), (16, 1, 1), (1, 1, 1)]
        {
            let limits = NewUserLimits::new(1, configured);
            let take = || limits.connection(allowed).now_or_never();
            let taken: Vec<_> = std::iter::from_fn(take).collect();
            assert_eq!(taken.len(), new, "{allowed} of {configured}");
        }
    }
}
