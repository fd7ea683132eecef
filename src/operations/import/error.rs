//! Why an import ends early.

use crate::db::DatabaseError;
use crate::provision::ProvisionError;

/// Why a list is not carried out to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read, or what came of it not be written.
    #[error("the list cannot be read, or its result not be written")]
    Io(#[from] std::io::Error),
    /// What ended this line would end every other one.
    #[error(
        "stopped at line {0}; the lines before it are done. Start the command again when this is mended: it goes on"
    )]
    Stopped(u64, #[source] ProvisionError),
    /// Logins could not be read.
    #[error("stopped at line {0}. Start the command again: it goes on")]
    Database(u64, #[source] DatabaseError),
    /// A bug.
    #[error("stopped at line {0}: its call was aborted. Start the command again: it goes on")]
    Aborted(u64, #[source] tokio::task::JoinError),
}
