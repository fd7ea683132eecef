//! What the handlers of both listeners share.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{CallerRules, Occasionally};
use crate::fluentcommunity::webhooks::PortalOverrides;
use crate::provision::Calls;
use crate::site::Site;
use crate::telemetry::Metrics;

/// What a handler needs to get a request from its listener to the site, and the rules by which callers are judged. One per
/// process.
pub struct Front {
    /// The site that calls are carried out for.
    pub site: Arc<Site>,
    /// Carries calls out.
    pub calls: Arc<Calls>,
    /// Places for calls in flight; a call that finds none gets 503.
    pub places: Arc<Semaphore>,
    /// How many places there are.
    pub max_places: usize,
    /// The main runtime, to which connections to the database belong.
    pub runtime: Handle,
    /// Work that the process does not end before: calls, and changes of webhooks.
    pub tasks: TaskTracker,
    /// Cancelled when the process is asked to stop.
    pub draining: CancellationToken,
    /// Whether the next process takes over the socket: then calls that have got through to this one are carried out.
    pub hands_over: bool,
    /// Requests that are being answered.
    pub requests: TaskTracker,
    /// Refusals for want of room, of which one a second is logged.
    pub refusals: Occasionally,
    /// What `wp-config.php` says of the portal's address.
    pub portal: PortalOverrides,
    /// How callers are judged at present.
    pub rules: watch::Receiver<Arc<CallerRules>>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
}

impl Front {
    /// Does work with the database to its end, even when the client has gone: on the main runtime, to which connections
    /// belong. `None`: the work has panicked, or the process ends.
    pub(super) async fn on_main_runtime<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.runtime.spawn(work.in_current_span()).await.ok()
    }
}
