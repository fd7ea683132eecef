//! The two answers to a call: the sidecar's, which nobody got, and PHP's.

use crate::outcome::Outcome;

/// What the sidecar would have answered.
#[derive(Debug)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// The message in the body.
    pub message: String,
    /// Why.
    pub outcome: Outcome,
}

/// What PHP answered. The body may contain anything.
pub struct Heard {
    /// The status.
    pub status: u16,
    /// Whether the body is said to be JSON.
    pub is_json: bool,
    /// The body, or its beginning; `None` if it is compressed.
    pub body: Option<Vec<u8>>,
}

impl Heard {
    /// Whether the status is that of a web server to which PHP did not answer, or to which the request came back from us.
    pub(super) fn is_of_web_server(&self) -> bool {
        matches!(self.status, 502..=504 | 508)
    }

    /// Whether PHP showed a page or sent the caller to one, instead of executing anything.
    pub(super) fn is_page(&self) -> bool {
        matches!(self.status, 200..=399) && !self.is_json
    }
}
