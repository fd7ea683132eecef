//! Creates nicenames, the form of a user name used in URLs: `sanitize_title` as far as strict logins need it, and the
//! numbering of `wp_insert_user` (5.9 – 7.1).

use super::Rules;
use super::user_name::sanitize_user;

/// Length of the column `user_nicename` in characters.
const LENGTH: usize = 50;

/// The nicename of a login in the strict form that [`sanitize_user`] returns. It can be empty.
#[must_use]
pub fn from_login(strict_login: &str) -> String {
    let start: String = strict_login.chars().take(LENGTH).collect();
    let mut slug = String::with_capacity(LENGTH);
    for char in restore_percent_codes(&start).chars() {
        match char.to_ascii_lowercase() {
            '.' | '/' | ' ' | '-' if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            kept @ ('a'..='z' | '0'..='9' | '_' | '%') => slug.push(kept),
            _ => {}
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// Replaces `---41---` with `%41`. `sanitize_title` uses this form to protect percent codes from itself; a login that
/// already contains it is treated the same way.
fn restore_percent_codes(login: &str) -> String {
    let mut restored = String::with_capacity(login.len());
    let mut rest = login;
    while let Some(at) = rest.find("---") {
        let code = rest
            .get(at + 3..at + 5)
            .filter(|_| rest[at + 5..].starts_with("---"));
        if let Some(code) = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            restored.extend([&rest[..at], "%", code]);
            rest = &rest[at + 8..];
        } else {
            restored.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    restored + rest
}

/// The nicename after WordPress writes the user back: `a--2`, a number after a hyphen at which the base was truncated,
/// becomes `a-2`.
#[must_use]
pub fn filtered_again(nicename: &str, rules: &Rules<'_>) -> String {
    let strict = sanitize_user(nicename.as_bytes(), true, rules);
    from_login(&String::from_utf8_lossy(&strict))
}

/// The nicename to try if the base is taken: the base, truncated to leave room, and `-n`. WordPress starts with 2.
#[must_use]
pub fn numbered(base: &str, n: u32) -> String {
    let suffix = format!("-{n}");
    let kept = base.chars().take(LENGTH - suffix.len());
    kept.chain(suffix.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_become_slugs() {
        for (login, nicename) in [
            ("joe@example.com", "joeexample-com"),
            ("a_b.c-d@e", "a_b-c-de"),
            ("- joe -", "joe"),
            ("...", ""),
            ("foo bar", "foo-bar"),
            ("foo--bar", "foo-bar"),
            ("foo.-@ bar", "foo-bar"),
            ("obrien x", "obrien-x"),
            ("0.", "0"),
            ("JOHN Doe", "john-doe"),
            ("----90---", "%90"),
            ("x----4A---y", "x-%4ay"),
            ("---4a--- ---x", "%4a-x"),
        ] {
            assert_eq!(from_login(login), nicename, "{login}");
        }
        assert_eq!(from_login(&"x".repeat(60)), "x".repeat(50));
        assert_eq!(from_login(&format!("{}.y", "x".repeat(49))), "x".repeat(49));
    }

    #[test]
    fn a_nicename_that_is_filtered_again_may_become_shorter() {
        let rules = Rules {
            locale: "en_US",
            version: crate::wordpress::version::Version::NEWEST,
            multisite: false,
        };
        for (nicename, again) in [
            ("ann-lee", "ann-lee"),
            ("ann-2", "ann-2"),
            ("ann--2", "ann-2"),
            ("-2", "2"),
            ("x-%4ay", "x-y"),
            ("", ""),
        ] {
            assert_eq!(filtered_again(nicename, &rules), again);
        }
    }

    #[test]
    fn numbers_never_make_a_nicename_longer_than_its_column() {
        assert_eq!(numbered("foo-bar", 2), "foo-bar-2");
        assert_eq!(numbered("", 2), "-2");
        let base = "x".repeat(50);
        assert_eq!(numbered(&base, 3), format!("{}-3", "x".repeat(48)));
        assert_eq!(numbered(&base, 10), format!("{}-10", "x".repeat(47)));
    }
}
