//! The log on standard error.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
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

/// What no filter lets through. Spans for a collector are not for people. Libraries quote what they work on below `info`:
/// statements with their values, SMTP dialogues, headers, members' texts. Those of the database driver quote statements
/// at any level.
fn may_be_written(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_ours = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    match target {
        PHASE_TARGET | "sqlx::query" => false,
        _ => is_ours || *metadata.level() <= Level::INFO,
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
    Registry::default()
        .with(spans)
        .with(lines.with_filter(filter.and(filter_fn(may_be_written))))
        .try_init()
        .map_err(StartError::Started)?;
    Ok((Filter(handle), exporter))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_lets_through_what_libraries_quote() {
        let written = Written::default();
        let writer = written.clone();
        let lines = fmt::layer().with_writer(move || writer.clone());
        let NewFilter(filter) =
            NewFilter::parse("trace,sqlx=trace,lettre=trace,fcom_sidecar=trace").unwrap();
        let lines = lines.with_filter(filter.and(filter_fn(may_be_written)));
        tracing::subscriber::with_default(Registry::default().with(lines), || {
            tracing::debug!(target: "sqlx::query", "statement");
            tracing::warn!(target: "sqlx::query", "slow statement");
            tracing::debug!(target: "lettre::transport::smtp::client", "dialogue");
            tracing::trace!(target: "hyper::proto", "header");
            tracing::debug!(target: "fcom_sidecar_like", "pretender");
            tracing::info!(target: PHASE_TARGET, "phase");
            let span = tracing::debug_span!(target: "actix_http", "request", key = "in a span");
            let _entered = span.enter();
            tracing::info!(target: "actix_server::builder", "starting");
            tracing::trace!("our own");
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let ends: Vec<&str> = written
            .lines()
            .map(|line| line.rsplit(": ").next().unwrap())
            .collect();
        assert_eq!(ends, ["starting", "our own"], "{written}");
        assert!(!written.contains("in a span"), "{written}");
    }
}
