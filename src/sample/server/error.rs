//! What can be in the way of a private server.

use std::io;

/// Why there is no private server. Each text names the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program of the server's package is not installed.
    #[error("{0} is not on this machine: install it with `apt-get install mariadb-server`")]
    NotInstalled(&'static str),
    /// The folder, a process or a pipe could not be made.
    #[error("could not {doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system tables could not be made.
    #[error("could not create the system tables:\n{0}")]
    Install(String),
    /// The server ended or did not answer in time. Holds the end of its error log.
    #[error("the private server did not start; its error log ends with:\n{0}")]
    Start(String),
    /// A statement failed.
    #[error("could not {doing} on the private server")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
}

/// Adds what was being done to an error of the system.
pub(super) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> ServerError {
    move |source| ServerError::System { doing, source }
}
