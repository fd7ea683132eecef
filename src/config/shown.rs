//! The options in force as operators may see them: without secrets, and with where each value comes from.

use ::config::{Value, ValueKind};

use super::WordPress;
use super::known_keys::all;
use super::settings::Settings;

/// What follows WordPress's own files.
const WORDPRESS: &str = "WordPress's files";

/// An option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// As `section.key`.
    pub key: String,
    /// Its value; `None` for a secret, which is set and not shown.
    pub value: Option<String>,
    /// Where it was set; `None` for a built-in default.
    pub origin: Option<String>,
}

/// All options that have a value, in the order of the documentation. `is_secret` knows an option by its name.
pub(super) fn read(settings: &Settings, is_secret: impl Fn(&str) -> bool) -> Vec<Shown> {
    let mut shown: Vec<Shown> = settings
        .values()
        .map(|(key, value)| Shown {
            key: key.to_owned(),
            value: (!is_secret(key) || !settings.is_given(key)).then(|| text(value)),
            origin: value.origin().map(str::to_owned),
        })
        .collect();
    sort(&mut shown);
    shown
}

/// Adds what WordPress's files say about the site, where no option says otherwise.
pub(super) fn add_found(shown: &mut Vec<Shown>, settings: &Settings, wordpress: &WordPress) {
    if !settings.is_given("wordpress.root") {
        return;
    }
    let prefix = Some(wordpress.table_prefix.clone());
    let version = wordpress.version.clone();
    let mut found = vec![("wordpress.table_prefix", prefix)];
    found.extend(version.map(|version| ("wordpress.version", Some(version))));
    if !settings.is_given("database.url_file") {
        found.push(("database.url", None));
    }
    for (key, value) in found {
        if settings.is_given(key) {
            continue;
        }
        shown.retain(|one| one.key != key);
        shown.push(Shown {
            key: key.to_owned(),
            value,
            origin: Some(WORDPRESS.to_owned()),
        });
    }
    sort(shown);
}

pub(super) fn sort(shown: &mut [Shown]) {
    // Those with names of the operator's choice come last.
    let place = |key: &str| all().position(|known| known == key).unwrap_or(usize::MAX);
    shown.sort_by(|a, b| (place(&a.key), &a.key).cmp(&(place(&b.key), &b.key)));
}

fn text(value: &Value) -> String {
    match &value.kind {
        ValueKind::Nil => String::new(),
        ValueKind::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
