//! Whether the database answers. Calls that come while it does not are refused at once: each would wait for seconds, and
//! take the place of one that could be carried out when it is back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Connection as _, MySqlConnection};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Doing;

/// Between two beats while it answers.
const CALM: Duration = Duration::from_secs(1);
/// Between two beats while it does not, so that its return is noticed at once.
const ANXIOUS: Duration = Duration::from_millis(200);
/// What an answer may take. A busy server is not away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the server over a connection of its own.
pub(super) struct Pulse {
    options: MySqlConnectOptions,
    connection: tokio::sync::Mutex<Option<MySqlConnection>>,
    absence: Mutex<Option<String>>,
    suspicion: Notify,
    /// When somebody was answered last.
    heard: Mutex<Option<Instant>>,
}

impl Pulse {
    pub(super) fn of(options: MySqlConnectOptions) -> Self {
        Self {
            options,
            connection: tokio::sync::Mutex::default(),
            absence: Mutex::default(),
            suspicion: Notify::new(),
            heard: Mutex::default(),
        }
    }

    /// A connection was lost or could not be made: the next beat is due.
    pub(super) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// The server has answered somebody.
    pub(super) fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn was_heard_since(&self, time: Instant) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|heard| heard > time)
    }

    /// Why the server does not answer, if it did not the last time.
    pub(super) fn absence(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Waits until a beat is due and asks the server; false once `stop` is cancelled.
    pub(super) async fn beat(&self, stop: &CancellationToken) -> bool {
        let is_away = self.lock().is_some();
        let due = async {
            if is_away {
                tokio::time::sleep(ANXIOUS).await;
            } else {
                // An error means that nobody has noticed anything.
                let _ = timeout(CALM, self.suspicion.notified()).await;
            }
        };
        tokio::select! {
            () = due => {}
            () = stop.cancelled() => return false,
        }
        let asked = Instant::now();
        let absence = self.ask().await.err();
        let absence = absence.filter(|_| !self.was_heard_since(asked));
        let was_away = std::mem::replace(&mut *self.lock(), absence.clone());
        match (was_away, absence) {
            (None, Some(reason)) => tracing::warn!(
                "the database does not answer, calls get 503 until it does: {reason}"
            ),
            (Some(_), None) => tracing::info!("the database answers again"),
            _ => {}
        }
        true
    }

    /// Fails only if nobody answers, not even to a new connection. A server that refuses one is there.
    async fn ask(&self) -> Result<(), String> {
        let mut place = self.connection.lock().await;
        // Taken out, so that a connection whose time ran out is not asked again.
        if let Some(mut connection) = place.take()
            && let Ok(Ok(())) = timeout(PATIENCE, connection.ping()).await
        {
            *place = Some(connection);
            return Ok(());
        }
        let connected = timeout(PATIENCE, self.options.connect()).await;
        match connected.map(|connected| connected.doing("connect")) {
            Ok(Ok(connection)) => *place = Some(connection),
            Ok(Err(error)) if error.is_lost_connection() => return Err(error.to_string()),
            Ok(Err(_)) => {}
            Err(_) => return Err(format!("no answer in {} s", PATIENCE.as_secs())),
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
