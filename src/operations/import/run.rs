//! Carries the lines of a list out.

use std::collections::VecDeque;
use std::io::Read;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::others::{Mark, Others};
use super::patience::waits;
use super::told::{Ended, Summary, Untold};
use super::upcoming::{Next, Upcoming};
use super::{Addresses, CallOf, ImportError};
use crate::provision::{self, Calls, ProvisionError, WebhookCall};
use crate::roster::{Line, Lines};
use crate::telemetry;

/// Between two looks whether lines may go on.
const LOOK: Duration = Duration::from_millis(250);
/// A line that takes long holds up the telling of so many times the lines at a time.
const AHEAD: usize = 8;
/// While others call, one line is carried out at a time, and so many times as long as it took nothing is.
const REST: u32 = 3;
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// A list that is carried out.
pub struct Import {
    /// Carries calls out.
    pub calls: Arc<Calls>,
    /// Makes calls of lines.
    pub call: Arc<CallOf>,
    /// Lines at a time; fewer while others call.
    pub jobs: usize,
    /// Calls a second, at most.
    pub rate: Option<NonZeroU32>,
    /// Cancelled when no further line is to begin.
    pub stop: CancellationToken,
}

/// A line that was begun.
enum Begun {
    Ended(Ended),
    Running(u64, JoinHandle<Result<Ended, ImportError>>),
}

impl Begun {
    fn has_ended(&self) -> bool {
        match self {
            Self::Ended(_) => true,
            Self::Running(_, task) => task.is_finished(),
        }
    }

    async fn end(self) -> Result<Ended, ImportError> {
        match self {
            Self::Ended(ended) => Ok(ended),
            Self::Running(line, task) => {
                let ended = task.await;
                ended.map_err(|error| ImportError::Aborted(line, error))?
            }
        }
    }
}

impl Import {
    /// Carries out one line after the other, some at a time, and tells each as it ends, in their order.
    ///
    /// # Errors
    /// See [`ImportError`]; a line that is refused is none.
    pub async fn run<R: Read>(
        &self,
        lines: Lines<R>,
        addresses: Addresses,
        mut tell: impl FnMut(&Ended, &Summary) -> std::io::Result<()>,
    ) -> Result<Summary, ImportError> {
        let (site, mark) = (&*self.calls.site, Mark::random());
        let (mut others, mut untold) = (Others::than(mark), Untold::default());
        let mut upcoming = Upcoming::of(lines, addresses, &*self.call);
        let mut pace = self.rate.map(pace);
        let turns = Arc::new(Semaphore::new(self.jobs));
        let mut begun: VecDeque<Begun> = VecDeque::new();
        let mut is_read = false;
        let mut result = Ok(());
        loop {
            self.wait_for_tables().await;
            let gives_way = others.call(site).await;
            let most = if gives_way { 1 } else { self.jobs * AHEAD };
            while begun.len() < most
                && !begun.front().is_some_and(Begun::has_ended)
                && !is_read
                && !self.stop.is_cancelled()
                && result.is_ok()
            {
                match upcoming.next(site).await {
                    Ok(Some(next)) => {
                        let started = self.begin(next, mark, &turns, pace.as_mut());
                        begun.push_back(started.await);
                    }
                    Ok(None) => is_read = true,
                    Err(error) => result = Err(error.into()),
                }
            }
            let Some(first) = begun.pop_front() else {
                break;
            };
            let waited = Instant::now();
            // Those that were begun end, whatever became of the ones before.
            match first.end().await {
                Ok(ended) => untold.add(ended),
                Err(error) => result = result.and(Err(error)),
            }
            if result.is_ok() && untold.is_due() {
                result = untold.tell(site, &self.stop, &mut tell).await;
            }
            if gives_way {
                tokio::time::sleep((waited.elapsed() * REST).min(LONGEST_REST)).await;
            }
        }
        // A database that has been waited for already is not waited for again.
        let patience = self.stop.child_token();
        if result.is_err() {
            patience.cancel();
        }
        let told = untold.tell(site, &patience, &mut tell).await;
        result.and(told).map(|()| Summary {
            complete: is_read,
            ..untold.summary
        })
    }

    /// What is carried out while a dump is restored is lost with the next table.
    async fn wait_for_tables(&self) {
        let readiness = &self.calls.site.readiness;
        while readiness.refuses_calls().await.is_some() && !self.stop.is_cancelled() {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn begin(
        &self,
        next: Next,
        mark: Mark,
        turns: &Arc<Semaphore>,
        pace: Option<&mut Interval>,
    ) -> Begun {
        let (line, call) = match next {
            Next::Fit(line, call) => (line, call),
            Next::Unfit(ended) => return Begun::Ended(ended),
        };
        let number = line.number;
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
        let turn = Arc::clone(turns).acquire_owned().await;
        let turn = turn.expect("nobody closes it");
        let work = async move {
            let _turn = turn;
            execute(calls, *call, line, mark, make, stop).await
        };
        Begun::Running(number, tokio::spawn(work))
    }
}

fn pace(rate: NonZeroU32) -> Interval {
    let between = Duration::from_secs(1) / rate.get();
    let mut pace = interval(between.max(Duration::from_micros(1)));
    // A pause of the database is not caught up with by a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// Carries one line out, and waits for a database that is away.
async fn execute(
    calls: Arc<Calls>,
    mut call: WebhookCall,
    line: Line,
    mark: Mark,
    make: Arc<CallOf>,
    stop: CancellationToken,
) -> Result<Ended, ImportError> {
    let started = Instant::now();
    loop {
        mark.put_on(&mut call);
        let error = match provision::provision(Arc::clone(&calls), call, ()).await {
            Ok(executed) => return Ok(Ended::executed(line.number, &executed)),
            Err(error) => error,
        };
        if is_of_line(&error) {
            let (outcome, reason) = (error.outcome().word(), telemetry::chain(&error));
            return Ok(Ended::refused(line.number, outcome, reason));
        }
        if !error.is_unavailable() || !waits(started, &stop).await {
            return Err(ImportError::Stopped(line.number, error));
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
            | ProvisionError::Ignored { .. }
            | ProvisionError::IdempotencyConflict { .. }
    ) || error.is_unstorable()
}
