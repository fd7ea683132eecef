//! `fcom-sidecar check`: renders the report of `crate::check` for people and for programs.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::block_on;
use super::terminal::answer;
use crate::check::{self, Asker, Finding, Report, Status};
use crate::config::{Config, ConfigError, Sources};

/// A width that fits every terminal.
const WIDTH: usize = 110;

/// Runs all checks; `sources` is where `config` was loaded from.
pub(super) fn run(
    config: Result<Config, ConfigError>,
    sources: &Sources,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let report = match config {
        Ok(config) => block_on(async { Ok(check::run(&config, sources, Asker::Command).await) })?,
        Err(error) => check::refused(error),
    };
    answer(json, &report, table)?;
    Ok(if report.status == Status::Failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// One line per check, its remedy below, and a summary.
fn table(report: &Report) -> Vec<String> {
    let names = report.checks.iter().map(|check| check.name.len());
    let indent = "skipped  ".len() + names.max().unwrap_or(0) + 2;
    let name_width = indent - "skipped  ".len();
    let mut out = String::new();
    for Finding {
        name,
        status,
        found,
        remedy,
    } in &report.checks
    {
        let head = format!("{:<9}{name:<name_width$}", word(*status));
        paragraph(&mut out, &head, found);
        if let Some(remedy) = remedy {
            let head = format!("{:indent$}→ ", "");
            paragraph(&mut out, &head, remedy);
        }
    }
    let count = |status| report.checks.iter().filter(|c| c.status == status).count();
    let _ = write!(
        out,
        "\n{} failed, {} warnings, {} skipped, {} ok",
        count(Status::Failed),
        count(Status::Warning),
        count(Status::Skipped),
        count(Status::Ok)
    );
    out.lines().map(ToOwned::to_owned).collect()
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
    }
}

/// Appends `head` and the text, wrapped at words and indented to the end of `head`.
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

    fn check(name: &'static str, status: Status, found: &str, remedy: Option<&str>) -> Finding {
        Finding {
            name,
            status,
            found: found.to_owned(),
            remedy: remedy.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn long_texts_are_wrapped_under_their_beginning() {
        let text = "word ".repeat(30);
        let remedy = "do\u{1b}[31m\nthis";
        let lines = table(&Report {
            status: Status::Failed,
            checks: vec![
                check("tables", Status::Failed, text.trim(), Some(remedy)),
                check("database", Status::Ok, "fine", None),
            ],
        });
        assert!(lines[0].starts_with("failed   tables    word word"));
        assert!(lines[0].chars().count() <= WIDTH);
        assert!(lines[1].starts_with("                   word"));
        assert_eq!(lines[2], "                   → do\u{1b}[31m this");
        assert_eq!(lines[3], "ok       database  fine");
        assert_eq!(lines[5], "1 failed, 0 warnings, 0 skipped, 1 ok");
    }

    #[test]
    fn json_names_everything_and_leaves_out_what_is_not_there() {
        let report = Report {
            status: Status::Warning,
            checks: vec![
                check("a", Status::Ok, "x", None),
                check("b", Status::Warning, "y\ny", Some("z")),
            ],
        };
        let expected = serde_json::json!({"status": "warning", "checks": [
            {"name": "a", "status": "ok", "found": "x"},
            {"name": "b", "status": "warning", "found": "y\ny", "remedy": "z"},
        ]});
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
    }
}
