//! SIGHUP: reads the configuration again and applies the options that can change while the daemon runs. An invalid
//! configuration changes nothing.

use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{self, Reloadable};
use crate::config::{Config, Sources};
use crate::telemetry::{Filter, NewFilter};

/// Options that a reload applies: whole sections, or single ones. All others need a restart.
const RELOADED: [&str; 19] = [
    "admin.application_passwords",
    "admin.old_key_hours",
    "admin.token",
    "admin.token_file",
    "limits.calls_per_second_per_client",
    "limits.calls_per_second_per_webhook",
    "limits.max_body_bytes",
    "limits.max_fields",
    "limits.unknown_keys_per_minute_per_client",
    "log.filter",
    "mail.",
    "protection.",
    "refused.",
    "runs.",
    "server.admin_hosts",
    "server.forwarding_header",
    "server.trusted_proxies",
    "smtp.",
    "source.",
];
/// The exception: earlier calls have queued mails under its old value.
const NOT_RELOADED: &str = "mail.transport";

/// SIGHUP.
pub struct ReloadSignal(Signal);

impl ReloadSignal {
    /// From now on the signal no longer terminates the process.
    ///
    /// # Errors
    /// The system refuses to register the signal handler.
    pub fn receive() -> anyhow::Result<Self> {
        let signal = signal(SignalKind::hangup()).context("cannot receive SIGHUP")?;
        Ok(Self(signal))
    }
}

/// Reloads the configuration at every signal, from the sources of `config`; never ends.
pub async fn at_signals(
    mut signal: ReloadSignal,
    reloadable: Arc<Reloadable>,
    log: Filter,
    sources: Sources,
    mut config: Config,
) {
    while signal.0.recv().await.is_some() {
        match reload(&reloadable, &config, &log, sources.clone()) {
            Ok(new) => {
                config = new;
                reloadable.metrics.reloaded(true);
            }
            Err(error) => {
                reloadable.metrics.reloaded(false);
                tracing::error!("configuration not reloaded, the one before stays: {error:#}");
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Returns the configuration now in force: the new one, with the old values of options that need a restart.
fn reload(
    reloadable: &Reloadable,
    before: &Config,
    log: &Filter,
    sources: Sources,
) -> anyhow::Result<Config> {
    let mut new = app::load(sources)?;
    let changed = new.changed_since(before);
    // Options that are not applied are compared again at the next reload, so that the warning is repeated.
    let (now, later): (Vec<_>, Vec<_>) = changed.into_iter().partition(|key| is_reloaded(key));
    new.mail.transport = before.mail.transport;
    // Steps that may fail come first.
    let filter = NewFilter::parse(&new.log.filter)?;
    let replacement = reloadable.prepare(&new)?;

    log.replace(filter)?;
    reloadable.apply(replacement);
    tracing::info!(
        "configuration reloaded; changed: {}",
        if now.is_empty() {
            "nothing".to_owned()
        } else {
            now.join(", ")
        }
    );
    if !later.is_empty() {
        tracing::warn!(
            "these options only change with a restart: {}",
            later.join(", ")
        );
    }
    new.keep_given(before, |key| !is_reloaded(key));
    reloadable.tell(&new);
    Ok(new)
}

/// Whether a change of this option, as `section.key`, takes effect at a reload.
pub fn is_reloaded(key: &str) -> bool {
    let covers =
        |option: &&str| key == *option || option.ends_with('.') && key.starts_with(*option);
    key != NOT_RELOADED && RELOADED.iter().any(covers)
}
