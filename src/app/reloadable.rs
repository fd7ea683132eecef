//! Applies a reloaded configuration while the daemon runs.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::keeping::keeping;
use super::mails::{MailRoom, Senders};
use crate::config::{Config, ConfigError, Refused, Runs};
use crate::http::CallerRules;
use crate::operations::agreement::Settings;
use crate::operations::guard::{self, Seen};
use crate::operations::trial::MailText;
use crate::provision::{IfKept, Refusals};
use crate::telemetry::Metrics;

/// Everything a reload may change: the sending end of each channel, whose receiver is where the value is used.
pub struct Reloadable {
    /// For operators to read, and for the guard of PHP's door.
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) rules: watch::Sender<Arc<CallerRules>>,
    pub(super) mail_text: watch::Sender<Arc<MailText>>,
    pub(super) runs: watch::Sender<Runs>,
    pub(super) refused: watch::Sender<Refused>,
    /// Days for which mails are kept.
    pub(super) mails: watch::Sender<u32>,
    pub(super) refusals: Refusals,
    pub(super) senders: mpsc::UnboundedSender<Option<Senders>>,
    /// What other instances should have, too.
    pub(super) settings: watch::Sender<Settings>,
    /// What the must-use plugin said last; changes without a reload.
    pub(super) guard_seen: watch::Receiver<Option<Seen>>,
    pub(super) mail_room: MailRoom,
    /// Counts reloads.
    pub metrics: Arc<Metrics>,
}

/// A reload that is ready to be applied: every step that can fail has been done.
pub struct Replacement {
    rules: Arc<CallerRules>,
    mail_text: Arc<MailText>,
    runs: Runs,
    refused: Refused,
    keeping: IfKept,
    mails: u32,
    settings: Settings,
    senders: Option<Senders>,
}

impl Reloadable {
    /// Builds what the configuration needs; changes nothing yet.
    ///
    /// # Errors
    /// An address, the mail server's certificates or the operator's templates are invalid, there is no key for fields that are to be
    /// kept, or nothing keeps PHP from executing a protected webhook.
    pub fn prepare(&self, config: &Config) -> anyhow::Result<Replacement> {
        let content = &config.wordpress.content;
        let evidence = guard::evidence(content, *self.guard_seen.borrow());
        if let Some(problem) = guard::problem(config, &evidence) {
            let problems = vec![problem];
            return Err(ConfigError { problems }.into());
        }
        Ok(Replacement {
            senders: self.mail_room.senders(config)?,
            rules: Arc::new(CallerRules::new(config, Some(&self.rules.borrow()))),
            mail_text: Arc::new(MailText::new(config)?),
            runs: config.runs.clone(),
            refused: config.refused.clone(),
            keeping: keeping(config)?,
            mails: config.mail.retention_days,
            settings: self.settings.borrow().reloaded(config),
        })
    }

    /// Says what holds from now on.
    pub fn tell(&self, config: &Config) {
        self.config.send_replace(Arc::new(config.clone()));
    }

    /// Applies the reload.
    pub fn apply(&self, replacement: Replacement) {
        self.refusals.set_wanted(replacement.refused.are_kept());
        self.refusals.set_keeping(replacement.keeping);
        // Whoever waits for the rules finds the fields' keeping as it is from now on.
        self.rules.send_replace(replacement.rules);
        self.mail_text.send_replace(replacement.mail_text);
        self.runs.send_replace(replacement.runs);
        self.refused.send_replace(replacement.refused);
        self.mails.send_replace(replacement.mails);
        self.settings.send_replace(replacement.settings);
        // Fails only when the process ends: the receivers live that long.
        let _ = self.senders.send(replacement.senders);
    }
}
