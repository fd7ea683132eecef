//! `[log]`: format and filter of the daemon's log. Mirrors nothing in PHP.

use super::problem::Reported;
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &["log.format", "log.filter"];

/// Resolved `[log]` options.
#[derive(Debug, Clone)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `info,fcom_sidecar::mail=debug`; not empty, but otherwise unchecked here.
    pub filter: String,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human-readable text.
    Human,
    /// One JSON object per line.
    Json,
}

impl Log {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let formats = [("human", LogFormat::Human), ("json", LogFormat::Json)];
        let format = settings.one_of("log.format", &formats);
        let filter = settings.parsed("log.filter", |text| Ok(text.to_owned()));
        Ok(Self {
            format: format?,
            filter: filter?,
        })
    }
}
