//! Holds what a connection has received, in as much memory as has come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::budget::{Budget, PIECE};

/// The most that is read and handed to the server at once, in bytes.
pub(super) const READ: usize = 16 << 10;
/// The length up to which what was received is held in a piece of its own size, in bytes.
pub(super) const SHORT: usize = 2 << 10;

thread_local! {
    /// What is read is copied from here, so that no memory is reserved for bytes that do not come.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// Reads once; nothing at the end.
pub(super) fn poll_some<S: AsyncRead + Unpin, T>(
    stream: &mut S,
    context: &mut Context<'_>,
    most: usize,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<Option<T>>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(&mut scratch[..most]);
        ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
        let bytes = buffer.filled();
        Poll::Ready(Ok((!bytes.is_empty()).then(|| take(bytes))))
    })
}

/// What was received. As long as it is short, it is in one piece of its own size; then in large ones, which are taken from
/// the budget and given back one by one as the server takes what is in them.
pub(super) struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    budget: Arc<Budget>,
}

impl Pieces {
    pub(super) fn none(budget: &Arc<Budget>) -> Self {
        Self {
            pieces: VecDeque::new(),
            budget: Arc::clone(budget),
        }
    }

    /// What was received up to the end of the first piece, in which a head has room.
    pub(super) fn first(&self) -> &[u8] {
        self.pieces.front().map_or(&[], Vec::as_slice)
    }

    pub(super) fn remove_of_first(&mut self, bytes: Range<usize>) {
        if let Some(first) = self.pieces.front_mut() {
            first.drain(bytes);
        }
    }

    /// The memory that is held, in bytes.
    pub(super) fn held(&self) -> usize {
        self.pieces.iter().map(Vec::capacity).sum()
    }

    /// The memory that so many bytes will take in addition.
    pub(super) fn cost(&self, size: usize) -> usize {
        match self.pieces.back() {
            Some(last) if last.capacity() - last.len() >= size => 0,
            Some(last) if last.capacity() == PIECE => PIECE,
            last => {
                let length = last.map_or(0, Vec::len) + size;
                if length > SHORT { PIECE } else { size }
            }
        }
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.pieces.back().is_none_or(|last| last.len() == PIECE) {
                self.pieces.push_back(Vec::new());
            }
            let is_first = self.pieces.len() == 1;
            let last = self.pieces.back_mut().expect("there is one");
            if is_first && last.len() + bytes.len() <= SHORT {
                last.reserve_exact(bytes.len());
            } else if last.capacity() < PIECE {
                let mut large = self.budget.piece();
                large.extend_from_slice(last);
                *last = large;
            }
            let here = bytes.len().min(PIECE - last.len());
            let (now, later) = bytes.split_at(here);
            last.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Takes bytes from the beginning.
    pub(super) fn take(&mut self, most: usize, buffer: &mut ReadBuf<'_>) -> usize {
        let first = self.first();
        let size = first.len().min(most).min(buffer.remaining());
        buffer.put_slice(&first[..size]);
        self.skip(size);
        size
    }

    /// Forgets bytes at the beginning.
    pub(super) fn skip(&mut self, mut size: usize) {
        while let Some(first) = self.pieces.front_mut().filter(|_| size > 0) {
            let here = size.min(first.len());
            first.drain(..here);
            if first.is_empty() {
                self.drop_first();
            }
            size -= here;
        }
    }

    /// Holds what is left, the beginning of a next request, as if it had come now.
    pub(super) fn compact(&mut self) {
        let mut left = std::mem::replace(self, Self::none(&self.budget));
        while !left.pieces.is_empty() {
            self.append(left.first());
            left.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let first = self.pieces.pop_front();
        if let Some(first) = first.filter(|first| first.capacity() == PIECE) {
            self.budget.give_back(first);
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        while !self.pieces.is_empty() {
            self.drop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_any_parts_is_taken_in_its_order_and_costs_what_was_said() {
        let budget = Budget::new(0);
        let bytes: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        for size in [1, 700, SHORT, READ] {
            let (mut pieces, mut cost, mut taken) = (Pieces::none(&budget), 0, Vec::new());
            for part in bytes.chunks(size) {
                cost += pieces.cost(part.len());
                pieces.append(part);
                assert!(pieces.held() <= cost, "{size}");
            }
            assert!(cost <= bytes.len() + PIECE + SHORT, "{size}");
            while taken.len() < bytes.len() - 100 {
                let mut part = [0; 900];
                let mut buffer = ReadBuf::new(&mut part);
                let most = bytes.len() - 100 - taken.len();
                pieces.take(most, &mut buffer);
                taken.extend_from_slice(buffer.filled());
            }
            pieces.compact();
            assert_eq!(pieces.held(), 100, "{size}");
            taken.extend_from_slice(pieces.first());
            assert!(taken == bytes, "{size}");
        }
    }
}
