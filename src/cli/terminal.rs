//! Output of commands, for people and for programs. All output passes through here line by line, and no value can end its
//! line, send control sequences to the terminal or change the order in which it shows characters: texts contain words from
//! callers, servers and the site.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;

use crate::telemetry::escaped;
pub(super) use crate::telemetry::printable;

/// Prints one line, of a command that has done its work.
pub(super) fn say(line: &str) {
    if let Err(error) = write_out(&printable(line)) {
        complain(&format!("fcom-sidecar: {error:#}"));
    }
}

/// Prints a result, as JSON for programs or as lines for people. JSON says everything exactly, escaped where a terminal
/// could act on it.
///
/// # Errors
/// It cannot be written, as to a full disk.
pub(super) fn answer<T: Serialize + ?Sized>(
    json: bool,
    answer: &T,
    lines: impl FnOnce(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    if json {
        write_out(&escaped(&serde_json::to_string_pretty(answer)?))
    } else {
        let lines = lines(answer);
        let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
        write_out(&lines.join("\n"))
    }
}

/// The only place that writes to standard error, besides the log. If that is closed, the error cannot be reported at
/// all. What follows the first line is indented: it may be another's words, and must not look like a line of ours.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", indented(text));
}

/// Writes over the line of standard error, which is a terminal.
pub(super) fn redraw(text: &str) {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "\r\u{1b}[K{}", printable(text));
    let _ = stderr.flush();
}

fn indented(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = printable(lines.next().unwrap_or_default());
    for line in lines {
        let indent = if line.starts_with("  ") { "" } else { "  " };
        let _ = write!(out, "\n{indent}{}", printable(line));
    }
    out
}

/// The only place that writes to standard output. A reader that stops early (`| head`) does not abort the command
/// midway.
fn write_out(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the answer")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_words_of_others_begin_a_line() {
        let text = "fcom-sidecar: a\n  b\nfcom-sidecar: c\r\n\u{1b}d";
        let shown = "fcom-sidecar: a\n  b\n  fcom-sidecar: c \n   d";
        assert_eq!(indented(text), shown);
    }
}
