//! Why a call was not executed.

use crate::db::DatabaseError;
use crate::fluentcommunity::webhook::UnreadableWebhook;

/// A call that was not executed: nothing of it is in the database.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// No webhook has this key.
    #[error("no webhook has this key")]
    UnknownWebhook,
    /// The record is corrupt; it is left as it is.
    #[error(transparent)]
    UnreadableWebhook(#[from] UnreadableWebhook),
    /// No address, or none that `is_email` accepts.
    #[error("the e-mail address is missing or invalid")]
    EmailRequired,
    /// Longer than `user_email`.
    #[error("the e-mail address is longer than 100 characters")]
    EmailTooLong,
    /// Thousands of names were tried.
    #[error("no free user name was found for the new user")]
    NoFreeName,
    /// Neither configured, nor in the files, nor in the database.
    #[error("the WordPress version is unknown: set wordpress.version or wordpress.root")]
    UnknownVersion,
    /// Somebody else created or deleted the user between our look and our lock.
    #[error("another call created or deleted this user in the meantime")]
    Raced,
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The connection was lost while the transaction was being committed.
    #[error("the connection was lost during the commit")]
    CommitUnknown(#[source] DatabaseError),
    /// The password could not be hashed.
    #[error("the password could not be hashed")]
    Hash(#[from] crate::wordpress::password::HashError),
    /// The task that carried out the call was aborted.
    #[error("the call was aborted")]
    Aborted(#[from] tokio::task::JoinError),
}

impl ProvisionError {
    /// Whether the whole call may succeed if it is tried again at once. The only judge of retrying.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Raced | Self::CommitUnknown(_) => true,
            Self::Database(error) => error.is_lock_conflict() || error.is_lost_connection(),
            _ => false,
        }
    }

    /// Whether the caller should come back later: the fault is neither the call's nor the site's data.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Raced | Self::CommitUnknown(_) | Self::Aborted(_) => true,
            Self::Database(error) => {
                error.is_unavailable() || error.is_lock_conflict() || error.is_missing_table()
            }
            _ => false,
        }
    }
}
