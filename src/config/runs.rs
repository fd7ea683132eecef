//! `[runs]`: the record of executed calls. Mirrors nothing in PHP.

use super::problem::Reported;
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &["runs.retention_days"];

/// Resolved `[runs]` options.
#[derive(Debug, Clone)]
pub struct Runs {
    /// Days after which an executed call is forgotten; at least 1.
    pub retention_days: u32,
}

impl Runs {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        Ok(Self {
            retention_days: settings.number("runs.retention_days", 1..=36_500)?,
        })
    }
}
