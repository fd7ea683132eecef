//! What the code says about the `.env` files to read.

use std::path::PathBuf;

/// A reader of `.env` files that code has made.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::config) struct Reader {
    /// Candidates, in their order.
    pub(super) files: Vec<PathBuf>,
    /// Whether only the first file that is there counts.
    pub(super) is_first_only: bool,
    /// Whether the files win over the environment.
    pub(super) overrides: bool,
    /// Whether `getenv` shows what was read: it depends on the version.
    pub(super) reaches_getenv: bool,
}
