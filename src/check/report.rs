//! What the checks found. The texts hold words of the database and of servers, as they came: rendering makes them harmless.

use serde::Serialize;

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// What it depends on is not there.
    Skipped,
    /// As it should be, or for information only.
    Ok,
    /// `serve` works, but not as well as it could.
    Warning,
    /// Calls fail, or do something else than WordPress would.
    Failed,
}

/// The outcome of one check; a check that finds several things wrong has several, all of its name.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The check's name, such as `web-server`.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// What is so, in words.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, found.into(), None)
    }

    pub(super) fn warning(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(name, Status::Warning, found.into(), Some(remedy.into()))
    }

    pub(super) fn failed(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(name, Status::Failed, found.into(), Some(remedy.into()))
    }

    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, Status::Skipped, why.into(), None)
    }

    fn new(name: &'static str, status: Status, found: String, remedy: Option<String>) -> Self {
        Self {
            name,
            status,
            found,
            remedy,
        }
    }
}

/// All findings, in the order of the checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst of them; [`Status::Ok`] if all were skipped.
    pub status: Status,
    /// What the checks found.
    pub checks: Vec<Finding>,
}

impl Report {
    pub(super) fn new(checks: Vec<Finding>) -> Self {
        // Skipping alone is no reason to worry: what it depends on has failed or is not configured.
        let worst = checks.iter().map(|check| check.status).max();
        Self {
            status: worst.unwrap_or(Status::Ok).max(Status::Ok),
            checks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_check_fails_the_whole() {
        let skipped = Finding::skipped("c", "why");
        let warning = Finding::warning("b", "x", "y");
        let failed = Finding::failed("a", "x", "y");
        for (checks, status) in [
            (vec![], Status::Ok),
            (vec![skipped.clone()], Status::Ok),
            (vec![skipped.clone(), warning.clone()], Status::Warning),
            (vec![failed, warning, skipped], Status::Failed),
        ] {
            assert_eq!(Report::new(checks).status, status);
        }
    }
}
