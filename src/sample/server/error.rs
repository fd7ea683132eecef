//! Errors of starting and using a private server.

use std::io;

/// Why a private server is not available. Each message names the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program of the server's package is not installed.
    #[error("{0} is not on this machine: install it with `apt-get install mariadb-server`")]
    NotInstalled(&'static str),
    /// The folder, a process or a pipe could not be created.
    #[error("could not {doing}")]
    System {
        /// The failed operation.
        doing: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The system tables could not be created.
    #[error("could not create the system tables:\n{0}")]
    Install(String),
    /// The server exited or did not answer in time. Holds the end of its error log.
    #[error("the private server did not start; its error log ends with:\n{0}")]
    Start(String),
    /// A statement failed.
    #[error("could not {doing} on the private server")]
    Database {
        /// The failed operation.
        doing: &'static str,
        /// The server's error.
        #[source]
        source: sqlx::Error,
    },
}

/// Adds the failed operation to a system error.
pub(super) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> ServerError {
    move |source| ServerError::System { doing, source }
}
