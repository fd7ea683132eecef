//! Tables that operators name, such as `[source.NAME]`.

use std::collections::BTreeSet;
use std::fs;

use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;

/// All tables of a section.
pub(super) struct Tables {
    /// The section.
    pub(super) section: &'static str,
    /// The options of each table.
    pub(super) options: &'static [&'static str],
}

/// One of them.
pub(super) struct Table {
    /// The operator's name for it.
    pub(super) name: String,
    /// With its section.
    pub(super) path: String,
}

impl Tables {
    /// Whether this is an option of such a table, or the name of one without options.
    pub(super) fn is_option(&self, key: &str) -> bool {
        self.parts(key)
            .is_some_and(|(_, option)| option.is_none_or(|option| self.options.contains(&option)))
    }

    fn parts<'k>(&self, key: &'k str) -> Option<(&'k str, Option<&'k str>)> {
        let rest = key.strip_prefix(self.section)?.strip_prefix('.')?;
        match rest.split_once('.') {
            Some((name, option)) => Some((name, Some(option))),
            None => Some((rest, None)),
        }
    }

    /// Reads each table that is given; all problems are noted.
    pub(super) fn read_all<T>(
        &self,
        settings: &mut Settings,
        mut read: impl FnMut(&mut Settings, Table) -> Result<T, Reported>,
    ) -> Result<Vec<T>, Reported> {
        let names = settings.keys().filter_map(|key| self.parts(key));
        let names: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
        let all: Vec<_> = names
            .into_iter()
            .map(|name| {
                let path = format!("{}.{name}", self.section);
                if settings.is_known(&path) {
                    let remedy = format!("set the options in it: {}", self.options.join(", "));
                    return Err(settings.note(Problem::new(
                        path,
                        "is not a table of options",
                        remedy,
                    )));
                }
                read(settings, Table { name, path })
            })
            .collect();
        all.into_iter().collect()
    }
}

impl Table {
    /// The complete name of an option.
    pub(super) fn key(&self, option: &str) -> String {
        format!("{}.{option}", self.path)
    }

    /// A problem with the table as a whole.
    pub(super) fn refuse(
        &self,
        settings: &mut Settings,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Reported {
        settings.note(Problem::new(&self.path, what, remedy))
    }

    /// `true` or `false`; `false` if it is not given.
    pub(super) fn flag(&self, settings: &mut Settings, option: &str) -> Result<bool, Reported> {
        let key = self.key(option);
        if settings.is_known(&key) {
            settings.flag(&key)
        } else {
            Ok(false)
        }
    }

    /// What `secrets` holds, a text or a list, or the lines of `secrets_file`, with the option that was given; `None` if neither is.
    /// All as they were written, except that blank lines are left out.
    pub(super) fn secrets(
        &self,
        settings: &mut Settings,
    ) -> Result<Option<(Vec<String>, String)>, Reported> {
        let (outright, file) = (self.key("secrets"), self.key("secrets_file"));
        match (settings.is_known(&outright), settings.is_known(&file)) {
            (false, false) => Ok(None),
            (true, true) => {
                let what = format!("is given, and so is {file}");
                Err(settings.note(Problem::new(outright, what, "keep one of the two")))
            }
            (true, false) => Ok(Some((settings.secrets(&outright)?, outright))),
            (false, true) => {
                let path = settings.parsed(&file, |path| Ok(path.to_owned()))?;
                let content = fs::read_to_string(&path).map_err(|error| {
                    let what = format!("cannot be read: {error}");
                    let remedy = "name a file that the daemon's user can read";
                    settings.refuse(&file, &Flaw::new(what, remedy))
                })?;
                settings.note_content(&file, &content);
                let lines = content.lines().filter(|line| !line.trim().is_empty());
                Ok(Some((lines.map(str::to_owned).collect(), file)))
            }
        }
    }
}
