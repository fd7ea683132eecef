//! Why a server must get no writes.

/// Why a server that is part of a cluster must get no writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found}: {remedy}")]
pub struct NoWrites {
    /// What is wrong.
    pub found: String,
    /// What the operator has to do.
    pub remedy: &'static str,
}
