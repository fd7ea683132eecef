//! Carrying out a call: load, decide, write in one transaction, count. Tried again as a whole when another transaction
//! was in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backon::Retryable;
use tokio::sync::{MutexGuard, OnceCell, OwnedSemaphorePermit};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::facts::Facts;
use super::runs::{self, Uncounted};
use super::{Outcome, ProvisionError, Site, WebhookCall, known_user, new_user, protection};
use crate::db::{self, RETRY_FOR};
use crate::telemetry::{fail, phase};

/// As long as nobody knows whether the call was committed, it is worth more patience.
const ASK_FOR: Duration = Duration::from_secs(20);

/// Carries a call out to the end, whether or not anyone is still there to hear about it. `place` is dropped then.
///
/// # Errors
/// The call was not executed; see [`ProvisionError`].
pub async fn provision(
    site: Arc<Site>,
    call: WebhookCall,
    place: OwnedSemaphorePermit,
) -> Result<Outcome, ProvisionError> {
    let (tasks, runtime) = (site.tasks.clone(), site.runtime.clone());
    let work = async move {
        let _place = place;
        let result = match carry_out(&site, &call).await {
            Err(error) if error.is_unstorable() => carry_out(&site, &call.in_basic_plane()).await,
            result => result,
        };
        tell(&result);
        result
    };
    let span = phase!(
        "internal",
        "provision",
        "webhook.id" = Empty,
        "user.id" = Empty,
        "call.outcome" = Empty,
    );
    // The log's span around the collector's: each looks for its own among those that the task has entered.
    let work = work.instrument(span).in_current_span();
    tasks.spawn_on(work, &runtime).await?
}

/// Tells the collector of the call's end.
fn tell(result: &Result<Outcome, ProvisionError>) {
    let span = Span::current();
    match result {
        Ok(outcome) => {
            span.record("webhook.id", outcome.webhook_id);
            span.record("user.id", outcome.user_id);
        }
        Err(error) => {
            span.record("call.outcome", error.word());
        }
    }
}

async fn carry_out(site: &Site, call: &WebhookCall) -> Result<Outcome, ProvisionError> {
    let attempt = Attempt {
        site,
        call,
        started: Instant::now(),
        password_hash: OnceCell::new(),
        commit_unknown: AtomicBool::new(false),
    };
    let result = (|| attempt.run())
        .retry(db::pauses())
        .when(|error| attempt.is_worth_another(error))
        .notify(|error, pause| {
            site.metrics.retried(why(error));
            tracing::debug!(error = %error, pause_ms = pause.as_millis(), "trying the call again");
        })
        .await;
    let (run, outcome) = result.map_err(|error| attempt.last_word(error))?;
    if let Some(run) = run {
        let counted = site.tally.count(run, &site.metrics);
        counted.instrument(phase!("internal", "tally")).await;
    }
    Ok(outcome)
}

/// The reason, more exactly than callers are told.
fn why(error: &ProvisionError) -> &'static str {
    match error {
        ProvisionError::Database(error) => error.kind().word(),
        error => error.word(),
    }
}

/// What a call did, with its run unless that is an earlier call's.
type Done = (Option<Uncounted>, Outcome);

/// What the attempts at one call share.
pub(super) struct Attempt<'a> {
    pub(super) site: &'a Site,
    pub(super) call: &'a WebhookCall,
    pub(super) started: Instant,
    /// Hashed once, whatever happens.
    pub(super) password_hash: OnceCell<String>,
    /// The server was told to commit, and its answer has not been heard.
    commit_unknown: AtomicBool,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<Done, ProvisionError> {
        let Self { site, call, .. } = self;
        if self.is_commit_unknown()
            && let Some(done) = self.already_committed().await?
        {
            return Ok(done);
        }
        let email = call.email.as_ref();
        let names = email.map(|email| new_user::likely_names(self, email));
        let names = names.unwrap_or_default();
        // Given back at once: hashing a password must not hold a connection.
        let facts = site
            .pool
            .work(async |connection| Facts::load(connection, site, call, &names).await);
        let read = phase!("client", "read", "db.system.name" = "mysql");
        let mut facts = facts.instrument(read).await?;
        protection::admit(&facts.webhook, &call.caller)?;
        facts.admit(&site.tables)?;
        if let (Some(earlier), Some(now)) = (facts.earlier.take(), &call.idempotency) {
            return if earlier.fields == now.fields {
                Ok((None, earlier.outcome))
            } else {
                Err(ProvisionError::IdempotencyConflict)
            };
        }
        let Ok(email) = email else {
            return Err(self.email_error());
        };
        let result = match facts.user_id {
            Some(user_id) => known_user::serve(self, &facts, user_id).await,
            None => new_user::create(self, &mut facts, email).await,
        };
        match result.map(|(run, outcome)| (Some(run), outcome)) {
            // Our own run: a commit whose answer was lost took place after we had asked. Or a call with the same
            // idempotency key was faster, or PHP has made the profile.
            Err(ProvisionError::Database(error)) if error.is_duplicate() => {
                self.set_commit_unknown(true);
                Err(ProvisionError::Raced)
            }
            result => result,
        }
    }

    /// Waits for other calls of this process that are busy with the same user or login.
    pub(super) async fn turn(&self, name: &str) -> Result<MutexGuard<'_, ()>, ProvisionError> {
        let patience = RETRY_FOR.saturating_sub(self.started.elapsed());
        let turn = self.site.waiting_room.turn(name);
        let turn = tokio::time::timeout(patience, turn).await;
        turn.map_err(|_| ProvisionError::Busy)
    }

    /// Tells the collector of a transaction, with the wait for its connection.
    pub(super) async fn transaction<T>(
        &self,
        work: impl Future<Output = Result<T, ProvisionError>>,
    ) -> Result<T, ProvisionError> {
        let span = phase!("client", "transaction", "db.system.name" = "mysql");
        let result = work.instrument(span.clone()).await;
        if let Err(error) = &result {
            fail(&span, why(error));
        }
        result
    }

    /// To be called around a commit: its answer may be lost, or never come.
    pub(super) fn set_commit_unknown(&self, unknown: bool) {
        self.commit_unknown.store(unknown, Ordering::Relaxed);
    }

    fn is_commit_unknown(&self) -> bool {
        self.commit_unknown.load(Ordering::Relaxed)
    }

    fn is_worth_another(&self, error: &ProvisionError) -> bool {
        if self.is_commit_unknown() {
            error.is_unavailable() && self.started.elapsed() < ASK_FOR
        } else {
            error.is_transient() && self.started.elapsed() < RETRY_FOR
        }
    }

    fn last_word(&self, error: ProvisionError) -> ProvisionError {
        match error {
            ProvisionError::Database(error) if self.is_commit_unknown() => {
                ProvisionError::CommitUnknown(error)
            }
            error => error,
        }
    }

    async fn already_committed(&self) -> Result<Option<Done>, ProvisionError> {
        let Self { site, call, .. } = self;
        let found = site
            .pool
            .work(async |connection| runs::of_call(connection, &site.statements, &call.id).await);
        let found = found.await?;
        self.set_commit_unknown(false);
        Ok(found.map(|(run, user_id)| {
            let outcome = Outcome {
                webhook_id: run.webhook_id,
                user_id,
                created: run.created,
                executed_at: site.clock.now(),
                replayed: false,
            };
            (Some(run), outcome)
        }))
    }

    fn email_error(&self) -> ProvisionError {
        match self.call.email {
            Err(ProvisionError::EmailTooLong) => ProvisionError::EmailTooLong,
            _ => ProvisionError::EmailRequired,
        }
    }
}
