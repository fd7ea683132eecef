//! Monitors whether the database answers. During an outage calls are refused at once: each would otherwise wait for
//! seconds, and take the place of one that could be executed when the database is back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Connection as _, MySqlConnection};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Doing;

/// Between two checks while the database answers.
const CALM: Duration = Duration::from_secs(1);
/// Between two checks during an outage, so that its end is noticed quickly.
const ANXIOUS: Duration = Duration::from_millis(200);
/// Timeout of a check. A busy server is not an outage.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pings the server over a connection of its own.
pub(super) struct Pulse {
    options: MySqlConnectOptions,
    connection: tokio::sync::Mutex<Option<MySqlConnection>>,
    absence: Mutex<Option<String>>,
    suspicion: Notify,
    /// When the server last answered any query.
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

    /// A connection was lost or could not be opened: check at once.
    pub(super) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// The server has answered a query.
    pub(super) fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn was_heard_since(&self, time: Instant) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|heard| heard > time)
    }

    /// Why the server does not answer, if the last check failed.
    pub(super) fn absence(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Waits until a check is due and runs it; false once `stop` is cancelled. While connections are short, uses one only
    /// if the server has not answered other work, and only for a moment.
    pub(super) async fn beat(&self, stop: &CancellationToken, is_short: bool) -> bool {
        let is_away = self.lock().is_some();
        let due = async {
            if is_away {
                tokio::time::sleep(ANXIOUS).await;
            } else {
                // On a timeout no connection was lost in the meantime.
                let _ = timeout(CALM, self.suspicion.notified()).await;
            }
        };
        tokio::select! {
            () = due => {}
            () = stop.cancelled() => return false,
        }
        let asked = Instant::now();
        let absence = if is_short {
            self.ask_briefly(asked).await.err()
        } else {
            self.ask().await.err()
        };
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

    /// Fails only if the server does not answer even a new connection. A server that refuses a connection is up.
    async fn ask(&self) -> Result<(), String> {
        let mut place = self.connection.lock().await;
        // Taken out, so that a connection that timed out is not used again.
        if let Some(mut connection) = place.take()
            && let Ok(Ok(())) = timeout(PATIENCE, connection.ping()).await
        {
            *place = Some(connection);
            return Ok(());
        }
        *place = self.connect().await?;
        Ok(())
    }

    /// The same without keeping a connection.
    async fn ask_briefly(&self, now: Instant) -> Result<(), String> {
        let kept = self.connection.lock().await.take();
        let opened = match now.checked_sub(CALM) {
            Some(before) if self.was_heard_since(before) => None,
            _ => self.connect().await?,
        };
        for connection in [kept, opened].into_iter().flatten() {
            // A connection that does not close in time is left to the operating system.
            let _ = timeout(PATIENCE, connection.close()).await;
        }
        Ok(())
    }

    /// A new connection; `None` if the server refuses it.
    async fn connect(&self) -> Result<Option<MySqlConnection>, String> {
        let connected = timeout(PATIENCE, self.options.connect()).await;
        match connected.map(|connected| connected.doing("connect")) {
            Ok(Ok(connection)) => Ok(Some(connection)),
            Ok(Err(error)) if error.is_lost_connection() => Err(error.to_string()),
            Ok(Err(_)) => Ok(None),
            Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
