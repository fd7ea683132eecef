//! What an operator reads and mends, the same from the command line and over HTTP: the run log, mails and hooks that wait or
//! were given up. Nothing of it is needed to carry a call out.

pub mod backlog;
pub mod hooks;
pub mod mails;
pub mod runs;
pub mod trial_mail;
pub mod webhooks;

/// Which of the things that wait are to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// The one with this id, unless it is done or on its way.
    One(u64),
    /// Every one that was given up.
    AllDead,
}
