//! Follows a request whose head has arrived to its end.

use std::ops::Range;
use std::pin::Pin;

use super::client::Client;
use super::framing::{Body, Followed, Head};
use super::unread::Unread;

/// A request whose head has arrived.
pub(super) struct Begun {
    pub(super) head: Head,
    pub(super) head_length: usize,
    /// Where the request ends, if that is known.
    pub(super) end: Option<usize>,
    /// Who sends a long body, once its key is looked at.
    pub(super) client: Option<Client>,
    /// Whether the key of a long body opens a webhook.
    pub(super) asking: Option<Asking>,
}

/// Ends with why a body is not read, if it is not.
pub(super) type Asking = Pin<Box<dyn Future<Output = Result<(), Unread>>>>;

impl Begun {
    /// `None` if the server will not understand the head.
    pub(super) fn with(bytes: &[u8], head_length: usize) -> Option<Self> {
        let head = Head::parse(&bytes[..head_length])?;
        let mut begun = Self {
            end: match head.body {
                Body::Length(length) => Some(head_length.saturating_add(length)),
                Body::Chunked(_) => None,
                Body::Unclear => Some(bytes.len()),
            },
            head,
            head_length,
            client: None,
            asking: None,
        };
        begun.follow(&bytes[head_length..], head_length);
        Some(begun)
    }

    /// Looks for the end of a chunked body in new bytes.
    pub(super) fn follow(&mut self, bytes: &[u8], before: usize) {
        if let Body::Chunked(chunks) = &mut self.head.body
            && self.end.is_none()
        {
            match chunks.follow(bytes) {
                Followed::Unfinished => {}
                Followed::Ended(after) => self.end = Some(before + after),
                Followed::Broken => {
                    // The server will say so.
                    self.end = Some(before + bytes.len());
                    self.head.body = Body::Unclear;
                }
            }
        }
    }

    /// Whether the server may not find the end of the request where it is.
    pub(super) fn is_unclear(&self) -> bool {
        matches!(self.head.body, Body::Unclear)
    }

    /// Takes the header by which the caller asks whether to send the body out of the head: its place.
    pub(super) fn take_expects(&mut self) -> Option<Range<usize>> {
        let expects = self.head.expects.take()?;
        self.head_length -= expects.len();
        self.end = self.end.map(|end| end - expects.len());
        Some(expects)
    }

    /// The length of the body as far as it is known, with what there is around chunks. `length` is what has been received.
    pub(super) fn body_length(&self, length: usize) -> usize {
        self.end.unwrap_or(length).saturating_sub(self.head_length)
    }

    pub(super) fn is_longer_than(&self, longest: usize, length: usize) -> bool {
        let body = match &self.head.body {
            // The sizes of small chunks are longer than they.
            Body::Chunked(chunks) => {
                let with_sizes = length.saturating_sub(self.head_length) / 8;
                chunks.total.max(with_sizes)
            }
            _ => self.body_length(length),
        };
        body > longest
    }
}
