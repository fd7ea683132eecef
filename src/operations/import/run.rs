//! Carries the lines of a list out.

use std::collections::VecDeque;
use std::io::Read;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Addresses, CallOf, Unfit, fit};
use crate::db::{DatabaseError, Doing};
use crate::outcome::Outcome;
use crate::provision::{self, Calls, Executed, Idempotency, ProvisionError, WebhookCall};
use crate::roster::{Line, Lines};
use crate::telemetry;

/// How long a line waits for a database that is away.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two attempts at it.
const PAUSE: Duration = Duration::from_secs(1);

/// A list that is carried out.
pub struct Import {
    /// Carries calls out.
    pub calls: Arc<Calls>,
    /// Makes calls of lines.
    pub call: Arc<CallOf>,
    /// Calls at a time.
    pub jobs: usize,
    /// Calls a second, at most.
    pub rate: Option<NonZeroU32>,
    /// Cancelled when no further line is to begin.
    pub stop: CancellationToken,
}

/// How a line ended.
#[derive(Debug)]
pub struct Ended {
    /// Its number in the file.
    pub line: u64,
    /// The member.
    pub user_id: Option<u64>,
    /// The member's login.
    pub login: Option<String>,
    /// `created` or `found`, also if the line was carried out before; `twice`; or why it was refused.
    pub outcome: &'static str,
    /// Why it was not carried out, for people.
    pub reason: Option<String>,
}

/// What came of a list.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Summary {
    /// Lines that ended.
    pub lines: u64,
    /// Whose members are new.
    pub created: u64,
    /// Whose members the site knew.
    pub found: u64,
    /// Of these two, lines that had been carried out before.
    pub before: u64,
    /// Whose address stands in an earlier line.
    pub twice: u64,
    /// That were refused.
    pub refused: u64,
    /// Whether the list ended, and not the command before it.
    pub complete: bool,
}

/// Why a list is not carried out to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read, or what came of it not be written.
    #[error("the list cannot be read, or its result not be written")]
    Io(#[from] std::io::Error),
    /// What ended this line would end every other one.
    #[error(
        "stopped at line {0}; the lines before it are done. Start the command again when this is mended: it goes on"
    )]
    Stopped(u64, #[source] ProvisionError),
    /// A login could not be read.
    #[error("stopped at line {0}, which is done. Start the command again: it goes on")]
    Database(u64, #[source] DatabaseError),
    /// A bug.
    #[error("stopped at line {0}: its call was aborted. Start the command again: it goes on")]
    Aborted(u64, #[source] tokio::task::JoinError),
}

/// A line that was begun.
enum Begun {
    Ended(Ended),
    Running(u64, JoinHandle<Result<(Ended, bool), ImportError>>),
}

impl Import {
    /// Carries out one line after the other, some at a time, and tells each as it ends, in their order.
    ///
    /// # Errors
    /// See [`ImportError`]; a line that is refused is none.
    pub async fn run<R: Read>(
        &self,
        mut lines: Lines<R>,
        mut addresses: Addresses,
        mut tell: impl FnMut(&Ended, &Summary) -> std::io::Result<()>,
    ) -> Result<Summary, ImportError> {
        let mut summary = Summary::default();
        let mut pace = self.rate.map(pace);
        let mut begun = VecDeque::new();
        let mut result = Ok(());
        loop {
            while begun.len() < self.jobs
                && !summary.complete
                && !self.stop.is_cancelled()
                && result.is_ok()
            {
                match lines.next_line() {
                    Ok(Some(line)) => {
                        begun.push_back(self.begin(line, &mut addresses, pace.as_mut()).await);
                    }
                    Ok(None) => summary.complete = true,
                    Err(error) => result = Err(error.into()),
                }
            }
            let Some(first) = begun.pop_front() else {
                break;
            };
            let ended = match first {
                Begun::Ended(ended) => Ok((ended, false)),
                Begun::Running(line, task) => {
                    let ended = task
                        .await
                        .map_err(|error| ImportError::Aborted(line, error));
                    ended.and_then(|ended| ended)
                }
            };
            // Those that were begun end, whatever became of the ones before.
            let told = ended.and_then(|(ended, before)| {
                summary.add(&ended, before);
                Ok(tell(&ended, &summary)?)
            });
            result = result.and(told);
        }
        result.map(|()| summary)
    }

    async fn begin(
        &self,
        line: Line,
        addresses: &mut Addresses,
        pace: Option<&mut Interval>,
    ) -> Begun {
        let number = line.number;
        let refused = |outcome, reason| {
            Begun::Ended(Ended {
                line: number,
                user_id: None,
                login: None,
                outcome,
                reason: Some(reason),
            })
        };
        let call = match fit(&line, &*self.call, addresses) {
            Ok(call) => call,
            Err(unfit @ Unfit::Twice(_)) => return refused("twice", unfit.reason()),
            Err(unfit @ Unfit::Shifted) => {
                return refused(Outcome::InvalidRequest.word(), unfit.reason());
            }
            Err(unfit @ Unfit::Address(_)) => {
                return refused(Outcome::InvalidEmail.word(), unfit.reason());
            }
        };
        if let Some(pace) = pace {
            tokio::select! {
                _ = pace.tick() => {}
                () = self.stop.cancelled() => {}
            }
        }
        let (calls, stop, make) = (
            Arc::clone(&self.calls),
            self.stop.clone(),
            Arc::clone(&self.call),
        );
        let work = async move { execute(calls, call, line, make, stop).await };
        Begun::Running(number, tokio::spawn(work))
    }
}

impl Summary {
    fn add(&mut self, ended: &Ended, before: bool) {
        self.lines += 1;
        self.before += u64::from(before);
        let count = match ended.outcome {
            "twice" => &mut self.twice,
            _ if ended.user_id.is_none() => &mut self.refused,
            outcome if outcome == Outcome::Created.word() => &mut self.created,
            _ => &mut self.found,
        };
        *count += 1;
    }
}

fn pace(rate: NonZeroU32) -> Interval {
    let between = Duration::from_secs(1) / rate.get();
    let mut pace = interval(between.max(Duration::from_micros(1)));
    // A pause of the database is not caught up with by a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// Carries one line out, and waits for a database that is away. Also tells whether the line had been carried out before.
async fn execute(
    calls: Arc<Calls>,
    mut call: WebhookCall,
    line: Line,
    make: Arc<CallOf>,
    stop: CancellationToken,
) -> Result<(Ended, bool), ImportError> {
    let started = Instant::now();
    loop {
        call.idempotency = Some(Idempotency::of_line(call.repeated_fields()));
        let error = match provision::provision(Arc::clone(&calls), call, ()).await {
            Ok(executed) => return done(&calls, &line, &executed).await,
            Err(error) => error,
        };
        if is_of_line(&error) {
            let ended = Ended {
                line: line.number,
                user_id: None,
                login: None,
                outcome: error.outcome().word(),
                reason: Some(telemetry::chain(&error)),
            };
            return Ok((ended, false));
        }
        let is_over = started.elapsed() > PATIENCE || stop.is_cancelled();
        if !error.is_unavailable() || is_over {
            return Err(ImportError::Stopped(line.number, error));
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => {}
        }
        call = make(&line);
    }
}

/// Whether the error says nothing about other lines.
fn is_of_line(error: &ProvisionError) -> bool {
    matches!(
        error,
        ProvisionError::EmailRequired
            | ProvisionError::EmailTooLong
            | ProvisionError::NoFreeName
            | ProvisionError::IdempotencyConflict { .. }
    ) || error.is_unstorable()
}

async fn done(
    calls: &Calls,
    line: &Line,
    executed: &Executed,
) -> Result<(Ended, bool), ImportError> {
    let site = &calls.site;
    let login = site.pool.work(async |connection| {
        sqlx::query_scalar::<_, String>(site.statements.login_of_user.sql())
            .bind(executed.user_id)
            .fetch_optional(connection)
            .await
            .doing("read the member's login")
    });
    let login = login
        .await
        .map_err(|error| ImportError::Database(line.number, error))?;
    let outcome = if executed.created {
        Outcome::Created
    } else {
        Outcome::Found
    };
    let ended = Ended {
        line: line.number,
        user_id: Some(executed.user_id),
        login,
        outcome: outcome.word(),
        reason: None,
    };
    Ok((ended, executed.replayed))
}
