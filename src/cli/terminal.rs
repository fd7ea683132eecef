//! What commands say, to people and to programs.

use std::io::{self, Write};

use serde::Serialize;

/// The one place that writes to standard output. A reader that has seen enough (`| head`) ends no command in its middle.
pub(super) fn say(line: &str) {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("fcom-sidecar: cannot write the answer: {error}"));
        }
        Ok(()) | Err(_) => {}
    }
}

/// The one place that writes to standard error, beside the log. If nobody reads it, nobody can be told.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Says an answer as JSON, for programs, or as the text that people read.
pub(super) fn answer<T: Serialize + ?Sized>(
    json: bool,
    answer: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    say(&if json {
        serde_json::to_string_pretty(answer)?
    } else {
        text(answer)
    });
    Ok(())
}

/// On one line and without control characters: words of callers, servers and the site must not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}
