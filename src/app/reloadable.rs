//! What a reload changes while the daemon runs.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::mails::{MailRoom, Senders};
use crate::config::{Config, Runs};
use crate::http::CallerRules;
use crate::telemetry::Metrics;

/// Everything that a reload may change: one end of each channel, whose other end is where the value is used.
pub struct Reloadable {
    pub(super) rules: watch::Sender<Arc<CallerRules>>,
    pub(super) runs: watch::Sender<Runs>,
    pub(super) senders: mpsc::UnboundedSender<Option<Senders>>,
    pub(super) mail_room: MailRoom,
    /// Where reloads are counted.
    pub metrics: Arc<Metrics>,
}

/// What a reload puts in place: everything that can fail is done.
pub struct Replacement {
    rules: Arc<CallerRules>,
    runs: Runs,
    senders: Option<Senders>,
}

impl Reloadable {
    /// Builds what a configuration asks for; changes nothing.
    ///
    /// # Errors
    /// An address, the mail server's certificates or the operator's texts cannot be used.
    pub fn prepare(&self, config: &Config) -> anyhow::Result<Replacement> {
        Ok(Replacement {
            senders: self.mail_room.senders(config)?,
            rules: Arc::new(CallerRules::new(config, Some(&self.rules.borrow()))),
            runs: config.runs.clone(),
        })
    }

    /// Puts it in place.
    pub fn apply(&self, replacement: Replacement) {
        self.rules.send_replace(replacement.rules);
        self.runs.send_replace(replacement.runs);
        // The receivers end with the process.
        let _ = self.senders.send(replacement.senders);
    }
}
