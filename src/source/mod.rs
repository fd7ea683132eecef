//! What the calls of a sender look like: from the bytes of a body and the headers to the five fields of a webhook, or to the
//! reason why there is nothing to do. Mirrors nothing in PHP, which knows forms with five fields only.
//!
//! Everything here is pure, and bounded in time and memory whatever a body holds: a tree has at most [`Tree::MOST`] values,
//! and expressions can neither loop nor multiply.

mod comparison;
mod expression;
mod field;
mod language;
mod leniency;
mod padding;
mod path;
mod reading;
mod rewriting;
mod signature;
mod tree;

pub use expression::Condition;
pub use field::{Field, Rule};
pub use leniency::readable;
pub use padding::{is_unseen, without_padding};
pub use path::Path;
pub use reading::{Bodies, Mapped, Origin, Reading, Received, Source};
pub use signature::{Flaw, SchemeKind, Signature};
pub use tree::{Malformed, Tree};

/// Why a rule is refused: what it is, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRule {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl BadRule {
    fn new(what: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            what: what.into(),
            remedy,
        }
    }
}
