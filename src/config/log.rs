//! `[log]`: what the daemon writes about itself. Mirrors nothing in PHP.

use super::problem::Reported;
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &["log.format", "log.filter"];

/// Resolved `[log]` options.
#[derive(Debug, Clone)]
pub struct Log {
    /// The shape of a line.
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `info,fcom_sidecar::mail=debug`; not empty, otherwise unchecked here.
    pub filter: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Human,
    /// One JSON object a line.
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
