//! Who sends welcome mails, and as whom, as configured.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigError, Transport, WordPress};
use crate::mail::{Network, NotAddresses, Pace, Sender, Smtp, Templates, TemplatesError, Worker};
use crate::provision::Site;
use crate::wordpress::catalogue::Catalogues;

/// Who sends mails: a worker with so many connections.
pub struct Senders {
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

/// Those who send promised mails; none if WordPress or nobody sends them, or if no server is configured: then they wait in
/// the outbox.
///
/// # Errors
/// An address, the mail server's certificates or the operator's texts cannot be used.
pub fn senders(config: &Config, site: &Arc<Site>) -> anyhow::Result<Option<Senders>> {
    let (mail, sender) = (&config.mail, sender(config)?);
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
    let version = Arc::clone(site);
    let worker = Worker {
        pool: site.pool.clone(),
        statements: site.statements.clone(),
        prefix: site.tables.prefix().to_owned(),
        clock: site.clock,
        version: Box::new(move |options| version.version.version(&options.site)),
        smtp: Smtp::new(url, &config.smtp)?,
        sender,
        catalogues: Arc::clone(&site.catalogues),
        templates: templates(config)?,
        pace: Pace {
            first_retry: mail.first_retry,
            longest_retry: mail.longest_retry,
            give_up: mail.give_up,
            lease: mail.lease,
            per_second: mail.mails_per_second,
        },
        metrics: Arc::clone(&site.metrics),
        relay_bell: site.relay_bell.clone(),
        bell: Arc::clone(&site.mail_bell),
    };
    Ok(Some(Senders {
        worker,
        connections: config.mail.connections,
    }))
}

/// The sender as configured.
///
/// # Errors
/// Every address that is none.
pub fn sender(config: &Config) -> Result<Sender, ConfigError> {
    let wordpress = &config.wordpress;
    let sender = Sender::new(&config.mail).map_err(|NotAddresses(options)| {
        let what = "is not an e-mail address";
        let remedy = "write it like \"community@example.com\"";
        let refuse = |(key, value): (_, String)| config.refuse(key, &value, what, remedy);
        ConfigError {
            problems: options.into_iter().map(refuse).collect(),
        }
    })?;
    Ok(Sender {
        https_links: sender.https_links || wordpress.forces_https,
        network: wordpress
            .blog
            .as_ref()
            .and_then(|blog| blog.network.clone())
            .map(|said| Network {
                id: said.id,
                domain: said.domain,
                path: said.path,
            }),
        home: wordpress.home_url.clone(),
        site_url: wordpress.site_url.clone(),
        ..sender
    })
}

/// WordPress's translations, from the configured folder or the site's.
pub fn catalogues(config: &WordPress) -> Catalogues {
    let of_site = || {
        let root = config.root.as_ref();
        root.map(|root| root.join("wp-content/languages"))
    };
    Catalogues::in_folder(config.languages.clone().or_else(of_site))
}

/// The operator's own texts, if any.
///
/// # Errors
/// A file is missing or is no template.
pub fn templates(config: &Config) -> Result<Templates, TemplatesError> {
    config
        .mail
        .templates
        .as_deref()
        .map_or_else(|| Ok(Templates::none()), Templates::in_folder)
}

#[cfg(test)]
mod tests {
    use crate::app::load;
    use crate::config::Sources;

    #[test]
    fn addresses_that_are_none_are_refused_with_their_options() {
        let set = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let overrides = [
            ("database.url", "mysql://user:password@db.example/site"),
            ("mail.transport", "off"),
            ("mail.from", "nobody"),
            ("mail.reply_to", "help@example.com"),
            ("mail.envelope_from", "a b@example.com"),
        ];
        let sources = Sources {
            overrides: overrides.map(set).to_vec(),
            ..Sources::default()
        };
        assert_eq!(
            load(sources).unwrap_err().to_string(),
            "the configuration has 2 problems:\n  \
             mail.from: \"nobody\" is not an e-mail address (from the command line)\n    \
             write it like \"community@example.com\"\n  \
             mail.envelope_from: \"a b@example.com\" is not an e-mail address (from the command line)\n    \
             write it like \"community@example.com\""
        );
    }
}
