//! Where a call that is rehearsed leaves what it did.

use std::sync::{Mutex, PoisonError};

use super::story::Rehearsal;

/// Filled in place of the commit.
#[derive(Default)]
pub(in super::super) struct Stage(Mutex<Option<Rehearsal>>);

impl Stage {
    pub(super) fn put(&self, rehearsal: Rehearsal) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(rehearsal);
    }

    pub(super) fn take(&self) -> Option<Rehearsal> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take()
    }
}
