//! Bounds the memory that requests occupy from their first byte until they are answered, of all connections together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of all requests that have arrived and are not answered yet.
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
}

impl Budget {
    /// At most this many bytes, apart from what is free for each request.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let held = AtomicUsize::default();
        Arc::new(Self { limit, held })
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
        self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
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

    /// Takes everything over from another one.
    pub(super) fn take(&mut self, from: &mut Self) {
        self.bytes += std::mem::take(&mut from.bytes);
    }

    pub(super) fn is_none(&self) -> bool {
        self.bytes == 0
    }

    /// Gives everything back.
    pub(super) fn clear(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
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
        let mut third = Share::none(&budget);
        third.take(&mut other);
        drop(other);
        assert!(!one.try_add(1));
        third.clear();
        assert!(!budget.is_scarce() && one.try_add(40));
        drop(one);
        assert!(third.try_add(100));
    }
}
