//! What the checks found, and how it is shown.

use std::fmt::Write as _;

use serde::Serialize;

/// Columns of a terminal that nobody has to widen.
const WIDTH: usize = 110;

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// What it depends on is not there.
    Skipped,
    /// As it should be, or for information only.
    Ok,
    /// `serve` works, but not as well as it could.
    Warning,
    /// Calls fail, or do something else than WordPress would.
    Failed,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The outcome of one check; a check that finds several things wrong has several, all of its name.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    name: &'static str,
    status: Status,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, &found.into(), None)
    }

    pub(super) fn warning(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(name, Status::Warning, &found.into(), Some(&remedy.into()))
    }

    pub(super) fn failed(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(name, Status::Failed, &found.into(), Some(&remedy.into()))
    }

    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, Status::Skipped, &why.into(), None)
    }

    fn new(name: &'static str, status: Status, found: &str, remedy: Option<&str>) -> Self {
        Self {
            name,
            status,
            found: printable(found),
            remedy: remedy.map(printable),
        }
    }
}

/// Values from the database must not steer the operator's terminal.
fn printable(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), " ")
}

/// All findings, in the order of the checks.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    status: Status,
    checks: Vec<Finding>,
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

    pub(super) fn has_failed(&self) -> bool {
        self.status == Status::Failed
    }

    /// `{"status": …, "checks": [{"name", "status", "found", "remedy"?}, …]}`.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// A line for each check, with what to do below it, and the sum.
    pub(super) fn table(&self) -> String {
        let names = self.checks.iter().map(|check| check.name.len());
        let indent = "skipped  ".len() + names.max().unwrap_or(0) + 2;
        let mut out = String::new();
        for check in &self.checks {
            let name_width = indent - "skipped  ".len();
            let head = format!("{:<9}{:<name_width$}", check.status.word(), check.name);
            paragraph(&mut out, &head, &check.found);
            if let Some(remedy) = &check.remedy {
                let head = format!("{:indent$}→ ", "");
                paragraph(&mut out, &head, remedy);
            }
        }
        let count = |status| self.checks.iter().filter(|c| c.status == status).count();
        let _ = write!(
            out,
            "\n{} failed, {} warnings, {} skipped, {} ok",
            count(Status::Failed),
            count(Status::Warning),
            count(Status::Skipped),
            count(Status::Ok)
        );
        out
    }
}

/// Appends `head` and the text, wrapped at words and set in to where the head ends.
fn paragraph(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    out.push_str(head);
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
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

    #[test]
    fn long_texts_are_wrapped_under_their_beginning() {
        let text = "word ".repeat(30);
        let report = Report::new(vec![
            Finding::failed("tables", text.trim(), "do\u{1b}[31m this"),
            Finding::ok("database", "fine"),
        ]);
        let table = report.table();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("failed   tables    word word"));
        assert!(lines[0].chars().count() <= WIDTH);
        assert!(lines[1].starts_with("                   word"));
        assert_eq!(lines[2], "                   → do [31m this");
        assert_eq!(lines[3], "ok       database  fine");
        assert_eq!(lines[5], "1 failed, 0 warnings, 0 skipped, 1 ok");
    }

    #[test]
    fn json_names_everything_and_leaves_out_what_is_not_there() {
        let report = Report::new(vec![Finding::ok("a", "x"), Finding::warning("b", "y", "z")]);
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let expected = serde_json::json!({"status": "warning", "checks": [
            {"name": "a", "status": "ok", "found": "x"},
            {"name": "b", "status": "warning", "found": "y", "remedy": "z"},
        ]});
        assert_eq!(json, expected);
    }
}
