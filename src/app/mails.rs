//! Sets up the senders of welcome mails and their sender address, from the configuration.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Transport};
use crate::mail::{Delivery, Pace, Sender, Smtp, Templates, Worker};
use crate::provision::{Bells, Calls};
use crate::site::Site;
use crate::telemetry::Metrics;

/// A mail worker and its number of connections.
pub(super) struct Senders {
    worker: Worker,
    connections: u32,
}

/// Runs the latest senders. Replaced senders finish the mail they are working on.
pub(super) async fn send_mails(
    mut latest: mpsc::UnboundedReceiver<Option<Senders>>,
    delivery: watch::Sender<Delivery>,
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
                match senders {
                    Some(Senders { worker, connections }) => {
                        running.spawn(worker.run(connections, stop.clone()));
                    }
                    None => _ = delivery.send_replace(Delivery::Off),
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

/// The parts of a worker that do not depend on the configuration.
pub(super) struct MailRoom {
    site: Arc<Site>,
    bells: Bells,
    metrics: Arc<Metrics>,
    /// Whether mails leave.
    pub(super) delivery: watch::Sender<Delivery>,
    /// Changes when an operator asks for a try at once.
    pub(super) asked: watch::Sender<u32>,
}

impl MailRoom {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            site: Arc::clone(&calls.site),
            bells: calls.bells.clone(),
            metrics: Arc::clone(&calls.metrics),
            delivery: watch::Sender::default(),
            asked: watch::Sender::default(),
        }
    }

    /// The senders of promised mails. `None` if WordPress sends the mails, if mail is off, or if no server is
    /// configured; in the last case mails wait in the outbox.
    ///
    /// # Errors
    /// An address, the mail server's certificates or the operator's templates are invalid.
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
            delivery: self.delivery.clone(),
            asked: self.asked.subscribe(),
        };
        Ok(Some(Senders {
            worker,
            connections: mail.connections,
        }))
    }
}
