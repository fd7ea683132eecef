//! The kinds of database errors, as metrics and outcomes tell them apart.

/// Errors, grouped by what an operator would do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Another transaction interfered.
    LockConflict,
    /// The connection broke or timed out.
    LostConnection,
    /// No connection became free in time.
    NoConnection,
    /// The server has become a replica, or a cluster node without the majority.
    ReadOnly,
    /// A full disk, broken or unknown tables, a missing privilege.
    NeedsOperator,
    /// A table is missing.
    MissingTable,
    /// A unique key already holds the value: another call was faster.
    Duplicate,
    /// A column cannot hold a value.
    Unstorable,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::LockConflict,
        Self::LostConnection,
        Self::NoConnection,
        Self::ReadOnly,
        Self::NeedsOperator,
        Self::MissingTable,
        Self::Duplicate,
        Self::Unstorable,
        Self::Other,
    ];

    /// The value of a metric label.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LockConflict => "lock_conflict",
            Self::LostConnection => "lost_connection",
            Self::NoConnection => "no_connection",
            Self::ReadOnly => "read_only",
            Self::NeedsOperator => "needs_operator",
            Self::MissingTable => "missing_table",
            Self::Duplicate => "duplicate",
            Self::Unstorable => "unstorable",
            Self::Other => "other",
        }
    }
}
