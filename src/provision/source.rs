//! What a source says about a call: whether it is its sender's, and whether there is anything to do. `sourced` acts on it.

use crate::source::{Flaw, Source};

/// What was read of a call with its webhook's source.
#[derive(Clone, Debug)]
pub struct SourceRead {
    /// The operator's name for the source.
    pub source: String,
    /// The webhook that it is of.
    pub webhook_id: u64,
    /// Why the call is not the sender's.
    pub flaw: Option<Flaw>,
    /// Why there is nothing to do.
    pub ignored: Option<Ignored>,
    /// Whether nobody is created.
    pub known_only: bool,
}

impl SourceRead {
    /// Of a call that is its sender's, or an operator's, and asks for something.
    pub fn of(source: &Source) -> Self {
        Self {
            source: source.name.clone(),
            webhook_id: source.webhook_id,
            flaw: None,
            ignored: None,
            known_only: source.remove_only,
        }
    }
}

/// Why a call is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// It is the sender's test.
    #[error("it is the sender's test")]
    Ping,
    /// The source's condition does not hold.
    #[error("only_if does not hold")]
    OnlyIf,
    /// Nobody has the address, and the source creates nobody.
    #[error("nobody has the address, and remove_only creates nobody")]
    Nobody,
}

impl Ignored {
    /// What its sender is told.
    pub fn said(self) -> &'static str {
        match self {
            Self::Ping => "The test has arrived. Nothing was executed",
            Self::OnlyIf => "The call was ignored: it is none that this webhook executes",
            Self::Nobody => "The call was ignored: no member has this address",
        }
    }
}
