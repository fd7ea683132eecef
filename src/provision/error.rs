//! Why a call was not executed.

use super::{Ignored, SignatureFlaw};
use crate::db::{Cause, DatabaseError, ErrorKind};
use crate::fluentcommunity::webhook::UnreadableWebhook;
use crate::outcome::Outcome;
use crate::site::Reason;
use crate::source::Flaw;

/// A call that was not executed: it left nothing in the database, unless the outcome of the commit is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// No webhook has this key.
    #[error("no webhook has this key")]
    UnknownWebhook,
    /// The record is corrupt; it is left unchanged.
    #[error(transparent)]
    UnreadableWebhook(#[from] UnreadableWebhook),
    /// The name of the call was used for a different one.
    #[error("an earlier call with this {header} had other fields")]
    IdempotencyConflict {
        /// The header that holds the name.
        header: &'static str,
    },
    /// The caller's address is not one that the operator allows.
    #[error("protection \"{protection}\" does not allow calls from the caller's address")]
    AddressNotAllowed {
        /// The operator's name for the protection.
        protection: String,
    },
    /// The operator requires signed calls, and this call is not validly signed.
    #[error("protection \"{protection}\" asks for a signature: {flaw}")]
    NotSigned {
        /// The operator's name for the protection.
        protection: String,
        /// What is wrong with the signature.
        #[source]
        flaw: SignatureFlaw,
    },
    /// The webhook has a source, and the call is not of its sender.
    #[error("source \"{source_name}\" asks for its sender's signature or secret: {flaw}")]
    NotOfSource {
        /// The operator's name for the source.
        source_name: String,
        /// What is wrong.
        #[source]
        flaw: Flaw,
    },
    /// There is nothing to do.
    #[error("source \"{source_name}\": {why}")]
    Ignored {
        /// The operator's name for the source.
        source_name: String,
        /// Why not.
        why: Ignored,
    },
    /// The key's webhook was another one when the call was read.
    #[error("the webhook of the key has changed in the meantime")]
    OtherSource,
    /// A call that was kept did not meet the protection when it came.
    #[error("when the call came, it did not meet protection \"{protection}\"")]
    ProtectionNotMet {
        /// The operator's name for the protection.
        protection: String,
    },
    /// No address, or none that `is_email` accepts.
    #[error("the e-mail address is missing or invalid")]
    EmailRequired,
    /// Longer than `user_email` can hold.
    #[error("the e-mail address is longer than 100 characters")]
    EmailTooLong,
    /// Thousands of names were tried.
    #[error("no free user name was found for the new user")]
    NoFreeName,
    /// The version is neither configured, nor in the files, nor in the database.
    #[error("the WordPress version is unknown: set wordpress.version or wordpress.root")]
    UnknownVersion,
    /// A site of a network that does not exist, or no longer exists.
    #[error("the network has no site {0}: set wordpress.blog_id to one that it has")]
    NoSuchSite(u64),
    /// A site of a network that WordPress does not serve either.
    #[error("site {id} of the network {why}: WordPress does not serve it either")]
    SiteClosed {
        /// Its id.
        id: u64,
        /// Its state, in words.
        why: &'static str,
    },
    /// Another call or PHP created or deleted the user between our read and our lock.
    #[error("another call created or deleted this user in the meantime")]
    Raced,
    /// Rows of another person have the new user's id.
    #[error("rows of a user who is gone have the new user's id {0}")]
    LeftoverRows(u64),
    /// The user's biography was not rendered yet, or has changed since.
    #[error("the user's biography was changed in the meantime")]
    Unrendered,
    /// The call was to count its own run, and could not.
    #[error("the call could not count its own run")]
    Uncounted(#[source] DatabaseError),
    /// The call's run was recorded together with others, or was not.
    #[error("the database did not say whether it recorded the call")]
    Unheard,
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The connection was lost during the commit, and its run has not been found: the call may or may not be executed.
    /// The source is how the last attempt to find out, or to execute the call again, ended.
    #[error("the database did not say whether it committed the call")]
    CommitUnknown(#[source] Box<ProvisionError>),
    /// Other calls for the same user or login have held the lock for too long.
    #[error("other calls for this user take too long")]
    Busy,
    /// The remaining places are reserved for existing members.
    #[error("as many new members are being created as there may be at once")]
    Crowded,
    /// The password could not be hashed.
    #[error("the password could not be hashed")]
    Hash(#[from] crate::wordpress::password::HashError),
    /// The task that ran the call panicked or was aborted: the call may or may not be executed.
    #[error("the call was aborted")]
    Aborted(#[from] tokio::task::JoinError),
}

impl Cause for ProvisionError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            // Not the last error after an unknown commit: whoever repeats work for its sake must know that it was rolled back.
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl ProvisionError {
    /// The labels under which most retries are counted; see `reason`.
    pub const RETRIED: [&str; 3] = [
        ErrorKind::LockConflict.word(),
        ErrorKind::LostConnection.word(),
        Outcome::Raced.word(),
    ];

    /// The outcome of a call that ended with this error.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::UnknownWebhook => Outcome::UnknownWebhook,
            Self::UnreadableWebhook(_) => Outcome::UnreadableWebhook,
            Self::IdempotencyConflict { .. } => Outcome::IdempotencyConflict,
            Self::AddressNotAllowed { .. } => Outcome::AddressNotAllowed,
            Self::NotSigned { .. } | Self::NotOfSource { .. } | Self::ProtectionNotMet { .. } => {
                Outcome::NotSigned
            }
            Self::Ignored { .. } => Outcome::Ignored,
            Self::EmailRequired | Self::EmailTooLong => Outcome::InvalidEmail,
            Self::NoFreeName => Outcome::NoFreeName,
            Self::UnknownVersion => Outcome::UnknownVersion,
            Self::NoSuchSite(_) => Outcome::NoSuchSite,
            Self::SiteClosed { .. } => Outcome::SiteClosed,
            Self::Raced
            | Self::OtherSource
            | Self::LeftoverRows(_)
            | Self::Unrendered
            | Self::Uncounted(_)
            | Self::Unheard => Outcome::Raced,
            Self::Busy => Outcome::Busy,
            Self::Crowded => Outcome::Overloaded,
            Self::Database(error) => match error.kind() {
                ErrorKind::LockConflict => Outcome::LockConflict,
                ErrorKind::LostConnection | ErrorKind::NoConnection | ErrorKind::ReadOnly => {
                    Outcome::DatabaseUnavailable
                }
                ErrorKind::NeedsOperator | ErrorKind::MissingTable => Outcome::NeedsOperator,
                ErrorKind::Unstorable => Outcome::Unstorable,
                ErrorKind::Duplicate | ErrorKind::Other => Outcome::DatabaseError,
            },
            Self::CommitUnknown(_) => Outcome::CommitUnknown,
            Self::Hash(_) | Self::Aborted(_) => Outcome::Failed,
        }
    }

    /// Why the call is retried, in more detail than callers see.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Database(error) => error.kind().word(),
            error => error.outcome().word(),
        }
    }

    /// Whether retrying the whole call at once may succeed. This alone decides about retries, unless the result of a commit is
    /// unknown; then the call is retried while it is unavailable.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Raced
            | Self::LeftoverRows(_)
            | Self::Unrendered
            | Self::Uncounted(_)
            | Self::Unheard => true,
            Self::Database(error) => {
                error.is_lock_conflict() || error.leaves_commit_unknown() || error.is_full()
            }
            _ => false,
        }
    }

    /// Whether the call may have been executed all the same.
    pub fn leaves_outcome_unknown(&self) -> bool {
        matches!(self, Self::CommitUnknown(_) | Self::Aborted(_))
    }

    /// Whether the caller was not entitled to the call: it guesses, or its configuration is out of date.
    pub fn is_intrusion(&self) -> bool {
        matches!(
            self,
            Self::UnknownWebhook
                | Self::AddressNotAllowed { .. }
                | Self::NotSigned { .. }
                | Self::NotOfSource { .. }
        )
    }

    /// Whether a column cannot hold a value of the call.
    pub fn is_unstorable(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_unstorable())
    }

    /// The database's last error, also one after a commit whose result is unknown.
    fn last_of_database(&self) -> Option<&DatabaseError> {
        match self {
            Self::CommitUnknown(last) => last.last_of_database(),
            error => error.database(),
        }
    }

    /// What the operator has to do if the database does not recover by itself.
    pub fn remedy(&self) -> Option<&'static str> {
        self.last_of_database().and_then(DatabaseError::remedy)
    }

    /// What the error says about other calls; `None` if it concerns only this one.
    pub(super) fn obstruction(&self) -> Option<Reason> {
        let what = || format!("calls fail: {self}");
        match self {
            Self::UnknownVersion => Some(Reason::needs_operator(
                "the WordPress version is unknown",
                "set wordpress.version or wordpress.root",
            )),
            Self::NoSuchSite(_) | Self::SiteClosed { .. } => Some(Reason::needs_operator(
                what(),
                "\"fcom-sidecar check\" tells more",
            )),
            _ => {
                let error = self.last_of_database().filter(|error| !error.is_full())?;
                let remedy = error.remedy().or(error.leaves_commit_unknown().then_some(
                    "the database answers, but not to calls: see its error log and its process list",
                ));
                Some(Reason::needs_operator(what(), remedy?))
            }
        }
    }

    /// Whether the caller should retry later: neither the call nor the site's data is at fault.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Raced
            | Self::OtherSource
            | Self::LeftoverRows(_)
            | Self::Unrendered
            | Self::Uncounted(_)
            | Self::Unheard
            | Self::Busy
            | Self::Crowded
            | Self::CommitUnknown(_)
            | Self::Aborted(_) => true,
            Self::Database(error) => error.is_unavailable() || error.is_lock_conflict(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Doing;

    /// As `db::follow_columns` would.
    #[test]
    fn no_call_is_begun_again_for_the_sake_of_what_followed_an_unknown_commit() {
        let refused = Err::<(), _>(sqlx::Error::Tls("self-signed".into()));
        let last = refused.doing("connect").unwrap_err();
        let unknown = ProvisionError::CommitUnknown(Box::new(last.into()));
        assert!(unknown.database().is_none());
        assert!(unknown.remedy().is_some());
    }
}
