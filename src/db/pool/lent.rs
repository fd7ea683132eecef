//! A connection while it is lent, and its return.

use std::time::Duration;

use deadpool::managed::Object;
use sqlx::{Connection as _, Executor};

use super::sessions::Sessions;
use crate::db::Connection;
use crate::db::allowance::Place;

/// How long the goodbye to a connection may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What becomes of a connection on which the server still answers.
#[derive(Clone, Copy)]
pub(super) enum Afterwards {
    Reuse,
    Close,
}

/// A connection that is closed on drop, without a goodbye to the server: it may not be listening, and an open
/// transaction must not leak to the next user of the connection.
pub(super) struct Lent {
    connection: Option<Object<Sessions>>,
    // Dropped after the connection: only then may another one be opened.
    place: Place,
}

impl Lent {
    pub(super) fn of(connection: Object<Sessions>, place: Place) -> Self {
        Self {
            connection: Some(connection),
            place,
        }
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("it is lent until it is given back")
    }

    /// After an error a transaction may still be open. It is rolled back in the background.
    pub(super) fn give_back(mut self, roll_back: bool) {
        if roll_back {
            tokio::spawn(tokio::time::timeout(FAREWELL, async move {
                if self.connection().execute("ROLLBACK").await.is_ok() {
                    self.give_back(false);
                }
            }));
            return;
        }
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.place.is_withdrawn() {
            let connection = Object::take(connection);
            tokio::spawn(tokio::time::timeout(FAREWELL, connection.close()));
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        drop(self.connection.take().map(Object::take));
    }
}
