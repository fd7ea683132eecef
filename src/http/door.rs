//! What all connections of one listener share: memory and room.

use std::sync::Arc;

use actix_web::web;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Front;
use super::budget::Budget;
use super::framing::Head;
use super::rules::LONGEST_READ;

/// What the connections of one listener share.
pub(super) struct Door {
    pub(super) front: web::Data<Front>,
    pub(super) budget: Arc<Budget>,
    /// The requests that the server may have at once; others are refused.
    pub(super) rooms: Arc<Semaphore>,
    /// Whether keys and places for calls are asked for here.
    pub(super) is_public: bool,
}

impl Door {
    /// The longest body that is read, in bytes. Forms of the console are longer than calls, and who sends a longer one is told by a page.
    pub(super) fn longest_body(&self) -> usize {
        if self.is_public {
            self.front.rules.borrow().max_body_bytes
        } else {
            LONGEST_READ
        }
    }

    /// Room for a request, if it is not to be refused for overload: when many have to be refused, each must be cheap.
    pub(super) fn room(&self, head: Option<&Head>) -> Option<OwnedSemaphorePermit> {
        let is_call = self.is_public && head.is_some_and(|head| head.is_post);
        if is_call && self.front.places.available_permits() == 0 {
            return None;
        }
        Arc::clone(&self.rooms).try_acquire_owned().ok()
    }
}
