//! Keeps the table true by which the must-use plugin knows what PHP must not execute, and judges whether that plugin works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigError, Content};
use crate::db::DatabaseError;
use crate::operations::guard::{self, Seen};
use crate::site::Site;
use crate::telemetry;

/// Between two confirmations of what is protected.
const CONFIRM: Duration = Duration::from_secs(15);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// The task.
pub(super) struct Guard {
    site: Arc<Site>,
    config: watch::Receiver<Arc<Config>>,
    seen: watch::Sender<Option<Seen>>,
    refusal: oneshot::Sender<ConfigError>,
}

/// What others hear from the task.
pub(super) struct Door {
    /// What the plugin said last.
    pub(super) seen: watch::Receiver<Option<Seen>>,
    /// Ends the process at start.
    pub(super) unguarded: oneshot::Receiver<ConfigError>,
}

impl Guard {
    /// The task of a daemon in which this configuration is in force.
    pub(super) fn new(config: watch::Receiver<Arc<Config>>, site: &Arc<Site>) -> (Self, Door) {
        let (seen, seen_receiver) = watch::channel(None);
        let (refusal, unguarded) = oneshot::channel();
        let guard = Self {
            site: Arc::clone(site),
            config,
            seen,
            refusal,
        };
        let door = Door {
            seen: seen_receiver,
            unguarded,
        };
        (guard, door)
    }

    /// Runs until `stop`, and never breaks off work with the database.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self {
            site,
            mut config,
            seen,
            refusal,
        } = self;
        tokio::select! {
            () = site.readiness.wait() => {}
            () = stop.cancelled() => return,
        }
        let mut refusal = Some(refusal);
        let mut told = None;
        loop {
            let wanted = Arc::clone(&config.borrow_and_update());
            let subjects = guard::subjects(&wanted);
            let kept = site.pool.work(async |connection| {
                guard::keep(connection, &site.statements, &subjects).await
            });
            let kept = kept.await;
            if let Some(evidence) = judge(&wanted.wordpress.content, &kept)
                && let Some(refusal) = refusal.take()
            {
                if let Some(problem) = guard::problem(&wanted, &evidence) {
                    let problems = vec![problem];
                    // Nobody listens if the process is ending anyway.
                    let _ = refusal.send(ConfigError { problems });
                } else if let (false, Ok(why)) = (subjects.is_empty(), evidence) {
                    tracing::info!("PHP refuses protected webhooks: {why}");
                }
            }
            let pause = match kept {
                Ok(said) => {
                    seen.send_replace(said);
                    told = None;
                    CONFIRM
                }
                Err(error) => {
                    let why = telemetry::chain(&error);
                    if !subjects.is_empty() && told.as_ref() != Some(&why) {
                        tracing::warn!(
                            "PHP's door is guarded as before, not as configured now: {why}"
                        );
                        told = Some(why);
                    }
                    AGAIN
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // The sender lives as long as the process.
                _ = config.changed() => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Whether the plugin works; `None` while the database cannot tell.
fn judge(
    content: &Content,
    kept: &Result<Option<Seen>, DatabaseError>,
) -> Option<Result<String, String>> {
    match kept {
        Ok(seen) => Some(guard::evidence(content, *seen)),
        // An operator has to grant something, or to make the table.
        Err(error) if error.is_denied() || error.is_missing_table() => {
            Some(Err(telemetry::chain(error)))
        }
        Err(_) => None,
    }
}
