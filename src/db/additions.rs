//! What to add to the statements that insert rows into the site's tables, for columns that others have added; see
//! `unknown_columns`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, MutexGuard};

/// What to add for one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Addition {
    /// Begins with a comma, like the values.
    pub(super) columns: String,
    pub(super) values: String,
}

/// What to add, by the full name of the table. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Additions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    of_tables: RwLock<BTreeMap<String, Addition>>,
    changes: AtomicU64,
    reading: Mutex<()>,
}

impl Additions {
    /// What to add for this table.
    pub(super) fn of(&self, table: &str) -> Option<Addition> {
        let of_tables = self.0.of_tables.read();
        of_tables
            .unwrap_or_else(PoisonError::into_inner)
            .get(table)
            .cloned()
    }

    /// Whether there is nothing to add.
    pub(super) fn is_empty(&self) -> bool {
        let of_tables = self.0.of_tables.read();
        of_tables.unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// How often they have changed.
    pub(super) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// Waits until nobody else is about to replace them.
    pub(super) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.0.reading.lock().await
    }

    /// Replaces all.
    pub(super) fn replace(&self, found: BTreeMap<String, Addition>) {
        let of_tables = self.0.of_tables.write();
        let mut of_tables = of_tables.unwrap_or_else(PoisonError::into_inner);
        if *of_tables != found {
            *of_tables = found;
            self.0.changes.fetch_add(1, Ordering::Release);
        }
    }
}
