//! What a reload changes while the daemon runs.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::mails::{MailRoom, Senders};
use crate::config::{Config, Runs};
use crate::http::CallerRules;
use crate::telemetry::Metrics;

/// The ends by which a reload reaches what may change while the daemon runs. The other ends are where it is used.
pub struct Live {
    pub(super) rules: watch::Sender<Arc<CallerRules>>,
    pub(super) runs: watch::Sender<Runs>,
    pub(super) senders: mpsc::UnboundedSender<Option<Senders>>,
    pub(super) mail_room: MailRoom,
    /// Where reloads are counted.
    pub metrics: Arc<Metrics>,
}

/// A configuration that can be taken over: everything that may fail was tried.
pub struct Prepared {
    rules: Arc<CallerRules>,
    runs: Runs,
    senders: Option<Senders>,
}

impl Live {
    /// Makes of a configuration what is needed to take it over; changes nothing.
    ///
    /// # Errors
    /// An address, the mail server's certificates or the operator's texts cannot be used.
    pub fn prepare(&self, config: &Config) -> anyhow::Result<Prepared> {
        Ok(Prepared {
            senders: self.mail_room.senders(config)?,
            rules: Arc::new(CallerRules::new(config, Some(&self.rules.borrow()))),
            runs: config.runs.clone(),
        })
    }

    /// Takes it over: from now on it holds.
    pub fn apply(&self, prepared: Prepared) {
        self.rules.send_replace(prepared.rules);
        self.runs.send_replace(prepared.runs);
        // The receivers end with the process.
        let _ = self.senders.send(prepared.senders);
    }
}
