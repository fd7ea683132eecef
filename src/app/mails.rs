//! Who sends welcome mails, and as whom, as configured.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Transport};
use crate::mail::{Pace, Sender, Smtp, Templates, Worker};
use crate::provision::Bells;
use crate::site::Site;
use crate::telemetry::Metrics;

/// Who sends mails: a worker with so many connections.
pub(super) struct Senders {
    worker: Worker,
    connections: u32,
}

/// Sends with the latest senders. Those before end the mail that they have.
pub(super) async fn send_mails(
    mut latest: mpsc::UnboundedReceiver<Option<Senders>>,
    draining: CancellationToken,
) {
    let mut running = JoinSet::new();
    let mut stop = draining.child_token();
    loop {
        tokio::select! {
            senders = latest.recv() => {
                let Some(senders) = senders else { break };
                stop.cancel();
                stop = draining.child_token();
                if let Some(Senders { worker, connections }) = senders {
                    running.spawn(worker.run(connections, stop.clone()));
                }
            }
            Some(ended) = running.join_next() => ended.expect("senders do not panic"),
            () = draining.cancelled() => break,
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("senders do not panic");
    }
}

/// What senders get, whatever is configured.
pub(super) struct MailRoom {
    pub(super) site: Arc<Site>,
    pub(super) bells: Bells,
    pub(super) metrics: Arc<Metrics>,
}

impl MailRoom {
    /// The senders of promised mails; none if WordPress sends the mails, if they are off, or if no server is configured:
    /// then they wait in the outbox.
    ///
    /// # Errors
    /// An address, the mail server's certificates or the operator's texts cannot be used.
    pub(super) fn senders(&self, config: &Config) -> anyhow::Result<Option<Senders>> {
        let mail = &config.mail;
        let sender = Sender::new(mail, &config.wordpress)?;
        let Some(url) = config
            .smtp
            .url
            .as_ref()
            .filter(|_| mail.transport == Transport::Smtp)
        else {
            if mail.transport == Transport::Smtp {
                tracing::warn!("smtp.url is not set: welcome mails wait in the outbox");
            }
            return Ok(None);
        };
        let worker = Worker {
            site: Arc::clone(&self.site),
            smtp: Smtp::new(url, &config.smtp)?,
            sender,
            templates: Templates::read(mail.templates.as_deref())?,
            pace: Pace {
                first_retry: mail.first_retry,
                longest_retry: mail.longest_retry,
                give_up: mail.give_up,
                lease: mail.lease,
                per_second: mail.mails_per_second,
            },
            metrics: Arc::clone(&self.metrics),
            relay_bell: self.bells.relay.clone(),
            bell: Arc::clone(&self.bells.mail),
        };
        Ok(Some(Senders {
            worker,
            connections: mail.connections,
        }))
    }
}
