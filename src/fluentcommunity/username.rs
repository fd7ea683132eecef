//! Derives user names for logins and profiles as FluentCommunity does. Mirrors `CustomSanitizer::sanitizeUserName`,
//! `ProfileHelper::isUsernameAvailable` and `ProfileHelper::createUserNameFromStrings`, 1.2.10 to 2.8.1.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::wordpress::sanitize::Rules;
use crate::wordpress::sanitize::user_name::sanitize_user;

/// Names that no member may have, in lower case.
static RESERVED: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("reserved_usernames.txt")
        .lines()
        .map(str::trim)
        .collect()
});

/// Shortest user name, in bytes.
const SHORTEST: usize = 3;
/// Longest user name of a profile, in characters (the column's length).
const LONGEST: usize = 100;

/// Whether the name itself is allowed. Only the database can tell whether it is already taken.
pub fn is_admissible(name: &str) -> bool {
    name.len() >= SHORTEST && !RESERVED.contains(name.to_ascii_lowercase().as_str())
}

/// The name as its column stores it. PHP leaves truncation to the database, whose session is not strict.
pub fn as_stored(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

/// The names to try for `text` (a login or an e-mail address), in order: the sanitised local part (up to the first
/// `@`); each fallback, sanitised; then the *unsanitised* local part, alone and with 2, 3, … appended.
///
/// At every 100th number, the user's id and a hyphen are added to the base. `user_id` is `None` while the user is being
/// created: PHP then adds only the hyphen.
pub fn candidates<'a>(
    text: &'a str,
    fallbacks: &'a [&'a str],
    user_id: Option<u64>,
    rules: Rules<'a>,
) -> impl Iterator<Item = String> + 'a {
    let local = text.split('@').next().unwrap_or_default();
    let sanitised = std::iter::once_with(move || sanitise(local, rules));
    let fallbacks = fallbacks
        .iter()
        .filter(|text| !text.is_empty())
        .map(move |text| {
            let kept: String = text
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                .collect();
            sanitise(&kept, rules)
        });
    sanitised
        .chain(fallbacks)
        .chain(numbered(local.to_ascii_lowercase(), user_id))
}

/// `base`, `base2`, `base3`, … with PHP's change of base at every hundred.
fn numbered(mut base: String, user_id: Option<u64>) -> impl Iterator<Item = String> {
    let id = user_id.map(|id| id.to_string()).unwrap_or_default();
    let first = base.clone();
    std::iter::once(first).chain((2_u32..).map(move |counter| {
        let name = format!("{base}{counter}");
        if (counter + 1).is_multiple_of(100) {
            base = format!("{base}{id}-");
        }
        name
    }))
}

/// Converts to lower case (ASCII only, and before accents are removed: `ÉRIC` becomes `Eric`), cuts at the first `@`,
/// applies `sanitize_user`, and keeps only letters, digits and underscores.
fn sanitise(text: &str, rules: Rules<'_>) -> String {
    let lower = text.to_ascii_lowercase();
    let local = lower.split('@').next().unwrap_or_default();
    sanitize_user(local.as_bytes(), false, &rules)
        .into_iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wordpress::version::Version;

    fn rules() -> Rules<'static> {
        Rules {
            locale: "en_US",
            version: Version::new(7, 1, 0),
            multisite: false,
        }
    }

    fn first_available(
        text: &str,
        fallbacks: &[&str],
        taken: &[&str],
        user_id: Option<u64>,
    ) -> String {
        candidates(text, fallbacks, user_id, rules())
            .find(|name| is_admissible(name) && !taken.contains(&name.as_str()))
            .unwrap()
    }

    #[test]
    fn names_are_derived_as_php_derives_them() {
        for (text, fallbacks, taken, expected) in [
            ("a@x", &[][..], &[][..], "a10"),
            ("ab@x", &[], &[], "ab2"),
            ("_@x", &[], &[], "_10"),
            ("a@x", &["Jane"], &[], "jane"),
            ("Admin@x", &[], &[], "admin2"),
            ("support@x", &[], &[], "support2"),
            ("john.doe+x@x", &[], &[], "johndoex"),
            ("++@x", &[], &[], "++2"),
            ("+++@x", &[], &[], "+++"),
            ("...@x", &[], &[], "..."),
            ("john.doe@x", &[], &["johndoe"], "john.doe"),
            ("john.doe@x", &["John", "Doe"], &["johndoe"], "john"),
            (
                "john.doe@x",
                &["John", "Doe"],
                &["johndoe", "john", "doe", "john.doe"],
                "john.doe2",
            ),
            ("John.Q-Doe_5", &[], &[], "johnqdoe_5"),
            ("x..y", &[], &[], "x..y"),
            (
                "support",
                &["support", "Jane5", "Doe", "Jane5 Doe"],
                &[],
                "jane5",
            ),
        ] {
            assert_eq!(
                first_available(text, fallbacks, taken, Some(1)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn every_hundred_the_base_grows() {
        let mut names = numbered("ctr".into(), Some(77));
        assert_eq!(names.next().unwrap(), "ctr");
        assert_eq!(names.nth(97).unwrap(), "ctr99");
        assert_eq!(names.next().unwrap(), "ctr77-100");
        let mut names = numbered("ctr".into(), None);
        assert_eq!(names.nth(99).unwrap(), "ctr-100");
        assert_eq!(names.nth(99).unwrap(), "ctr--200");
    }
}
