//! Executes one call in one or more attempts: when another transaction interferes, the whole call is retried.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use tokio::sync::{OnceCell, SemaphorePermit};
use tracing::Instrument;

use super::biography::Biography;
use super::changes::Changes;
use super::facts::Facts;
use super::plan::{Conditions, Plan};
use super::rehearsal::Stage;
use super::run::Run;
use super::tally::Recorded;
use super::{Calls, Idempotency, ProvisionError, WebhookCall};
use crate::db::{Answer, Batch, Connection, DatabaseError, RETRY_FOR};
use crate::site::Site;
use crate::telemetry::{fail, phase};
use crate::wordpress::password;
use crate::wordpress::php::loose;
use crate::wordpress::time::format;
use crate::wordpress::version::Version;

/// While the outcome of a commit is unknown, retrying for longer is worth it.
const ASK_FOR: Duration = Duration::from_secs(20);

/// State shared by all attempts at one call.
pub(super) struct Execution<'a> {
    pub(super) calls: &'a Calls,
    pub(super) call: &'a WebhookCall,
    pub(super) started: Instant,
    /// Rendered once, unless it changes.
    pub(super) biography: Biography,
    /// Hashed once, whatever the number of attempts.
    password_hash: OnceCell<String>,
    /// The server got a commit and did not say what became of it: it may still carry it out, however late.
    commit_pending: AtomicBool,
    /// An attempt in which the call was to count its own run has failed.
    failed_to_count: AtomicBool,
    /// See [`waited`](Self::waited).
    waited_ms: AtomicU64,
    /// An attempt has read the facts.
    has_read: AtomicBool,
    /// Where a call leaves what it did that is rolled back instead of committed.
    pub(super) stage: Option<&'a Stage>,
}

impl<'a> Execution<'a> {
    /// Starts the clock.
    pub(super) fn new(calls: &'a Calls, call: &'a WebhookCall, stage: Option<&'a Stage>) -> Self {
        Self {
            calls,
            call,
            started: Instant::now(),
            biography: Biography::default(),
            password_hash: OnceCell::new(),
            commit_pending: AtomicBool::new(false),
            failed_to_count: AtomicBool::new(false),
            waited_ms: AtomicU64::new(0),
            has_read: AtomicBool::new(false),
            stage,
        }
    }

    /// The site that the call is for.
    pub(super) fn site(&self) -> &'a Site {
        &self.calls.site
    }
}

impl Execution<'_> {
    /// Whether this attempt looks for an earlier run with the call's key: all do but the first one with a key that nobody
    /// had used a moment ago.
    pub(super) fn looks_for_run(&self) -> bool {
        let has_read = self.has_read.swap(true, Ordering::Relaxed);
        let is_unused = |key: &Idempotency| key.is_unused;
        has_read || !self.call.idempotency.as_ref().is_some_and(is_unused)
    }

    /// The context in which the call's plan is decided.
    pub(super) fn conditions<'b>(&self, facts: &'b Facts, now: DateTime<Utc>) -> Conditions<'b> {
        Conditions {
            facts,
            welcome_mail: self.calls.new_users.welcome_mail,
            has_relay: self.calls.bells.relay.is_some(),
            now,
        }
    }

    /// The record of what the call does, up to now.
    pub(super) fn run(&self, plan: &Plan<'_>) -> Run {
        let (call, duration) = (self.call, self.started.elapsed());
        let caller = &call.caller;
        let address = caller.address.filter(|_| caller.is_address_recorded);
        Run {
            call_id: call.id,
            webhook_id: plan.webhook_id,
            user_id: plan.user_id,
            outcome: plan.executed().outcome(),
            changes: serde_json::to_string(&Changes::of(plan)).unwrap_or_default(),
            duration_ms: duration.as_millis().try_into().unwrap_or(u32::MAX),
            executed_at: format(plan.executed_at.naive_utc()),
            idempotency: call.idempotency,
            address: address.map(|address| address.to_string()),
            request_id: caller.request_id.clone(),
        }
    }

    /// Waits for other calls of this process for the same login.
    pub(super) async fn turn(&self, name: &str) -> Result<SemaphorePermit<'_>, ProvisionError> {
        self.patiently(self.calls.waiting_room.turn(name)).await
    }

    /// Waits for other calls of this process for the same user.
    pub(super) async fn turn_with_user(
        &self,
        user_id: u64,
    ) -> Result<SemaphorePermit<'_>, ProvisionError> {
        let turn = self.calls.waiting_room.turn_with_user(user_id);
        self.patiently(turn).await
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

    /// The hash of the new user's password, once it has been made.
    pub(super) fn hashed_password(&self) -> Option<&str> {
        self.password_hash.get().map(String::as_str)
    }

    /// The hash of the supplied password as wp-login.php will check it (slashed), or of a random password that is
    /// discarded. Nobody sees that of a rehearsal.
    pub(super) async fn password_hash(&self, version: Version) -> Result<&str, ProvisionError> {
        let hash = self
            .password_hash
            .get_or_try_init(|| async {
                let scheme = self.calls.new_users.password_scheme.for_version(version);
                let supplied = self.call.user_password.as_ref();
                let supplied = supplied.filter(|_| self.stage.is_none());
                let slashed = supplied.map(|password| loose::addslashes(password.expose_secret()));
                // WordPress could never verify longer ones.
                let usable = slashed.filter(|password| password.len() <= password::MAX_LENGTH);
                let Some(plain) = usable else {
                    return Ok(password::unmatched_hash(scheme));
                };
                let Calls {
                    hashing, metrics, ..
                } = self.calls;
                let hash = hashing.hash(plain.into(), scheme, metrics);
                let span = phase!("internal", "password hash");
                Ok::<_, ProvisionError>(hash.instrument(span).await?)
            })
            .await?;
        Ok(hash)
    }

    /// Sends a commit, by running `batch`, whose last statement it is. Its answer may be lost or never arrive: this
    /// future may be dropped. What an earlier attempt left pending stays so, however this one ends.
    pub(super) async fn commit(
        &self,
        batch: Batch,
        connection: &mut Connection,
    ) -> Result<Vec<Answer>, DatabaseError> {
        let was_pending = self.commit_pending.swap(true, Ordering::Relaxed);
        let committed = batch.run(connection).await;
        let error = committed.as_ref().err();
        let is_lost = error.is_some_and(DatabaseError::may_follow_commit);
        let is_pending = was_pending || is_lost;
        self.commit_pending.store(is_pending, Ordering::Relaxed);
        committed
    }

    /// Leaves the record to the tally's next transaction. Its commit, too, may be pending from then on.
    pub(super) async fn record_together(&self, run: Run) -> Recorded {
        let was_pending = self.commit_pending.swap(true, Ordering::Relaxed);
        let began = Instant::now();
        let recorded = self.calls.tally.record(run).await;
        let waited = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        self.waited_ms.fetch_add(waited, Ordering::Relaxed);
        let is_pending = was_pending || recorded == Recorded::Unknown;
        self.commit_pending.store(is_pending, Ordering::Relaxed);
        if recorded != Recorded::Yes {
            self.note_failed_count();
        }
        recorded
    }

    /// For how long the call has waited in vain for its run to be recorded.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_millis(self.waited_ms.load(Ordering::Relaxed))
    }

    /// From now on the run is left to the tally.
    pub(super) fn note_failed_count(&self) {
        self.failed_to_count.store(true, Ordering::Relaxed);
    }

    /// See [`note_failed_count`](Self::note_failed_count); also if the call is executed once more with other names.
    pub(super) fn has_failed_to_count(&self) -> bool {
        self.call.basic_plane || self.failed_to_count.load(Ordering::Relaxed)
    }

    /// Whether the server may have committed the call, or may yet do so.
    pub(super) fn is_commit_pending(&self) -> bool {
        self.commit_pending.load(Ordering::Relaxed)
    }

    /// Whether the call is retried after this error.
    pub(super) fn is_worth_another(&self, error: &ProvisionError) -> bool {
        if self.is_commit_pending() {
            error.is_unavailable() && self.started.elapsed() < ASK_FOR
        } else {
            error.is_transient() && self.started.elapsed() < RETRY_FOR
        }
    }

    /// What the last attempt's error means for the call as a whole: that this attempt has changed nothing says nothing
    /// about a commit that is still pending.
    pub(super) fn last_word(&self, error: ProvisionError) -> ProvisionError {
        if self.is_commit_pending() {
            ProvisionError::CommitUnknown(Box::new(error))
        } else {
            error
        }
    }
}
