//! Executes one call in one or more attempts: when another transaction interferes, the whole call is retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use tokio::sync::{MutexGuard, OnceCell, SemaphorePermit};
use tracing::Instrument;

use super::{Calls, ProvisionError, WebhookCall};
use crate::db::{Connection, RETRY_FOR};
use crate::site::Site;
use crate::telemetry::{fail, phase};
use crate::wordpress::password;
use crate::wordpress::php::loose;
use crate::wordpress::version::Version;

/// While the outcome of the commit is unknown, retrying for longer is worth it.
const ASK_FOR: Duration = Duration::from_secs(20);

/// State shared by all attempts at one call.
pub(super) struct Execution<'a> {
    pub(super) calls: &'a Calls,
    pub(super) call: &'a WebhookCall,
    pub(super) started: Instant,
    /// Hashed once, whatever the number of attempts.
    password_hash: OnceCell<String>,
    /// A commit was sent and has not been answered.
    commit_unknown: AtomicBool,
}

impl<'a> Execution<'a> {
    /// Starts the clock.
    pub(super) fn new(calls: &'a Calls, call: &'a WebhookCall) -> Self {
        Self {
            calls,
            call,
            started: Instant::now(),
            password_hash: OnceCell::new(),
            commit_unknown: AtomicBool::new(false),
        }
    }

    /// The site that the call is for.
    pub(super) fn site(&self) -> &'a Site {
        &self.calls.site
    }
}

impl Execution<'_> {
    /// Waits for other calls of this process for the same user or login.
    pub(super) async fn turn(&self, name: &str) -> Result<MutexGuard<'_, ()>, ProvisionError> {
        self.patiently(self.calls.waiting_room.turn(name)).await
    }

    /// Waits until a call for a new user may take a connection.
    pub(super) async fn new_user_connection(&self) -> Result<SemaphorePermit<'_>, ProvisionError> {
        let allowed = self.site().pool.allowed();
        let connection = self.calls.new_user_limits.connection(allowed);
        self.patiently(connection).await
    }

    /// Waits for as long as the call is retried, and no longer.
    async fn patiently<T>(&self, wait: impl Future<Output = T>) -> Result<T, ProvisionError> {
        let patience = RETRY_FOR.saturating_sub(self.started.elapsed());
        let waited = tokio::time::timeout(patience, wait).await;
        waited.map_err(|_| ProvisionError::Busy)
    }

    /// Runs a transaction on a connection of its own, and reports it and the wait for the connection to the collector.
    pub(super) async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, ProvisionError>,
    ) -> Result<T, ProvisionError> {
        let span = phase!("client", "transaction", "db.system.name" = "mysql");
        let work = self.site().pool.work(work);
        let result = work.instrument(span.clone()).await;
        if let Err(error) = &result {
            fail(&span, error.reason());
        }
        result
    }

    /// The hash of the supplied password as wp-login.php will check it (slashed), or of a random password that is
    /// discarded.
    pub(super) async fn password_hash(&self, version: Version) -> Result<&str, ProvisionError> {
        let hash = self
            .password_hash
            .get_or_try_init(|| async {
                let scheme = self.calls.new_users.password_scheme.for_version(version);
                let supplied = self.call.user_password.as_ref();
                let slashed = supplied.map(|password| loose::addslashes(password.expose_secret()));
                // WordPress could never verify longer ones.
                let usable = slashed.filter(|password| password.len() <= password::MAX_LENGTH);
                let Some(plain) = usable else {
                    return Ok(password::unmatched_hash(scheme));
                };
                let metrics = Arc::clone(&self.calls.metrics);
                let hash = async {
                    metrics.waiting_for_hash.inc();
                    let _slot = self.calls.new_user_limits.hash().await;
                    metrics.waiting_for_hash.dec();
                    let hash = tokio::task::spawn_blocking(move || {
                        let started = Instant::now();
                        let hash = password::hash(&plain, scheme);
                        let took = started.elapsed().as_secs_f64();
                        metrics.hash_seconds.observe(took);
                        hash
                    });
                    hash.await
                };
                let span = phase!("internal", "password hash");
                Ok::<_, ProvisionError>(hash.instrument(span).await??)
            })
            .await?;
        Ok(hash)
    }

    /// To be called around a commit: its answer may be lost or never arrive.
    pub(super) fn set_commit_unknown(&self, unknown: bool) {
        self.commit_unknown.store(unknown, Ordering::Relaxed);
    }

    pub(super) fn is_commit_unknown(&self) -> bool {
        self.commit_unknown.load(Ordering::Relaxed)
    }

    /// Whether the call is retried after this error.
    pub(super) fn is_worth_another(&self, error: &ProvisionError) -> bool {
        if self.is_commit_unknown() {
            error.is_unavailable() && self.started.elapsed() < ASK_FOR
        } else {
            error.is_transient() && self.started.elapsed() < RETRY_FOR
        }
    }

    /// What the last attempt's error means for the call as a whole.
    pub(super) fn last_word(&self, error: ProvisionError) -> ProvisionError {
        match error {
            ProvisionError::Database(error) if self.is_commit_unknown() => {
                ProvisionError::CommitUnknown(error)
            }
            error => error,
        }
    }
}
