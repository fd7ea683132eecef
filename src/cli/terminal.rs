//! What commands say, to people and to programs.

use serde::Serialize;

/// The one place that writes to standard output.
#[expect(clippy::print_stdout, reason = "commands answer on standard output")]
pub(super) fn say(line: &str) {
    println!("{line}");
}

/// The one place that writes to standard error, beside the log.
#[expect(
    clippy::print_stderr,
    reason = "errors of commands go to standard error"
)]
pub(super) fn complain(line: &str) {
    eprintln!("{line}");
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
