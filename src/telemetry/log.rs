//! Sets up the log on standard error.

use std::io::{self, IsTerminal, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, ParseError, filter_fn};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::PHASE_TARGET;
use super::otlp::{self, Exporter, OtlpError, SpanLayer};
use super::terminal::{escaped, printable, steers};
use crate::config::{Log, LogFormat, Otlp};

/// The filter of a running log, which can be replaced.
#[derive(Clone)]
pub struct Filter(reload::Handle<EnvFilter, Layered<Option<SpanLayer>, Registry>>);

/// An invalid filter.
#[derive(Debug, thiserror::Error)]
#[error("log.filter \"{text}\" is not a tracing filter: try \"info\" or \"fcom_sidecar=debug\"")]
pub struct FilterError {
    text: String,
    source: ParseError,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The filter is invalid.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The collector is unusable.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// Logging was already started.
    #[error("logging cannot start")]
    Started(#[source] TryInitError),
}

/// A parsed filter.
pub struct NewFilter(EnvFilter);

impl NewFilter {
    /// # Errors
    /// The filter is invalid.
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
    /// From now on only events that `filter` allows are written.
    ///
    /// # Errors
    /// The log has ended.
    pub fn replace(&self, filter: NewFilter) -> Result<(), reload::Error> {
        self.0.reload(filter.0)
    }
}

/// Targets that are never logged, whatever the filter. Spans for a collector are not meant for people. Below `info`,
/// libraries quote the data they work on: statements with their values, SMTP dialogues, headers, members' texts. The
/// database driver's targets quote statements at any level.
fn may_be_written(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_ours = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    match target {
        PHASE_TARGET | "sqlx::query" => false,
        _ => is_ours || *metadata.level() <= Level::INFO,
    }
}

/// Writes one event, which arrives whole, as one line in which no value steers a terminal.
struct Line<W> {
    out: W,
    is_json: bool,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        // Escape sequences in values are escaped by now; those that are left are the formatter's own colours.
        if !line.contains(|character| steers(character) && character != '\u{1b}') {
            self.out.write_all(event)?;
        } else if self.is_json {
            writeln!(self.out, "{}", escaped(line))?;
        } else {
            let parts: Vec<String> = line.split('\u{1b}').map(printable).collect();
            writeln!(self.out, "{}", parts.join("\u{1b}"))?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Starts logging to standard error and, if there is a collector, recording spans for it; the caller must run the
/// exporter.
///
/// # Errors
/// See [`StartError`].
pub fn start(log: &Log, otlp: Option<&Otlp>) -> Result<(Filter, Option<Exporter>), StartError> {
    let NewFilter(filter) = NewFilter::parse(&log.filter)?;
    let (filter, handle) = reload::Layer::new(filter);
    let (spans, exporter) = otlp.map(otlp::start).transpose()?.unzip();
    let is_json = matches!(log.format, LogFormat::Json);
    let lines = fmt::layer()
        // If standard error is closed, errors about it cannot be read either, and writing them would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(move || Line {
            out: io::stderr(),
            is_json,
        });
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
        let lines = fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone());
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

    #[test]
    fn an_event_is_one_line_that_steers_nothing() {
        let words = "a\u{1b}[2Jb\u{9b}c\rd\nINFO e\u{202e}f";
        for is_json in [false, true] {
            let written = Written::default();
            let writer = written.clone();
            let lines = fmt::layer().with_ansi(false).with_writer(move || Line {
                out: writer.clone(),
                is_json,
            });
            let lines = if is_json {
                lines.json().flatten_event(true).boxed()
            } else {
                lines.boxed()
            };
            tracing::subscriber::with_default(Registry::default().with(lines), || {
                tracing::info!(field = words, "message {words}");
            });
            let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            let line = written.strip_suffix('\n').unwrap();
            assert!(!line.contains(steers), "{line:?}");
            if is_json {
                let read: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(read["field"], words);
            }
        }
    }
}
