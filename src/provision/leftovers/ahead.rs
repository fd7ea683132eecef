//! Looks ahead of the users table's counter for ids that no row has. To look at the id of each new user by itself takes
//! seven lookups, a fifth of all that a new user costs the database.
//!
//! A counter that goes back gives out ids that users have had, so an id counts as free only if it is greater than the
//! newest user's at the last look, and than any that this process was given.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rows::{highest, newest_user};
use crate::db::{Connection, DatabaseError, Statements};
use crate::site::Site;

/// Between two looks at the newest user.
const PAUSE: Duration = Duration::from_millis(500);
/// How many ids are looked at together: more than the database can give out until the next look.
const STRETCH: u64 = 10_000;
/// How long ids count as free: as many times as long as the look took. Nothing says when somebody else writes rows for a
/// user who does not exist, so they are looked at again with every pause, unless a site's tables are slow to look at.
const TIMES: u32 = 100;

/// Ids that no row had a moment ago.
#[derive(Default)]
pub(super) struct Ahead {
    /// `None` until the first look.
    stretch: Mutex<Option<Stretch>>,
    /// The highest id that this process was given.
    given: AtomicU64,
}

impl Ahead {
    /// Looks twice a second, for ever.
    pub(super) async fn keep(&self, site: &Site) {
        site.readiness.wait().await;
        loop {
            // A database that is away is noticed elsewhere, and one into which a dump is restored is not looked at.
            let found = if site.readiness.is_ready() {
                let known = self.stretch();
                let look = async |connection: &mut Connection| {
                    look(connection, &site.statements, known).await
                };
                site.pool.work(look).await.ok()
            } else {
                None
            };
            *self.stretch.lock().unwrap_or_else(PoisonError::into_inner) = found;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What is known of free ids. Ask before a new user's row is inserted.
    pub(super) fn free(&self) -> Free {
        Free {
            stretch: self.stretch(),
            given: self.given.load(Ordering::Relaxed),
        }
    }

    /// A new user got this id.
    pub(super) fn note(&self, id: u64) {
        self.given.fetch_max(id, Ordering::Relaxed);
    }

    fn stretch(&self) -> Option<Stretch> {
        *self.stretch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was known of free ids at one moment.
#[derive(Clone, Copy)]
pub(super) struct Free {
    stretch: Option<Stretch>,
    given: u64,
}

impl Free {
    /// Whether an id that was given out after that moment has no rows.
    pub(super) fn has(self, id: u64) -> bool {
        let is_ahead = |stretch: Stretch| stretch.newest < id && id <= stretch.last;
        self.given < id && self.stretch.is_some_and(is_ahead)
    }
}

/// The ids beyond the newest user's, up to the last one that is known to be free.
#[derive(Clone, Copy)]
struct Stretch {
    newest: u64,
    last: u64,
    looked: Instant,
    /// How long that took.
    took: Duration,
}

impl Stretch {
    /// The same ids without those of users who have been created since. `None` if a new look is due.
    fn from(self, newest: u64) -> Option<Self> {
        let lasts = newest == self.newest || newest.saturating_add(STRETCH / 2) <= self.last;
        let is_fresh = self.looked.elapsed() < self.took * TIMES;
        let holds = newest >= self.newest && lasts && is_fresh;
        holds.then_some(Self { newest, ..self })
    }
}

async fn look(
    connection: &mut Connection,
    statements: &Statements,
    known: Option<Stretch>,
) -> Result<Stretch, DatabaseError> {
    let newest = newest_user(connection, statements).await?;
    if let Some(stretch) = known.and_then(|known| known.from(newest)) {
        return Ok(stretch);
    }
    let looked = Instant::now();
    let last = newest.saturating_add(STRETCH);
    let taken = highest(connection, statements, newest.saturating_add(1), last).await?;
    // Users who were created meanwhile have rows, too.
    let newest = newest_user(connection, statements).await?;
    let last = if taken <= newest { last } else { newest };
    if known.is_none_or(|known| known.last != last) {
        tracing::debug!("new users can have the ids up to {last}: no rows of others have them");
    }
    Ok(Stretch {
        newest,
        last,
        looked,
        took: looked.elapsed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(newest: u64, last: u64) -> Stretch {
        Stretch {
            newest,
            last,
            looked: Instant::now(),
            took: Duration::from_mins(1),
        }
    }

    fn free(stretch: Stretch, given: u64) -> Free {
        Free {
            stretch: Some(stretch),
            given,
        }
    }

    #[test]
    fn an_id_that_somebody_has_had_is_not_free() {
        let known = stretch(100, 10_100);
        assert!(!free(known, 0).has(100));
        assert!(free(known, 0).has(101) && free(known, 0).has(10_100));
        assert!(!free(known, 0).has(10_101));
        assert!(!free(known, 150).has(150) && free(known, 150).has(151));
        assert!(!Ahead::default().free().has(1));
    }

    #[test]
    fn a_counter_that_went_back_and_a_stretch_that_ends_are_looked_at_again() {
        let known = stretch(100, 10_100);
        assert!(known.from(99).is_none());
        assert!(known.from(5_101).is_none());
        let later = free(known.from(5_100).unwrap(), 0);
        assert!(!later.has(5_100) && later.has(5_101) && later.has(10_100));
    }

    #[test]
    fn a_quick_look_is_taken_again_and_a_slow_one_seldom() {
        let mut known = stretch(100, 10_100);
        assert!(known.from(100).is_some());
        known.took = Duration::ZERO;
        assert!(known.from(100).is_none());
    }

    #[test]
    fn leftovers_are_not_looked_at_again_before_somebody_has_passed_them() {
        let nothing_free = stretch(100, 100);
        assert!(!free(nothing_free.from(100).unwrap(), 0).has(101));
        assert!(nothing_free.from(101).is_none());
    }
}
