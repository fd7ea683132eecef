//! Holds the state that the handlers of both listeners share.

use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{CallerRules, KnownKeys, Occasionally, Shadow};
use crate::fluentcommunity::webhooks::PortalOverrides;
use crate::operations::trial::MailText;
use crate::outcome::Outcome;
use crate::provision::{Calls, Refusals, WebhookKey};
use crate::site::{Cause, Site};
use crate::telemetry::Metrics;

/// The user of this machine who opened a connection to a Unix socket.
pub(super) struct LocalUser(pub(super) u32);

/// Everything a handler needs to carry a request from its listener to the site, and the rules that apply to callers. One
/// per process.
pub struct Front {
    /// The site that calls are carried out for.
    pub site: Arc<Site>,
    /// Carries calls out.
    pub calls: Arc<Calls>,
    /// Slots for calls in flight; a call that finds none free gets 503.
    pub places: Arc<Semaphore>,
    /// Those that calls with keys of which nothing is known may have.
    pub guesses: Arc<Semaphore>,
    /// The number of slots.
    pub max_places: usize,
    /// The main runtime, which owns the database connections.
    pub runtime: Handle,
    /// Work that must finish before the process exits: calls, and changes to webhooks.
    pub tasks: TaskTracker,
    /// Cancelled when the process is asked to stop.
    pub draining: CancellationToken,
    /// Whether the next process takes over the socket. If so, calls that have reached this process are still executed.
    pub hands_over: bool,
    /// The keys of all webhooks, for clients that guess.
    pub known_keys: KnownKeys,
    /// The public listener's requests that the server may have at once.
    pub rooms: Arc<Semaphore>,
    /// Requests in progress.
    pub requests: TaskTracker,
    /// Limits the log to one refusal for overload a second.
    pub refusals: Occasionally,
    /// Records refused calls.
    pub refused: Refusals,
    /// Overrides of the portal's address in `wp-config.php`.
    pub portal: PortalOverrides,
    /// Has PHP execute the calls.
    pub shadow: Option<Shadow>,
    /// What mails are made of.
    pub mail_text: watch::Receiver<Arc<MailText>>,
    /// The rules currently in force.
    pub rules: watch::Receiver<Arc<CallerRules>>,
    /// Counters and measurements.
    pub metrics: Arc<Metrics>,
}

/// Why there is no slot.
pub(super) const OVERLOADED: &str = "Too many calls at once, nothing was changed";

/// A slot for a call. A key that is not known to open a webhook has one of a few slots, too: guesses cannot take those of
/// good calls.
pub(super) struct Place {
    _slot: OwnedSemaphorePermit,
    _guess: Option<OwnedSemaphorePermit>,
}

impl Front {
    /// Reserves a slot for a call, or returns why there is none: as an outcome and as a message.
    pub(super) async fn place(&self, key: &WebhookKey) -> Result<Place, (Outcome, &'static str)> {
        self.takes_calls().await?;
        let take = |slots: &Arc<Semaphore>| Arc::clone(slots).try_acquire_owned().ok();
        let full = (Outcome::Overloaded, OVERLOADED);
        let guess = if self.known_keys.has_seen(key) {
            None
        } else {
            let guess = take(&self.guesses);
            if guess.is_none() {
                let is_known = self.known_keys.contains_by_now(key).await;
                // The database may have gone meanwhile.
                self.takes_calls().await?;
                if !is_known {
                    return Err(full);
                }
            }
            guess
        };
        Ok(Place {
            _slot: take(&self.places).ok_or(full)?,
            _guess: guess,
        })
    }

    /// Whether calls can be carried out now.
    async fn takes_calls(&self) -> Result<(), (Outcome, &'static str)> {
        match self.site.readiness.refuses_calls().await {
            None => Ok(()),
            Some(Cause::Away) => {
                let message = "The database is away, nothing was changed";
                Err((Outcome::DatabaseUnavailable, message))
            }
            Some(_) => {
                let message = "The server is not ready, nothing was changed";
                Err((Outcome::NotReady, message))
            }
        }
    }

    /// Runs database work to completion, even if the client disconnects, on the main runtime, which owns the
    /// connections. `None` if the work panicked or the process is exiting. All works have one type, because the runtime's own code
    /// would be compiled for each.
    pub(super) async fn on_main_runtime<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (give, given) = oneshot::channel();
        let work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            // The client may have gone.
            let _ = give.send(work.await);
        });
        self.runtime.spawn(work.in_current_span());
        given.await.ok()
    }
}
