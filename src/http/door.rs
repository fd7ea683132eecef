//! What all connections of one listener share: memory and room.

use std::sync::Arc;

use actix_web::web;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::budget::Budget;
use super::framing::{self, Head};
use super::rules::LONGEST_READ;
use super::{Console, Front};

/// The longest body that the admin listener's API reads, in bytes.
const OF_API: usize = 256 << 10;

/// What the connections of one listener share.
pub(super) struct Door {
    pub(super) front: web::Data<Front>,
    pub(super) budget: Arc<Budget>,
    /// The requests that the server may have at once; others are refused.
    pub(super) rooms: Arc<Semaphore>,
    /// Where operators come in. Elsewhere, keys and places for calls are asked for.
    pub(super) console: Option<web::Data<Console>>,
}

impl Door {
    /// Whether calls come in here.
    pub(super) fn is_public(&self) -> bool {
        self.console.is_none()
    }

    /// The longest body that is read of anybody, in bytes.
    pub(super) fn longest_body(&self) -> usize {
        let longest = self.front.rules.borrow().max_body_bytes;
        if self.is_public() {
            longest
        } else {
            longest.clamp(OF_API, LONGEST_READ)
        }
    }

    /// The longest body that is read after this head, in bytes. Forms of the console are longer than calls, and who is logged in
    /// and sends a longer one is told by a page.
    pub(super) fn longest_body_after(&self, head: &[u8]) -> usize {
        match &self.console {
            Some(console) if console.may_get_long(|name| framing::header(head, name)) => {
                LONGEST_READ
            }
            _ => self.longest_body(),
        }
    }

    /// Room for a request, if it is not to be refused for overload: when many have to be refused, each must be cheap.
    pub(super) fn room(&self, head: Option<&Head>) -> Option<OwnedSemaphorePermit> {
        let is_call = self.is_public() && head.is_some_and(|head| head.is_post);
        if is_call && self.front.places.available_permits() == 0 {
            return None;
        }
        Arc::clone(&self.rooms).try_acquire_owned().ok()
    }
}
