//! Tracks whether calls may be executed: not before the database was found safe to write to and our tables exist.

use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Obstructed,
    Ready,
}

/// The state of the start-up.
pub struct Readiness(watch::Sender<State>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(State::Starting))
    }
}

impl Readiness {
    /// Calls may be executed.
    pub fn set_ready(&self) {
        self.0.send_replace(State::Ready);
    }

    /// An obstacle must be removed by the operator first.
    pub fn set_obstructed(&self) {
        self.0.send_replace(State::Obstructed);
    }

    /// Whether calls may be executed now.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow() == State::Ready
    }

    /// The same, but waits for the start-up checks: a call that comes in the first moments is not refused.
    pub async fn is_ready_once_started(&self) -> bool {
        self.reaches(|state| state != State::Starting).await == State::Ready
    }

    /// Returns as soon as calls may be executed.
    pub async fn wait(&self) {
        self.reaches(|state| state == State::Ready).await;
    }

    async fn reaches(&self, is_there: impl Fn(State) -> bool) -> State {
        let mut states = self.0.subscribe();
        let reached = states.wait_for(|state| is_there(*state)).await;
        *reached.expect("the sender is borrowed")
    }
}
