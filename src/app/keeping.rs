//! The fields of refused calls, if the configuration keeps them.

use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::config::{Config, ConfigError};
use crate::provision::{
    IfKept, Keeping, KeyFileError, KeyOfFields, RefusalTask, Refusals, make_key, read_key,
};
use crate::site::Site;
use crate::telemetry::{self, Metrics};

/// What records refused calls, with their fields if these are kept.
///
/// # Errors
/// Fields are to be kept, and there is no key for them.
pub(super) fn record_refused(
    config: &Config,
    site: &Arc<Site>,
    metrics: &Arc<Metrics>,
) -> Result<(Refusals, RefusalTask), ConfigError> {
    let (site, metrics) = (Arc::clone(site), Arc::clone(metrics));
    let are_kept = config.refused.are_kept();
    Ok(Refusals::new(site, are_kept, keeping(config)?, metrics))
}

/// How fields are kept. Makes their key if there is none.
///
/// # Errors
/// There is no key and none can be made, or it cannot be used.
pub(super) fn keeping(config: &Config) -> Result<IfKept, ConfigError> {
    keeping_with(config, make_key)
}

/// The same for commands, which make no key: the daemon could not read what another user has made.
///
/// # Errors
/// There is no key, or it cannot be used.
pub fn keeping_of_command(config: &Config) -> anyhow::Result<IfKept> {
    // Its problem is not one of the configuration, which lets the daemon make the key.
    keeping_with(config, read_key).map_err(|error| {
        let problems = error.problems.iter();
        let problems = problems.map(|one| format!("{}: {}; {}", one.key, one.what, one.remedy));
        anyhow::anyhow!(problems.collect::<Vec<_>>().join("; "))
    })
}

fn keeping_with(
    config: &Config,
    key: impl FnOnce(&Path) -> Result<KeyOfFields, KeyFileError>,
) -> Result<IfKept, ConfigError> {
    let Some(fields) = &config.refused.fields else {
        return Ok(None);
    };
    let key = key(&fields.key_file).map_err(|error| {
        let file = fields.key_file.display().to_string();
        let what = telemetry::chain(&error);
        let problem = config.refuse("refused.key_file", &file, &what, error.remedy());
        ConfigError {
            problems: vec![problem],
        }
    })?;
    Ok(Some(Arc::new(Keeping {
        key,
        time: TimeDelta::hours(fields.hours.into()),
        passwords: fields.passwords,
    })))
}
