//! Bounds the memory that requests occupy from their first byte until they are answered, of all connections together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The size of a large piece of memory, in bytes.
pub(super) const PIECE: usize = 32 << 10;

/// The bytes of all requests that have arrived and are not answered yet.
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
    /// Pieces that were given back. Freed memory stays with the thread that had it: the next crowd may come to another one. Together
    /// with what is held they are within the limit.
    pieces: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Budget {
    /// At most this many bytes, apart from what is free for each request.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicUsize::default(),
            pieces: Arc::default(),
        })
    }

    /// Another budget, with the same pieces.
    pub(super) fn beside(&self, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicUsize::default(),
            pieces: Arc::clone(&self.pieces),
        })
    }

    /// An empty piece.
    pub(super) fn piece(&self) -> Vec<u8> {
        let piece = self.pieces().pop();
        piece.unwrap_or_else(|| Vec::with_capacity(PIECE))
    }

    /// Keeps a piece for whoever needs one next.
    pub(super) fn give_back(&self, mut piece: Vec<u8>) {
        piece.clear();
        self.pieces().push(piece);
        self.keep_within_limit();
    }

    /// Frees pieces for which what is held leaves no room.
    fn keep_within_limit(&self) {
        let room = self.limit.saturating_sub(self.held.load(Ordering::Relaxed)) / PIECE;
        let mut pieces = self.pieces();
        let more_than_room = pieces.len().min(room)..;
        let freed: Vec<Vec<u8>> = pieces.drain(more_than_room).collect();
        drop(pieces);
        drop(freed);
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether most of it is in use.
    pub(super) fn is_scarce(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.limit / 4 * 3
    }
}

/// What one request holds of the budget.
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    pub(super) fn none(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// Adds bytes even if they exceed the limit.
    pub(super) fn add(&mut self, bytes: usize) {
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        // Looked at once for each piece's worth.
        if before / PIECE != (before + bytes) / PIECE {
            self.budget.keep_within_limit();
        }
    }

    /// Adds bytes if the limit allows.
    pub(super) fn try_add(&mut self, bytes: usize) -> bool {
        let limit = self.budget.limit;
        let more = |held: usize| held.checked_add(bytes).filter(|&sum| sum <= limit);
        let added = self
            .budget
            .held
            .try_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if added.is_ok() {
            self.bytes += bytes;
        }
        added.is_ok()
    }

    /// Holds so many bytes instead, even if they exceed the limit.
    pub(super) fn set(&mut self, bytes: usize) {
        let before = std::mem::take(&mut self.bytes);
        self.budget.held.fetch_sub(before, Ordering::Relaxed);
        self.add(bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_there_for_others() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (Share::none(&budget), Share::none(&budget));
        assert!(one.try_add(60) && !other.try_add(41) && other.try_add(20));
        assert!(budget.is_scarce());
        // What is free counts, too.
        other.add(90);
        assert!(!one.try_add(1));
        other.set(0);
        assert!(!budget.is_scarce() && one.try_add(40));
        drop(one);
        assert!(other.try_add(100));
    }
    #[test]
    fn pieces_that_nobody_has_are_kept_as_long_as_there_is_room() {
        let budget = Budget::new(10 * PIECE);
        let given: Vec<_> = (0..12).map(|_| budget.piece()).collect();
        for piece in given {
            budget.give_back(piece);
        }
        assert_eq!(budget.pieces().len(), 10);
        let mut share = Share::none(&budget);
        for _ in 0..40 {
            share.add(PIECE / 8);
        }
        assert_eq!(budget.pieces().len(), 5);
        share.set(0);
        assert_eq!(budget.pieces().len(), 5);
    }
}
