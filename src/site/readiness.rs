//! Whether calls may be carried out: not before the database was found fit to be written to and our tables are there.

use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Obstructed,
    Ready,
}

/// How far the start has come.
pub struct Readiness(watch::Sender<State>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(State::Starting))
    }
}

impl Readiness {
    /// Calls may be carried out.
    pub fn set_ready(&self) {
        self.0.send_replace(State::Ready);
    }

    /// Something is in the way that the operator has to mend.
    pub fn set_obstructed(&self) {
        self.0.send_replace(State::Obstructed);
    }

    /// Whether calls may be carried out now.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow() == State::Ready
    }

    /// The same, once that is known: a call that comes in the first moments waits for them.
    pub async fn is_ready_once_started(&self) -> bool {
        self.reaches(|state| state != State::Starting).await == State::Ready
    }

    /// Returns as soon as calls may be carried out.
    pub async fn wait(&self) {
        self.reaches(|state| state == State::Ready).await;
    }

    async fn reaches(&self, is_there: impl Fn(State) -> bool) -> State {
        let mut states = self.0.subscribe();
        let reached = states.wait_for(|state| is_there(*state)).await;
        *reached.expect("the sender is borrowed")
    }
}
