//! A connection of its own for examining the database. It is not taken from the pool: that may be empty just when the
//! question matters, and its connections may be older than what is wrong.

use std::io;
use std::time::Duration;

use sqlx::{Connection as _, MySqlConnection};
use tokio::time::timeout;

use super::way::Way;
use super::{Connection, DatabaseError, Doing};

/// How long the server may take for an answer. A busy server is not an outage.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a test write may wait for a lock. More would keep the operator waiting for the reason.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// A connection to examine the database with.
pub struct Probe {
    way: Way,
    connection: Option<MySqlConnection>,
}

impl Probe {
    pub(super) fn new(way: Way) -> Self {
        Self {
            way,
            connection: None,
        }
    }

    /// Whether the server answers over the connection that was opened last.
    pub async fn answers(&mut self) -> bool {
        // Taken out, so that a connection that timed out is not used again.
        let Some(mut connection) = self.connection.take() else {
            return false;
        };
        let answers = matches!(timeout(PATIENCE, connection.ping()).await, Ok(Ok(())));
        self.connection = Some(connection).filter(|_| answers);
        answers
    }

    /// Opens a new connection, with a session like the calls' but shorter waits. The previous one is closed first: the
    /// account may be limited to few.
    ///
    /// # Errors
    /// The server cannot be reached or refuses the connection; no answer in time is reported as a lost connection.
    pub async fn connect(&mut self) -> Result<(), DatabaseError> {
        self.close().await;
        let opened = timeout(PATIENCE, self.way.open(LOCK_WAIT)).await;
        let connection = opened.unwrap_or_else(|_| Err(silence())).doing("connect")?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Closes the connection, if there is one. If that takes too long, it is left to the operating system.
    pub async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = timeout(PATIENCE, connection.close()).await;
        }
    }

    /// Runs a piece of the examination. After an error the connection is closed, which rolls back what it began.
    ///
    /// # Errors
    /// Those of the work; no answer in time is reported as a lost connection.
    pub async fn ask<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let gone = || sqlx::Error::Io(io::ErrorKind::NotConnected.into());
        let mut connection = self.connection.take().ok_or_else(gone).doing("connect")?;
        let limit = PATIENCE + 2 * LOCK_WAIT;
        let answer = timeout(limit, work(&mut connection)).await;
        let answer = answer.unwrap_or_else(|_| Err(silence()).doing("hear from the database"))?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
}
