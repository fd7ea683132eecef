//! Output of commands, for people and for programs. All output passes through here, and none of it can send control
//! sequences to the terminal: texts contain words from callers, servers and the site.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

/// Prints a text, which may have several lines.
pub(super) fn say(text: &str) {
    write_out(&printable_lines(text));
}

/// Prints a result, as JSON for programs or as text for people.
pub(super) fn answer<T: Serialize + ?Sized>(
    json: bool,
    answer: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    if json {
        write_out(&without_controls(&serde_json::to_string_pretty(answer)?));
    } else {
        say(&text(answer));
    }
    Ok(())
}

/// The only place that writes to standard error, besides the log. If that is closed, the error cannot be reported at
/// all.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable_lines(text));
}

/// The only place that writes to standard output. A reader that stops early (`| head`) does not abort the command
/// midway.
fn write_out(text: &str) {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("fcom-sidecar: cannot write the answer: {error}"));
        }
        Ok(()) | Err(_) => {}
    }
}

/// A value on one line and without control characters, and so without escape sequences.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn printable_lines(text: &str) -> String {
    let lines = text.split('\n');
    let lines = lines.map(|line| printable(line.strip_suffix('\r').unwrap_or(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// The same JSON without DEL and the non-ASCII control characters, which JSON need not escape and terminals may act on.
fn without_controls(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() && character != '\n' {
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours, a window title, the eight-bit form of an escape sequence, a bell and an overwritten line.
    const HOSTILE: &str = "a\u{1b}[31mb\u{1b}]0;title\u{7}c\u{9b}2Jd\re\u{7f}\nf";

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        assert_eq!(printable(HOSTILE), "a [31mb ]0;title c 2Jd e  f");
        let lines = printable_lines(HOSTILE);
        assert_eq!(lines, "a [31mb ]0;title c 2Jd e \nf");
        assert_eq!(printable_lines("Zoë 🎉\r\n\nx\n"), "Zoë 🎉\n\nx\n");
    }

    #[test]
    fn json_says_the_same_without_controls() {
        let json = serde_json::to_string_pretty(&[HOSTILE]).unwrap();
        let shown = without_controls(&json);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
        let read: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, [HOSTILE]);
        assert_eq!(
            without_controls("{\n  \"a\": \"ë\"\n}"),
            "{\n  \"a\": \"ë\"\n}"
        );
    }
}
