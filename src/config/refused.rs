//! `[refused]`: the record of refused calls. Mirrors nothing in PHP.

use super::problem::Reported;
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &["refused.retention_days"];

/// Resolved `[refused]` options.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// Days after which the record of a refused call is deleted; 0 keeps none.
    pub retention_days: u32,
}

impl Refused {
    /// Whether refused calls are recorded.
    pub fn are_kept(self) -> bool {
        self.retention_days > 0
    }

    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let retention_days = settings.number("refused.retention_days", 0..=36_500);
        Ok(Self {
            retention_days: retention_days?,
        })
    }
}
