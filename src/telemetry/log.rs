//! The log on standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::{FilterExt, ParseError, filter_fn};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::PHASE_TARGET;
use super::otlp::{self, Exporter, OtlpError, SpanLayer};
use crate::config::{Log, LogFormat, Otlp};

/// The filter of a log that has started.
#[derive(Clone)]
pub struct Filter(reload::Handle<EnvFilter, Layered<Option<SpanLayer>, Registry>>);

/// A filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log.filter \"{text}\" is not a tracing filter: try \"info\" or \"fcom_sidecar=debug\"")]
pub struct FilterError {
    text: String,
    source: ParseError,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The filter cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The collector cannot be used.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// Logging has started before.
    #[error("logging cannot start")]
    Started(#[source] TryInitError),
}

/// A filter that can be read.
pub struct NewFilter(EnvFilter);

impl NewFilter {
    /// # Errors
    /// It cannot be read.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        EnvFilter::try_new(text)
            .map(Self)
            .map_err(|source| FilterError {
                text: text.to_owned(),
                source,
            })
    }
}

impl Filter {
    /// From now on only what `filter` lets through is written.
    ///
    /// # Errors
    /// The log has ended.
    pub fn replace(&self, filter: NewFilter) -> Result<(), reload::Error> {
        self.0.reload(filter.0)
    }
}

/// Starts logging to standard error, and telling the collector of spans, if there is one: then the second is to be run.
///
/// # Errors
/// See [`StartError`].
pub fn start(log: &Log, otlp: Option<&Otlp>) -> Result<(Filter, Option<Exporter>), StartError> {
    let NewFilter(filter) = NewFilter::parse(&log.filter)?;
    let (filter, handle) = reload::Layer::new(filter);
    let (spans, exporter) = otlp.map(otlp::start).transpose()?.unzip();
    let lines = fmt::layer()
        // If nobody reads the log any more, nobody reads complaints about it, and to write them would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Human => lines.with_target(false).boxed(),
    };
    let is_for_people = filter_fn(|metadata| metadata.target() != PHASE_TARGET);
    Registry::default()
        .with(spans)
        .with(lines.with_filter(filter.and(is_for_people)))
        .try_init()
        .map_err(StartError::Started)?;
    Ok((Filter(handle), exporter))
}
