//! `[refused]`: the record of refused calls, and their fields, if these are kept. Mirrors nothing in PHP.

use std::path::PathBuf;

use super::problem::{Flaw, Reported};
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "refused.retention_days",
    KEEP_FIELDS_HOURS,
    "refused.keep_passwords",
    KEY_FILE,
];

const KEEP_FIELDS_HOURS: &str = "refused.keep_fields_hours";
pub(super) const KEY_FILE: &str = "refused.key_file";

/// Resolved `[refused]` options.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Days after which the record of a refused call is deleted; 0 keeps none.
    pub retention_days: u32,
    /// How the fields of refused calls are kept, if they are.
    pub fields: Option<KeptFields>,
}

/// How the fields of refused calls are kept.
#[derive(Debug, Clone)]
pub struct KeptFields {
    /// Hours after which they are deleted; at least 1.
    pub hours: u32,
    /// Whether passwords are kept, too.
    pub passwords: bool,
    /// The file with the key that they are encrypted with.
    pub key_file: PathBuf,
}

impl Refused {
    /// Whether refused calls are recorded.
    pub fn are_kept(&self) -> bool {
        self.retention_days > 0
    }

    /// `runs_kept`: days for which runs are recorded, if that is known. A run tells that a refused call was carried out again.
    pub(super) fn read(settings: &mut Settings, runs_kept: Option<u32>) -> Result<Self, Reported> {
        let retention_days = settings.number("refused.retention_days", 0..=36_500);
        let hours = settings.number(KEEP_FIELDS_HOURS, 0..=720);
        let passwords = settings.flag("refused.keep_passwords");
        let key_file = settings.optional(KEY_FILE);
        let (retention_days, hours, passwords) = (retention_days?, hours?, passwords?);
        let refuse = |settings: &mut Settings, what, remedy| {
            settings.refuse(KEEP_FIELDS_HOURS, &Flaw::new(what, remedy))
        };
        let outlives = |days: u32| u64::from(hours) > u64::from(days) * 24;
        let fields = match key_file? {
            _ if hours == 0 => None,
            None => {
                let what = "needs refused.key_file, which names the file with the key";
                let remedy = "set it to a file that the daemon may make, such as \"/var/lib/fcom-sidecar/refused.key\"";
                return Err(refuse(settings, what, remedy));
            }
            Some(_) if outlives(retention_days) => {
                let what = "is longer than refused.retention_days";
                let remedy = "keep fields for no longer than the record of the call";
                return Err(refuse(settings, what, remedy));
            }
            Some(_) if runs_kept.is_some_and(outlives) => {
                let what = "is longer than runs.retention_days: a call could be carried out again whose run is forgotten";
                let remedy = "keep fields for no longer than runs, or runs for longer";
                return Err(refuse(settings, what, remedy));
            }
            Some(key_file) => Some(KeptFields {
                hours,
                passwords,
                key_file: key_file.into(),
            }),
        };
        Ok(Self {
            retention_days,
            fields,
        })
    }
}
