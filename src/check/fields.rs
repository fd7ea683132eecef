//! Checks whether fields of refused calls, if they are kept, can be read again.

use std::io::ErrorKind;

use super::report::Finding;
use crate::config::Config;
use crate::provision::{KeyFileError, read_key};
use crate::telemetry;

const REFUSED_FIELDS: &str = "refused-fields";

pub(super) fn check(config: &Config) -> Option<Finding> {
    let fields = config.refused.fields.as_ref()?;
    let file = fields.key_file.display();
    Some(match read_key(&fields.key_file) {
        Ok(_) => Finding::ok(
            REFUSED_FIELDS,
            format!(
                "kept for {} hours, with the key in {file}, for \"refused retry\"",
                fields.hours
            ),
        ),
        Err(KeyFileError::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {
            Finding::warning(
                REFUSED_FIELDS,
                format!("{file} does not exist; what was kept with the key in it cannot be read"),
                "put the file back, or let serve make a new one: it does so when it starts",
            )
        }
        Err(error) => Finding::failed(
            REFUSED_FIELDS,
            format!("{file} {}", telemetry::chain(&error)),
            error.remedy(),
        ),
    })
}
