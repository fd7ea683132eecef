//! The operator's functions, shared by the command line and the HTTP API: the run log, what became of a call, calls in shadow mode, and mails and hooks that are
//! pending or were given up. Executing a call needs none of this.

pub mod agreement;
pub mod backlog;
pub mod find;
pub mod guard;
pub mod hooks;
pub mod import;
pub mod instances;
pub mod mails;
pub mod record;
pub mod refused;
pub mod retry;
pub mod runs;
pub mod shadow;
pub mod trial;
pub mod trial_mail;
pub mod webhooks;

/// Which pending items to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// The one with this id, unless it is done or in progress.
    One(u64),
    /// Every one that was given up.
    AllDead,
}
