//! Carrying out a call: load, decide, write in one transaction, count. Tried again as a whole when another transaction
//! was in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use tokio::sync::OnceCell;
use tracing::Instrument;

use super::facts::Facts;
use super::runs::{self, Uncounted};
use super::{Outcome, ProvisionError, Site, WebhookCall, known_user, new_user};
use crate::db::Doing;

/// Tries of one call: colliding transactions settle in two or three.
const MOST_RETRIES: usize = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Carries a call out to the end, whether or not anyone is still there to hear about it.
///
/// # Errors
/// The call was not executed; see [`ProvisionError`].
pub async fn provision(site: Arc<Site>, call: WebhookCall) -> Result<Outcome, ProvisionError> {
    let (tasks, runtime) = (site.tasks.clone(), site.runtime.clone());
    let work = async move { carry_out(&site, &call).await };
    tasks.spawn_on(work.in_current_span(), &runtime).await?
}

async fn carry_out(site: &Site, call: &WebhookCall) -> Result<Outcome, ProvisionError> {
    let attempt = Attempt {
        site,
        call,
        started: Instant::now(),
        password_hash: OnceCell::new(),
        commit_unknown: AtomicBool::new(false),
    };
    let (run, outcome) = (|| attempt.run())
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(FIRST_PAUSE)
                .with_max_delay(LONGEST_PAUSE)
                .with_max_times(MOST_RETRIES)
                .with_jitter(),
        )
        .when(ProvisionError::is_transient)
        .notify(|error, pause| {
            tracing::debug!(error = %error, pause_ms = pause.as_millis(), "trying the call again");
        })
        .await?;
    site.mail_bell.notify_one();
    site.tally.count(run).await;
    Ok(outcome)
}

/// What the attempts at one call share.
pub(super) struct Attempt<'a> {
    pub(super) site: &'a Site,
    pub(super) call: &'a WebhookCall,
    pub(super) started: Instant,
    /// Hashed once, whatever happens.
    pub(super) password_hash: OnceCell<String>,
    commit_unknown: AtomicBool,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<(Uncounted, Outcome), ProvisionError> {
        let Self { site, call, .. } = self;
        if self.commit_unknown.swap(false, Ordering::Relaxed)
            && let Some(done) = self.already_committed().await?
        {
            return Ok(done);
        }
        let mut connection = site
            .pool
            .acquire()
            .await
            .doing("get a database connection")?;
        let email = call.email.as_ref();
        let facts = Facts::load(
            &mut connection,
            &site.statements,
            &site.tables,
            &call.key,
            email.ok(),
        )
        .await?;
        // Given back: hashing a password must not hold a connection.
        drop(connection);
        let Ok(email) = email else {
            return Err(self.email_error());
        };
        let result = match facts.user_id {
            Some(user_id) => known_user::serve(self, &facts, user_id).await,
            None => new_user::create(self, &facts, email).await,
        };
        match result {
            Err(ProvisionError::CommitUnknown(_)) => {
                self.commit_unknown.store(true, Ordering::Relaxed);
                result
            }
            // Our own run: a commit whose answer was lost took place after we had asked. Or PHP has made the profile.
            Err(ProvisionError::Database(error)) if error.is_duplicate() => {
                self.commit_unknown.store(true, Ordering::Relaxed);
                Err(ProvisionError::Raced)
            }
            result => result,
        }
    }

    async fn already_committed(&self) -> Result<Option<(Uncounted, Outcome)>, ProvisionError> {
        let found = runs::of_call(&self.site.pool, &self.site.statements, &self.call.id).await;
        let found = match found {
            Ok(found) => found,
            // Still unknown: the next attempt asks again.
            Err(error) => {
                self.commit_unknown.store(true, Ordering::Relaxed);
                return Err(error.into());
            }
        };
        Ok(found.map(|(run, user_id)| {
            let outcome = Outcome {
                webhook_id: run.webhook_id,
                user_id,
                created: run.created,
                executed_at: self.site.clock.now(),
            };
            (run, outcome)
        }))
    }

    fn email_error(&self) -> ProvisionError {
        match self.call.email {
            Err(ProvisionError::EmailTooLong) => ProvisionError::EmailTooLong,
            _ => ProvisionError::EmailRequired,
        }
    }
}
