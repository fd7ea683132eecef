//! The names of a form's fields, as far as they are remembered of a refused call.
//!
//! Never a value: what is not urlencoded as it should be, or no form at all, arrives as names. So whatever does not look
//! like a name is counted only.

use crate::source::is_unseen;

/// Names that are kept of one form.
const MOST: usize = 50;
/// Characters of a name.
const LONGEST: usize = 64;
/// Bytes of all names.
const MOST_BYTES: usize = 2000;
/// Letters and digits in a row, from which on they are more likely a key or encoded data than a word.
const TOKEN: usize = 32;

/// The names of a form's fields, as they were sent, each once and in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames {
    kept: Vec<String>,
    bytes: usize,
    /// Fields whose names are not kept.
    more: u32,
}

impl FieldNames {
    /// Adds the name of a field, decoded.
    pub fn note(&mut self, name: &[u8]) {
        match name_of(name) {
            Some(name) if self.kept.contains(&name) => {}
            Some(name) if self.kept.len() < MOST && self.bytes + name.len() <= MOST_BYTES => {
                self.bytes += name.len();
                self.kept.push(name);
            }
            _ => self.more = self.more.saturating_add(1),
        }
    }

    /// The names.
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// How many fields there were besides.
    pub fn more(&self) -> u32 {
        self.more
    }
}

/// The text, if it looks like a name; with U+FFFD for what cannot be seen or is no text.
fn name_of(bytes: &[u8]) -> Option<String> {
    if bytes.len() > 4 * LONGEST {
        return None;
    }
    let text = String::from_utf8_lossy(bytes).replace(is_unseen, "\u{fffd}");
    let is_name = (1..=LONGEST).contains(&text.chars().count())
        && !text.contains(['@', '{', '}', '"', '<', '>', '=', ',', ';', '\\'])
        && !text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|run| run.len() >= TOKEN);
    is_name.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(names: &[&str]) -> (Vec<String>, u32) {
        let mut all = FieldNames::default();
        for name in names {
            all.note(name.as_bytes());
        }
        (all.kept.clone(), all.more)
    }

    #[test]
    fn names_are_kept_as_they_came() {
        let names = [
            "email",
            "customer[email]",
            "form_fields[email]",
            "First Name",
            "E-Mail*",
            "Prénom (2)",
            "field_638a1b2c3d4e5f6071829304",
        ];
        let (kept, more) = noted(&[&names[..], &names[..]].concat());
        assert_eq!((kept, more), (names.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn what_is_more_likely_a_value_is_only_counted() {
        let key = "1".repeat(32);
        let long = "long name ".repeat(7);
        for value in [
            "",
            "ann@example.com",
            r#"{"email":"#,
            "<xml>",
            "a=b",
            "a, b",
            &key,
            &long,
            &format!("webhook/{key}"),
            "eyJlbWFpbCI6ImFubkBleGFtcGxlLmNvbSIsInBhc3N3b3JkIjoiZ2VoZWltIn0",
        ] {
            assert_eq!(noted(&[value]), (Vec::new(), 1), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        let (kept, _) = noted(&["\u{feff}email", "a\nb", "c\u{1b}[31md", "e\u{202e}f"]);
        assert_eq!(
            kept,
            [
                "\u{fffd}email",
                "a\u{fffd}b",
                "c\u{fffd}[31md",
                "e\u{fffd}f"
            ]
        );
        let mut latin = FieldNames::default();
        latin.note(b"Stra\xdfe");
        assert_eq!(latin.kept, ["Stra\u{fffd}e"]);
    }

    #[test]
    fn a_form_of_any_size_leaves_little() {
        let mut all = FieldNames::default();
        for n in 0..1000 {
            all.note(format!("{n:ü>60}").as_bytes());
        }
        assert!(all.bytes <= MOST_BYTES);
        assert_eq!(all.kept.len() + all.more as usize, 1000);
        let mut all = FieldNames::default();
        for n in 0..1000 {
            all.note(n.to_string().as_bytes());
        }
        assert_eq!((all.kept.len(), all.more), (MOST, 950));
    }
}
