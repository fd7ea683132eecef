//! Keeps the state, and logs its beginning and its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::evidence::Evidence;
use super::reason::{Cause, Reason};

/// Between two reminders in the log while a state lasts.
const REMINDER: Duration = Duration::from_mins(5);

/// The state of readiness.
pub struct Readiness {
    state: watch::Sender<State>,
    /// Calls that were not executed since the state began.
    missed: AtomicU64,
    evidence: Mutex<Evidence>,
}

#[derive(Default)]
struct State {
    /// The first examination has ended.
    is_examined: bool,
    has_been_ready: bool,
    reasons: BTreeMap<Cause, Reason>,
    /// The time since when calls cannot be carried out, and what the log has said about it.
    trouble: Option<Trouble>,
}

struct Trouble {
    began: Instant,
    reminded: Instant,
    said: Vec<Reason>,
}

impl State {
    fn is_ready(&self) -> bool {
        self.is_examined && self.reasons.is_empty()
    }

    /// The reason that is shown.
    fn reason(&self) -> Option<&Reason> {
        self.reasons.values().next()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::default()),
            missed: AtomicU64::default(),
            evidence: Mutex::default(),
        }
    }
}

impl Readiness {
    /// Calls cannot be carried out, for this reason. It replaces an earlier one of the same cause; the same one again
    /// changes nothing.
    pub fn obstruct(&self, cause: Cause, reason: Reason) {
        self.change(|state| {
            let is_new = state.reasons.get(&cause) != Some(&reason);
            state.reasons.insert(cause, reason);
            is_new
        });
    }

    /// The cause is gone.
    pub fn clear(&self, cause: Cause) {
        self.change(|state| state.reasons.remove(&cause).is_some());
    }

    /// The database was examined. The result replaces that of the previous examination; if it is better, how calls ended
    /// before says nothing any longer.
    pub fn examined(&self, found: Option<(Cause, Reason)>) {
        let mut evidence = lock(&self.evidence);
        self.change(|state| {
            let before = state.reasons.clone();
            let is_first = !std::mem::replace(&mut state.is_examined, true);
            let was_found = state.reasons.extract_if(.., |cause, _| cause.is_examined());
            let was_found = was_found.count() > 0;
            match found {
                Some((cause, reason)) => {
                    state.reasons.insert(cause, reason);
                }
                None if was_found => {
                    evidence.forget();
                    state.reasons.remove(&Cause::Failing);
                }
                None => {}
            }
            is_first || state.reasons != before
        });
    }

    /// Whether calls can be carried out.
    pub fn is_ready(&self) -> bool {
        self.state.borrow().is_ready()
    }

    /// Why calls cannot be carried out; `None` if they can.
    pub fn reason(&self) -> Option<Reason> {
        let state = self.state.borrow();
        if state.is_ready() {
            return None;
        }
        let starting = || Reason::passing("the database is being examined");
        Some(state.reason().cloned().unwrap_or_else(starting))
    }

    /// Whether this is one of the causes.
    pub fn has(&self, cause: Cause) -> bool {
        self.state.borrow().reasons.contains_key(&cause)
    }

    /// Whether a call must be refused at once, and why. Waits for the first examination: a call that comes in the first
    /// moments is not refused.
    pub async fn refuses_calls(&self) -> Option<Cause> {
        self.reaches(|state| state.is_examined).await;
        let state = self.state.borrow();
        let mut causes = state.reasons.keys().copied();
        causes.find(|cause| cause.forbids_calls())
    }

    /// Returns as soon as calls can be carried out.
    pub async fn wait(&self) {
        self.reaches(State::is_ready).await;
    }

    async fn reaches(&self, is_there: impl Fn(&State) -> bool) {
        let mut states = self.state.subscribe();
        let reached = states.wait_for(|state| is_there(state)).await;
        drop(reached.expect("the sender is borrowed"));
    }

    /// A call was refused because of this state.
    pub fn call_refused(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// A call was executed.
    pub fn call_executed(&self) {
        if self.missed.load(Ordering::Relaxed) > 0 && self.is_ready() {
            self.missed.store(0, Ordering::Relaxed);
        }
        self.weigh(Evidence::executed);
    }

    /// A call failed for a reason that may concern all calls.
    pub fn call_failed(&self, reason: Reason) {
        self.missed.fetch_add(1, Ordering::Relaxed);
        self.weigh(|evidence| evidence.failed(reason));
    }

    /// To be called regularly: forgets old evidence, and reminds of a state that lasts.
    pub fn tick(&self) {
        self.weigh(|_| true);
        if self.is_ready()
            && let Some(reason) = lock(&self.evidence).untold()
        {
            tracing::error!("calls fail, though not most: {reason}");
        }
        let missed = self.missed.load(Ordering::Relaxed);
        self.state.send_if_modified(|state| {
            remind(state, missed);
            false
        });
    }

    /// Changes the evidence; if that tells something new, the state follows.
    fn weigh(&self, change: impl FnOnce(&mut Evidence) -> bool) {
        let mut evidence = lock(&self.evidence);
        if !change(&mut evidence) {
            return;
        }
        match evidence.verdict() {
            Some(reason) => self.obstruct(Cause::Failing, reason),
            None => self.clear(Cause::Failing),
        }
    }

    /// Changes the state, and logs its beginning and end.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        self.state.send_if_modified(|state| {
            let has_changed = change(state);
            if has_changed {
                self.tell(state);
            }
            has_changed
        });
    }

    fn tell(&self, state: &mut State) {
        if let Some(reason) = state.reason().cloned() {
            let trouble = state.trouble.get_or_insert_with(|| {
                let now = Instant::now();
                Trouble {
                    began: now,
                    reminded: now,
                    said: Vec::new(),
                }
            });
            if trouble.said.contains(&reason) {
                return;
            }
            let Reason { what, remedy } = &reason;
            if let Some(remedy) = remedy {
                tracing::error!(
                    "not ready: {what}. Calls get 503 until this is mended. Remedy: {remedy}"
                );
            } else {
                tracing::warn!("not ready: {what}. Calls get 503 until this is over");
            }
            trouble.said.push(reason);
        } else if state.is_examined {
            let missed = self.missed.swap(0, Ordering::Relaxed);
            let trouble = state.trouble.take();
            match trouble.filter(|_| state.has_been_ready) {
                Some(trouble) => tracing::info!(
                    "ready again after {} s; {missed} calls were not executed meanwhile",
                    trouble.began.elapsed().as_secs()
                ),
                None if !state.has_been_ready => tracing::info!("ready"),
                None => {}
            }
            state.has_been_ready = true;
        }
    }
}

fn remind(state: &mut State, missed: u64) {
    let reason = state.reason().cloned();
    let (Some(trouble), Some(reason)) = (&mut state.trouble, reason) else {
        return;
    };
    if trouble.reminded.elapsed() >= REMINDER {
        trouble.reminded = Instant::now();
        tracing::warn!(
            "still not ready after {} minutes, {missed} calls were not executed: {reason}",
            trouble.began.elapsed().as_secs() / 60
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
