//! Holds what a connection has received, in as much memory as has come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// The most that is read, kept in one piece and handed to the server at once, in bytes.
pub(super) const PIECE: usize = 16 << 10;

thread_local! {
    /// What is read is copied from here, so that no memory is reserved for bytes that do not come.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into());
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

/// What was received, in pieces that are freed one by one as the server takes them. The first one holds the head and, as far
/// as it is free, the body.
#[derive(Default)]
pub(super) struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    pub(super) fn first(&self) -> &[u8] {
        self.0.front().map_or(&[], Vec::as_slice)
    }

    pub(super) fn remove_of_first(&mut self, bytes: Range<usize>) {
        if let Some(first) = self.0.front_mut() {
            first.drain(bytes);
        }
    }

    /// The memory that these bytes will take.
    pub(super) fn cost(&self, size: usize, is_first: bool) -> usize {
        let spare = self.0.back().map_or(0, |last| last.capacity() - last.len());
        match (is_first, spare >= size) {
            (true, _) => size,
            (false, true) => 0,
            (false, false) => PIECE,
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8], is_first: bool) {
        if self.0.is_empty() {
            self.0.push_back(Vec::new());
        }
        let last = self.0.back_mut().expect("there is one");
        let spare = last.capacity() - last.len();
        if is_first && spare < bytes.len() {
            last.reserve_exact(bytes.len().max(256));
        }
        let (here, next) = bytes.split_at(bytes.len().min(last.capacity() - last.len()));
        last.extend_from_slice(here);
        if !next.is_empty() {
            // All of one size, so that memory which one gives back fits the next.
            let mut piece = Vec::with_capacity(PIECE);
            piece.extend_from_slice(next);
            self.0.push_back(piece);
        }
    }

    /// Takes bytes from the beginning.
    pub(super) fn take(&mut self, most: usize, buffer: &mut ReadBuf<'_>) -> usize {
        let Some(first) = self.0.front_mut() else {
            return 0;
        };
        let size = first.len().min(most).min(buffer.remaining());
        buffer.put_slice(&first[..size]);
        if size == first.len() {
            self.0.pop_front();
        } else {
            first.drain(..size);
        }
        size
    }

    /// Makes one piece of what is there: the beginning of a head.
    pub(super) fn join(&mut self) {
        if self.0.len() > 1 {
            let joined = self.0.drain(..).flatten().collect();
            self.0.push_back(joined);
        }
    }
}
