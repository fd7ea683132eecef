//! The log on standard error.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// The filter of a log that has started.
#[derive(Clone, Debug)]
pub struct Filter(reload::Handle<EnvFilter, Registry>);

/// A filter that can be read.
pub struct NewFilter(EnvFilter);

impl NewFilter {
    /// # Errors
    /// It cannot be read; in words.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(text).with_context(|| {
            format!(
                "log.filter \"{text}\" is not a tracing filter: try \"info\" or \"fcom_sidecar=debug\""
            )
        })?;
        Ok(Self(filter))
    }
}

impl Filter {
    /// From now on only what `filter` lets through is written.
    ///
    /// # Errors
    /// The log has ended.
    pub fn replace(&self, filter: NewFilter) -> anyhow::Result<()> {
        Ok(self.0.reload(filter.0)?)
    }
}

/// Starts logging to standard error.
///
/// # Errors
/// The filter cannot be read, or logging has started before.
pub fn start(log: &Log) -> anyhow::Result<Filter> {
    let NewFilter(filter) = NewFilter::parse(&log.filter)?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer()
        // If nobody reads the log any more, nobody reads complaints about it, and to write them would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Human => lines.with_target(false).boxed(),
    };
    Registry::default()
        .with(filter)
        .with(lines)
        .try_init()
        .context("logging cannot start")?;
    Ok(Filter(handle))
}
