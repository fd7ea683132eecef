//! Holds the merged, still untyped options, and reads them by type, noting every problem. Mirrors nothing in PHP.
//!
//! Values from the environment and the command line are always text, so numbers and lists are parsed from text here, by
//! the option's own type. A type is never guessed from the value: a password of digits stays text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::path::Path;

use ::config::{Value, ValueKind};
use secrecy::{ExposeSecret, SecretString};

use super::problem::{ConfigError, Flaw, Problem, Reported};

const NO_LIST: &str = "is not a list of texts";
const WRITE_A_LIST: &str = "write a list of texts, e.g. [\"a\", \"b\"]";

/// A fingerprint of each option's value, to detect changes without keeping the value.
#[derive(Clone, Debug, Default)]
pub(super) struct Fingerprints(BTreeMap<String, u64>);

impl Fingerprints {
    pub(super) fn differ_from(&self, other: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let changed = keys
            .into_iter()
            .filter(|key| self.0.get(*key) != other.0.get(*key));
        changed.cloned().collect()
    }

    /// Takes over the fingerprints of `other` for which `is_kept` is true.
    pub(super) fn keep(&mut self, other: &Self, is_kept: impl Fn(&str) -> bool) {
        self.0.retain(|key, _| !is_kept(key));
        let kept = other.0.iter().filter(|(key, _)| is_kept(key));
        self.0
            .extend(kept.map(|(key, value)| (key.clone(), *value)));
    }
}

/// Where options were set; built-in defaults are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins(BTreeMap<String, String>);

impl Origins {
    /// ` (from …)`, or nothing for a built-in default.
    pub(super) fn of(&self, key: &str) -> String {
        let origin = self.0.get(key);
        origin.map_or_else(String::new, |origin| format!(" (from {origin})"))
    }
}

fn fingerprint(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The value that won for each known option. Holds secrets, hence no `Debug`.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<String, Value>,
    from_files: Fingerprints,
    problems: Vec<Problem>,
}

impl Settings {
    /// Overrides the value from earlier layers. A value without origin is a built-in default.
    pub(super) fn set(&mut self, key: String, value: Value) {
        self.values.insert(key, value);
    }

    pub(super) fn note(&mut self, problem: Problem) -> Reported {
        self.problems.push(problem);
        Reported
    }

    /// Returns the resolved value, unless any problem has been noted.
    pub(super) fn finish<T>(self, resolved: Result<T, Reported>) -> Result<T, ConfigError> {
        match resolved {
            Ok(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ConfigError {
                problems: self.problems,
            }),
        }
    }

    /// Whether the operator set this option, as opposed to a built-in default; an empty text does not count.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|value| {
            value.origin().is_some()
                && !matches!(&value.kind, ValueKind::String(text) if text.is_empty())
        })
    }

    /// Fingerprints of all options; for options that name a secret file, also of the file's content.
    pub(super) fn fingerprints(&self) -> Fingerprints {
        let given = self.values.iter();
        let given =
            given.map(|(key, value)| (key.clone(), fingerprint(&format!("{:?}", value.kind))));
        let mut all = Fingerprints(given.collect());
        all.0.extend(self.from_files.0.clone());
        all
    }

    /// Where each option was set.
    pub(super) fn origins(&self) -> Origins {
        let given = self.values.iter();
        let given =
            given.filter_map(|(key, value)| Some((key.clone(), value.origin()?.to_owned())));
        Origins(given.collect())
    }

    /// An option's text, if it is one.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.values.get(key)?.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether an option was set in this file.
    pub(super) fn is_from(&self, key: &str, file: &Path) -> bool {
        let origin = self.values.get(key).and_then(Value::origin);
        origin == Some(&*file.display().to_string())
    }

    /// Notes the content that was read from a file for an option.
    pub(super) fn note_content(&mut self, key: &str, content: &str) {
        let content = fingerprint(content);
        self.from_files.0.insert(key.to_owned(), content);
    }

    /// Every option with a value, as `section.key`.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Every option with its value.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether any layer sets this option, even to an empty text.
    pub(super) fn is_known(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// An optional text; empty means not set, so that an empty variable can clear an option.
    pub(super) fn optional(&mut self, key: &str) -> Result<Option<String>, Reported> {
        match self.values.get(key).map(|value| &value.kind) {
            None => Ok(None),
            Some(ValueKind::String(text)) if text.is_empty() => Ok(None),
            Some(ValueKind::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.refuse(key, &Flaw::new("is not a text", "put it in quotes"))),
        }
    }

    /// An optional text that `parse` turns into the option's type.
    pub(super) fn optional_parsed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Result<Option<T>, Reported> {
        let Some(text) = self.optional(key)? else {
            return Ok(None);
        };
        parse(&text)
            .map(Some)
            .map_err(|flaw| self.refuse(key, &flaw))
    }

    /// A required text that `parse` turns into the option's type.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Result<T, Reported> {
        match self.optional_parsed(key, parse)? {
            Some(value) => Ok(value),
            None => Err(self.refuse(key, &Flaw::new("is empty", "give it a value or remove it"))),
        }
    }

    /// One of several fixed words.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<T, Reported> {
        self.parsed(key, |text| {
            let chosen = choices.iter().find(|(word, _)| *word == text);
            chosen.map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<String> = choices.iter().map(|(w, _)| format!("{w:?}")).collect();
                Flaw::new(
                    "is not a known choice",
                    format!("choose one of {}", words.join(", ")),
                )
            })
        })
    }

    /// A boolean.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, Reported> {
        let flag = match self.values.get(key).map(|value| &value.kind) {
            Some(ValueKind::Boolean(flag)) => Some(*flag),
            Some(ValueKind::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        flag.ok_or_else(|| {
            let neither = Flaw::new("is neither true nor false", "write true or false");
            self.refuse(key, &neither)
        })
    }

    /// A whole number within `range`.
    pub(super) fn number<T>(&mut self, key: &str, range: RangeInclusive<T>) -> Result<T, Reported>
    where
        T: TryFrom<u64> + PartialOrd + Display,
    {
        let number = match self.values.get(key).map(|value| &value.kind) {
            Some(ValueKind::I64(number)) => u64::try_from(*number).ok(),
            Some(ValueKind::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.filter(|n| range.contains(n)).ok_or_else(|| {
            let remedy = format!(
                "write a whole number from {} to {}",
                range.start(),
                range.end()
            );
            self.refuse(key, &Flaw::new("is not a whole number in range", remedy))
        })
    }

    /// A fraction.
    pub(super) fn ratio(&mut self, key: &str) -> Result<f64, Reported> {
        let ratio = match self.values.get(key).map(|value| &value.kind) {
            Some(ValueKind::Float(ratio)) => Some(*ratio),
            Some(ValueKind::I64(0)) => Some(0.0),
            Some(ValueKind::I64(1)) => Some(1.0),
            Some(ValueKind::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        ratio
            .filter(|ratio| (0.0..=1.0).contains(ratio))
            .ok_or_else(|| {
                let remedy = "write a number from 0 to 1, e.g. 0.05";
                self.refuse(key, &Flaw::new("is not a part of a whole", remedy))
            })
    }

    /// A list of texts: an array in the file, comma-separated elsewhere. Every bad element is noted.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Flaw>,
    ) -> Result<Vec<T>, Reported> {
        let Some(items) = self.items(key) else {
            return Err(self.refuse(key, &Flaw::new(NO_LIST, WRITE_A_LIST)));
        };
        let from = self.origin(key);
        let parsed: Vec<Result<T, Reported>> = items
            .iter()
            .map(|item| {
                parse(item).map_err(|Flaw { what, remedy }| {
                    self.note(Problem::new(key, format!("{item:?} {what}{from}"), remedy))
                })
            })
            .collect();
        parsed.into_iter().collect()
    }

    /// A text, or the texts of a list. Commas in a text separate nothing.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        match &self.values.get(key)?.kind {
            ValueKind::String(text) => Some(vec![text.clone()]),
            _ => self.items(key),
        }
    }

    /// One secret, or a list of secrets; none is shown in messages.
    pub(super) fn secrets(&mut self, key: &str) -> Result<Vec<String>, Reported> {
        self.texts(key)
            .ok_or_else(|| self.note(Problem::new(key, NO_LIST, WRITE_A_LIST)))
    }

    fn items(&self, key: &str) -> Option<Vec<String>> {
        match &self.values.get(key)?.kind {
            ValueKind::String(text) => {
                let items = text.split(',').map(|item| item.trim().to_owned());
                Some(items.filter(|item| !item.is_empty()).collect())
            }
            ValueKind::Array(items) => items
                .iter()
                .map(|item| match &item.kind {
                    ValueKind::String(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }

    /// A secret, given directly or as the content of the file that `<key>_file` names (without one final newline).
    pub(super) fn secret(&mut self, key: &str) -> Result<Option<SecretString>, Reported> {
        let file_key = format!("{key}_file");
        let (outright, file) = (self.is_given(key), self.is_given(&file_key));
        if outright && file {
            let what = format!("is given, and so is {file_key}");
            return Err(self.note(Problem::new(key, what, "keep one of the two")));
        }
        if outright && let Some(ValueKind::String(text)) = self.values.get(key).map(|v| &v.kind) {
            return Ok(Some(SecretString::from(text.as_str())));
        }
        if outright {
            let what = format!("is not a text{}", self.origin(key));
            return Err(self.note(Problem::new(key, what, "put it in quotes")));
        }
        let secret = self.optional_parsed(&file_key, |path| match fs::read_to_string(path) {
            Ok(content) => {
                let content = content.strip_suffix('\n').unwrap_or(&content);
                let content = content.strip_suffix('\r').unwrap_or(content);
                if content.is_empty() {
                    return Err(Flaw::new("is empty", "write the secret into that file"));
                }
                Ok(SecretString::from(content))
            }
            Err(error) => Err(Flaw::new(
                format!("cannot be read: {error}"),
                "name a file that the daemon's user can read",
            )),
        })?;
        if let Some(secret) = &secret {
            self.note_content(&file_key, secret.expose_secret());
        }
        Ok(secret)
    }

    /// Notes that this option's value is refused. Do not use it for secrets: the message shows the value.
    pub(super) fn refuse(&mut self, key: &str, flaw: &Flaw) -> Reported {
        let shown = match self.values.get(key).map(|value| &value.kind) {
            None | Some(ValueKind::Nil) => "nothing".to_owned(),
            Some(ValueKind::String(text)) => format!("{text:?}"),
            Some(ValueKind::Table(_)) => "a table".to_owned(),
            Some(ValueKind::Array(_)) => "a list".to_owned(),
            Some(other) => other.to_string(),
        };
        let what = format!("{shown} {}{}", flaw.what, self.origin(key));
        self.note(Problem::new(key, what, &flaw.remedy))
    }

    /// ` (from …)`, or nothing for a built-in default.
    pub(super) fn origin(&self, key: &str) -> String {
        let origin = self.values.get(key).and_then(|value| value.origin());
        origin.map_or_else(String::new, |origin| format!(" (from {origin})"))
    }
}
