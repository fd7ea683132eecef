//! What a comparison found, in a form that may be stored: short, and without secrets and addresses.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::outcome::Verdict;

/// Differences that are kept of one call.
const MOST: usize = 30;
/// Characters of one value that are kept.
const LONGEST: usize = 300;
/// Shorter ones may occur anywhere.
const SHORTEST_SECRET: usize = 4;
/// What stands for a secret.
pub(super) const HIDDEN: &str = "********";

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Findings {
    /// Differences that are documented, by their lines in docs/differences.md.
    pub agreed: Vec<String>,
    /// What others left beside: meta keys, and columns that the sidecar does not write.
    pub beside: Vec<String>,
    /// Differences that nothing explains.
    pub unexplained: Vec<Difference>,
    /// How many more there are.
    pub more: usize,
    /// Whether calls for the same member, or for the same names, ran at the same time.
    pub overlapped: bool,
    /// Why the call was not compared.
    pub uncompared: Option<String>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// A column, a row, or a part of the answer.
    pub place: String,
    /// What the sidecar would have left there; `None` for nothing.
    pub sidecar: Option<String>,
    /// What PHP left there; `None` for nothing.
    pub php: Option<String>,
}

impl Findings {
    /// Of a call that was not compared.
    pub(super) fn none(why: impl Into<String>) -> Self {
        Self {
            uncompared: Some(why.into()),
            ..Self::default()
        }
    }

    pub(super) fn agree(&mut self, line: &str) {
        if self.agreed.iter().all(|one| one != line) {
            self.agreed.push(line.to_owned());
        }
    }

    pub(super) fn note_beside(&mut self, what: String) {
        if self.beside.len() < MOST && !self.beside.contains(&what) {
            self.beside.push(what);
        }
    }

    pub(super) fn differ(&mut self, difference: Difference) {
        if self.unexplained.len() < MOST {
            self.unexplained.push(difference);
        } else {
            self.more += 1;
        }
    }

    /// The word for all of it.
    pub fn verdict(&self) -> Verdict {
        if self.uncompared.is_some() {
            Verdict::Uncompared
        } else if !self.unexplained.is_empty() && self.overlapped {
            Verdict::Overlapped
        } else if !self.unexplained.is_empty() {
            Verdict::Unexplained
        } else if !self.agreed.is_empty() {
            Verdict::Agreed
        } else if !self.beside.is_empty() {
            Verdict::Beside
        } else {
            Verdict::Equal
        }
    }
}

/// Takes out of values what must not be stored.
pub(super) struct Mask(Vec<SecretString>);

impl Mask {
    pub(super) fn of(secrets: impl IntoIterator<Item = String>) -> Self {
        let long = |secret: &String| secret.len() >= SHORTEST_SECRET;
        let secrets = secrets.into_iter().filter(long);
        Self(secrets.map(SecretString::from).collect())
    }

    /// The text as it may be stored.
    pub(super) fn text(&self, text: &str) -> String {
        let secrets = self.0.iter().map(ExposeSecret::expose_secret);
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN));
        let text = without_addresses(&text);
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

/// The text with the first letter and the domain of each e-mail address in it.
fn without_addresses(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || "<>()[]{}:;,\"=|".contains(c);
    let hide = |part: &str| {
        let word = part.trim_end_matches(is_end);
        let end = &part[word.len()..];
        match word.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {
                let first: String = local.chars().take(1).collect();
                format!("{first}…@{domain}{end}")
            }
            _ => part.to_owned(),
        }
    };
    text.split_inclusive(is_end).map(hide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_addresses_are_not_kept_and_texts_are_short() {
        let mask = Mask::of(["geheim".to_owned(), "abc".to_owned()]);
        for (text, kept) in [
            ("jane.doe@example.com", "j…@example.com"),
            ("a:1:{s:4:\"ann@b.org\";}", "a:1:{s:4:\"a…@b.org\";}"),
            ("xgeheimx abc @home", "x********x abc @home"),
        ] {
            assert_eq!(mask.text(text), kept);
        }
        assert_eq!(mask.text(&"é".repeat(301)).chars().count(), 301);
        assert!(mask.text(&"é".repeat(301)).ends_with('…'));
    }

    #[test]
    fn the_worst_of_what_was_found_counts() {
        let mut findings = Findings::default();
        assert_eq!(findings.verdict(), Verdict::Equal);
        findings.note_beside("wp_usermeta: points".to_owned());
        assert_eq!(findings.verdict(), Verdict::Beside);
        findings.agree("a line");
        findings.agree("a line");
        assert_eq!(findings.agreed.len(), 1);
        assert_eq!(findings.verdict(), Verdict::Agreed);
        for _ in 0..MOST + 2 {
            findings.differ(Difference {
                place: "answer.status".to_owned(),
                sidecar: None,
                php: None,
            });
        }
        assert_eq!((findings.unexplained.len(), findings.more), (MOST, 2));
        assert_eq!(findings.verdict(), Verdict::Unexplained);
        findings.overlapped = true;
        assert_eq!(findings.verdict(), Verdict::Overlapped);
        assert_eq!(Findings::none("away").verdict(), Verdict::Uncompared);
    }
}
