//! What operators see of a running daemon: its log and its metrics.

mod log;
mod metrics;

use std::error::Error;

pub use log::{Filter, NewFilter, start};
pub use metrics::{Backlog, Hooks, Metrics};

/// An error with all its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
