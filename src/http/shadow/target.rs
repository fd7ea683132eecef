//! Where calls go in shadow mode, and how many are compared at once.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::super::Occasionally;
use super::php::{Mark, Php};
use crate::config;

/// Calls that are rehearsed, executed by PHP or compared at once; of more, only the answers are passed. As many may be on their way to PHP,
/// whether or not their callers still wait.
const AT_ONCE: usize = 256;

/// Shared by all calls.
pub struct Shadow {
    pub(super) php: Php,
    pub(super) mark: Mark,
    /// Limits the log to one line a second about requests that come back.
    pub(super) circles: Occasionally,
    pub(super) ways: Arc<Semaphore>,
    /// Room for calls until they are compared.
    pub(super) room: Arc<Semaphore>,
}

impl Shadow {
    /// `None` while calls are executed as usual.
    pub fn new(config: &config::Shadow) -> Option<Self> {
        let php = config.php.clone()?;
        tracing::warn!(
            "shadow mode: PHP at {php} executes the calls, and the sidecar changes nothing"
        );
        Some(Self {
            php: Php(php),
            mark: Mark::new(),
            circles: Occasionally::default(),
            ways: Arc::new(Semaphore::new(AT_ONCE)),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }
}
