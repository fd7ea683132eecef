//! The findings of the checks. Their texts contain unescaped words from the database and from servers; rendering makes
//! them harmless.

use serde::Serialize;

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A prerequisite is missing.
    Skipped,
    /// Correct, or for information only.
    Ok,
    /// `serve` works, but not as well as it could.
    Warning,
    /// Calls fail, or behave differently from WordPress.
    Failed,
}

/// The outcome of one check. A check that finds several problems has several findings, all under its name.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The check's name, such as `web-server`.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// The state, in words.
    pub found: String,
    /// The remedy.
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
    /// The worst status of all; [`Status::Ok`] if all were skipped.
    pub status: Status,
    /// What the checks found.
    pub checks: Vec<Finding>,
}

impl Report {
    pub(super) fn new(checks: Vec<Finding>) -> Self {
        // Skipped checks alone are no reason to worry: their prerequisite has failed or is not configured.
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
