//! Collects configuration problems, so that they are shown together. Mirrors nothing in PHP.

use std::fmt;

/// One thing the operator has to change before the daemon can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The option (`server.listen`), or the file or variable when no option is to blame.
    pub key: String,
    /// What is wrong, with the offending value unless it is a secret.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    pub(super) fn new(
        key: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.key, self.what, self.remedy)
    }
}

/// All problems of one attempt to load the configuration; never empty. Displayed on several lines.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// In the order they were found.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "the configuration has a problem:")?,
            n => write!(f, "the configuration has {n} problems:")?,
        }
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Why one value is refused: what it is, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Flaw {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Stands in for a value whose problem has been noted, so that reading continues and finds further problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reported;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_shown_with_their_remedies() {
        let error = ConfigError {
            problems: vec![
                Problem::new(
                    "server.listen",
                    "\"x\" is not an address",
                    "write host:port",
                ),
                Problem::new("log.format", "\"y\" is not known", "choose \"human\""),
            ],
        };
        assert_eq!(
            error.to_string(),
            "the configuration has 2 problems:\n  \
             server.listen: \"x\" is not an address\n    write host:port\n  \
             log.format: \"y\" is not known\n    choose \"human\""
        );
    }
}
