//! Keeps words of callers, servers and the site from acting on the terminal that shows them.

use std::fmt::Write;

/// Whether a terminal acts on this character: controls of both sets, line and paragraph separators, and what reorders the
/// characters around it (Unicode's `Bidi_Control`).
pub fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line for people, with blanks in place of what steers.
pub fn printable(line: &str) -> String {
    line.replace(steers, " ")
}

/// The same JSON, which may have several lines, with everything escaped that steers, beyond what JSON itself requires.
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if steers(character) && character != '\n' {
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

    /// Colours, a window title, the eight-bit form of an escape sequence, a bell, an overwritten line, reversed text and
    /// other ends of a line.
    const HOSTILE: &str =
        "a\u{1b}[31mb\u{1b}]0;title\u{7}c\u{9b}2Jd\re\u{7f}\nf\u{202e}g\u{2066}h\u{85}i\u{2029}";

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        let shown = "a [31mb ]0;title c 2Jd e  f g h i ";
        assert_eq!(printable(HOSTILE), shown);
        let harmless = "Zoë 🎉 👩\u{200d}🚀 שלום";
        assert_eq!(printable(harmless), harmless);
    }

    #[test]
    fn json_says_the_same_without_controls() {
        let json = serde_json::to_string_pretty(&[HOSTILE]).unwrap();
        let shown = escaped(&json);
        assert!(!shown.contains(|c: char| steers(c) && c != '\n'));
        let read: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, [HOSTILE]);
        let harmless = "{\n  \"a\": \"ë\"\n}";
        assert_eq!(escaped(harmless), harmless);
    }
}
