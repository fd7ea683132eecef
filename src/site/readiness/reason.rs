//! Why calls cannot be carried out, and who found that.

use std::fmt;

/// Who found that calls cannot be carried out. Each may have one reason at a time; the first in this order is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The site has moved to another database or to other tables.
    Moved,
    /// Tables are being dropped and made again: a dump is restored.
    Restored,
    /// The database does not answer or does not let us in.
    Away,
    /// The database must not be written to as it is.
    Unsafe,
    /// The database answers, but a test write failed.
    Unfit,
    /// Calls fail although the test write succeeds.
    Failing,
}

impl Cause {
    /// Whether calls are refused at once. Otherwise they are tried: some may succeed, and they notice the end first.
    pub(super) fn forbids_calls(self) -> bool {
        match self {
            Self::Moved | Self::Restored | Self::Away | Self::Unsafe => true,
            Self::Unfit | Self::Failing => false,
        }
    }

    /// Whether the examination finds it.
    pub(super) fn is_examined(self) -> bool {
        matches!(self, Self::Away | Self::Unsafe | Self::Unfit)
    }
}

/// Why calls cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What is wrong.
    pub what: String,
    /// What the operator has to do; `None` if it passes by itself.
    pub remedy: Option<String>,
}

impl Reason {
    /// Something that passes by itself. `what` is a sentence without its full stop.
    pub fn passing(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: None,
        }
    }

    /// Something that the operator has to mend.
    pub fn needs_operator(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.remedy {
            Some(remedy) => write!(f, "{}. Remedy: {remedy}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
