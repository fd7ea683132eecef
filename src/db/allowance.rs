//! How many connections the pool may use: as many as configured, or as many as the server has been found to allow.
//!
//! Servers limit connections, often per account and without saying so before (error 1226). Work that is refused one
//! waits for another piece's connection instead. One connection less than allowed is used, so that the commands, the
//! pulse, and WordPress with the same account still get in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, Semaphore};

/// Left to others while the server allows fewer connections than configured.
const LEFT: usize = 1;

/// Between two trials whether the server allows more: at first, and at most while it does not. A trial takes a connection
/// from others for a moment.
const FIRST_TRIAL: Duration = Duration::from_secs(1);
const LAST_TRIAL: Duration = Duration::from_mins(1);

/// Hands out places, each for one connection, in the order in which they were asked for.
pub(super) struct Allowance {
    configured: usize,
    places: Semaphore,
    state: Mutex<State>,
}

struct State {
    allowed: usize,
    in_use: usize,
    /// Places to withdraw that were in use at the time.
    owed: usize,
    waiting: usize,
    /// Whether anything had to wait since the last trial.
    is_wanted: bool,
    /// The server's words at the last refusal.
    refusal: Option<(Instant, String)>,
    next_trial: Instant,
    pause: Duration,
    is_told: bool,
}

/// What has changed since the last look, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The server allows fewer connections than configured: this many are used, and these were its words.
    Fewer(usize, String),
    /// It allows as many as configured again.
    AllAgain,
}

impl Allowance {
    pub(super) fn of(configured: usize) -> Self {
        Self {
            configured,
            places: Semaphore::new(configured),
            state: Mutex::new(State {
                allowed: configured,
                in_use: 0,
                owed: 0,
                waiting: 0,
                is_wanted: false,
                refusal: None,
                next_trial: Instant::now(),
                pause: FIRST_TRIAL,
                is_told: false,
            }),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// The pool was closed.
    pub(super) async fn place(self: &Arc<Self>) -> Result<Place, AcquireError> {
        let permit = if let Ok(permit) = self.places.try_acquire() {
            permit
        } else {
            let _waiter = Waiter::of(self);
            self.places.acquire().await?
        };
        permit.forget();
        self.state().in_use += 1;
        Ok(Place(Some(Arc::clone(self))))
    }

    /// How many connections may be used at once.
    pub(super) fn allowed(&self) -> usize {
        self.state().allowed
    }

    /// Whether the server allows fewer than configured.
    pub(super) fn is_short(&self) -> bool {
        self.allowed() < self.configured
    }

    /// How much work waits for a place.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// The server's words, if it has refused a connection since then.
    pub(super) fn refusal_since(&self, time: Instant) -> Option<String> {
        let state = self.state();
        let (when, words) = state.refusal.as_ref()?;
        (*when > time).then(|| words.clone())
    }

    /// Whether to try if the server allows more: only if something had to wait.
    pub(super) fn is_trial_due(&self) -> bool {
        let mut state = self.state();
        let is_due = state.allowed < self.configured
            && state.is_wanted
            && Instant::now() >= state.next_trial;
        if is_due {
            state.is_wanted = state.waiting > 0;
        }
        is_due
    }

    /// How many connections have to be possible beside the present ones for one more to be used.
    pub(super) const TRIED: usize = LEFT + 1;

    /// The end of a trial.
    pub(super) fn tried(&self, is_more_allowed: bool) {
        let mut state = self.state();
        if is_more_allowed {
            state.pause = FIRST_TRIAL;
            if state.allowed < self.configured {
                state.allowed += 1;
                self.give(&mut state, 1);
            }
        } else {
            state.pause = (state.pause * 2).min(LAST_TRIAL);
        }
        state.next_trial = Instant::now() + state.pause;
    }

    /// What to log, if anything.
    pub(super) fn news(&self) -> Option<News> {
        let mut state = self.state();
        let is_short = state.allowed < self.configured;
        if is_short == state.is_told {
            return None;
        }
        state.is_told = is_short;
        Some(if is_short {
            let words = state.refusal.as_ref().map(|(_, words)| words.clone());
            News::Fewer(state.allowed, words.unwrap_or_default())
        } else {
            News::AllAgain
        })
    }

    /// Everything that waits for a place fails from now on.
    pub(super) fn close(&self) {
        self.places.close();
    }

    fn give(&self, state: &mut State, places: usize) {
        let settled = places.min(state.owed);
        state.owed -= settled;
        self.places.add_permits(places - settled);
    }

    fn take(&self, state: &mut State, places: usize) {
        let free = self.places.forget_permits(places);
        state.owed += places - free;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one connection.
pub(super) struct Place(Option<Arc<Allowance>>);

/// How to go on after a refusal.
pub(super) enum Refused {
    /// Another connection becomes free some time.
    WaitForAnother,
    /// There is none: keep the place and ask the server again.
    AskAgain(Place),
}

impl Place {
    /// The server has refused the connection of this place, and the pool has `open` others.
    pub(super) fn refused(mut self, open: usize, words: String) -> Refused {
        let Some(allowance) = self.0.take() else {
            return Refused::WaitForAnother;
        };
        let mut state = allowance.state();
        let now = Instant::now();
        if state.allowed == allowance.configured {
            state.pause = FIRST_TRIAL;
        }
        state.next_trial = now + state.pause;
        state.refusal = Some((now, words));
        let others = (state.in_use - 1).max(open);
        let allowed = state.allowed.min(others.saturating_sub(LEFT).max(1));
        let withdrawn = state.allowed - allowed;
        state.allowed = allowed;
        allowance.take(&mut state, withdrawn);
        if others == 0 {
            drop(state);
            return Refused::AskAgain(Self(Some(allowance)));
        }
        state.in_use -= 1;
        allowance.give(&mut state, 1);
        Refused::WaitForAnother
    }

    /// Gives the place back early if it is to be withdrawn; then its connection must be closed.
    pub(super) fn is_withdrawn(&mut self) -> bool {
        let Some(allowance) = &self.0 else {
            return true;
        };
        let mut state = allowance.state();
        if state.owed == 0 {
            return false;
        }
        state.owed -= 1;
        state.in_use -= 1;
        drop(state);
        self.0 = None;
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(allowance) = self.0.take() {
            let mut state = allowance.state();
            state.in_use -= 1;
            allowance.give(&mut state, 1);
        }
    }
}

/// Counts a piece of work that waits.
struct Waiter<'a>(&'a Allowance);

impl<'a> Waiter<'a> {
    fn of(allowance: &'a Allowance) -> Self {
        let mut state = allowance.state();
        state.waiting += 1;
        state.is_wanted = true;
        Self(allowance)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> String {
        "error 1226".to_owned()
    }

    async fn places(allowance: &Arc<Allowance>, count: usize) -> Vec<Place> {
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(allowance.place().await.unwrap());
        }
        places
    }

    fn free(allowance: &Allowance) -> usize {
        allowance.places.available_permits()
    }

    #[tokio::test]
    async fn what_the_server_refuses_is_not_asked_for_again_and_one_is_left_to_others() {
        let allowance = Arc::new(Allowance::of(16));
        let mut taken = places(&allowance, 16).await;
        assert_eq!(allowance.news(), None);
        // The server allows ten.
        for place in taken.drain(10..) {
            assert!(matches!(place.refused(0, words()), Refused::WaitForAnother));
        }
        assert_eq!((allowance.allowed(), free(&allowance)), (9, 0));
        assert_eq!(allowance.news(), Some(News::Fewer(9, words())));
        assert_eq!(allowance.news(), None);
        let mut first = taken.pop().unwrap();
        assert!(first.is_withdrawn());
        drop(first);
        assert_eq!(free(&allowance), 0);
        assert!(!taken[0].is_withdrawn());
        drop(taken);
        assert_eq!(free(&allowance), 9);
    }

    #[tokio::test]
    async fn the_last_place_stays_and_asks_again() {
        let allowance = Arc::new(Allowance::of(3));
        let mut taken = places(&allowance, 3).await;
        for place in taken.drain(1..) {
            assert!(matches!(place.refused(0, words()), Refused::WaitForAnother));
        }
        let last = taken.pop().unwrap();
        let Refused::AskAgain(last) = last.refused(0, words()) else {
            panic!("nobody would ask again");
        };
        assert_eq!((allowance.allowed(), free(&allowance)), (1, 0));
        drop(last);
        assert_eq!(free(&allowance), 1);
    }

    #[tokio::test]
    async fn a_limit_is_forgotten_once_more_is_allowed_and_wanted() {
        let allowance = Arc::new(Allowance::of(3));
        let mut taken = places(&allowance, 3).await;
        let refused = taken.pop().unwrap();
        let _ = refused.refused(2, words());
        assert_eq!(allowance.allowed(), 1);
        assert!(!allowance.is_trial_due(), "nobody waits");
        drop(taken);
        assert_eq!(free(&allowance), 1);
        allowance.news();
        for allowed in [2, 3, 3] {
            allowance.tried(true);
            assert_eq!((allowance.allowed(), free(&allowance)), (allowed, allowed));
        }
        assert_eq!(allowance.news(), Some(News::AllAgain));
    }
}
