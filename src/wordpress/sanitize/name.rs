//! Filters `first_name`, `last_name`, `nickname` and `display_name` as `wp_insert_user` does: `sanitize_text_field`,
//! `wp_filter_kses` and `_wp_specialchars`, in this order (5.9 – 7.1).

use super::{
    entities::{self, Quotes},
    kses,
    strip_tags::strip_all_tags,
};
use crate::wordpress::{
    catalogue::Catalogue,
    php::loose::{addslashes, is_empty, stripslashes, trim},
    version::Version,
};

/// Length of the column `display_name` in characters. A longer name makes the whole insert fail in PHP; here it is
/// truncated.
pub const DISPLAY_NAME_LENGTH: usize = 250;

/// Filters a slashed name, as found in PHP's `$_POST`, and returns it as stored, without slashes.
///
/// PHP treats the name `0` as empty, so it becomes empty.
#[must_use]
pub fn filter(slashed: &[u8], version: Version) -> String {
    if is_empty(slashed) || std::str::from_utf8(slashed).is_err() {
        return String::new();
    }
    let plain = stripslashes(&sanitize_text_field(slashed, version));
    // PHP slashes the text again before the last filter, which does not affect that filter.
    let filtered = entities::escape(&kses::filter(&plain, version), Quotes::Keep, version);
    // All removed and inserted characters are ASCII, so the result is valid UTF-8.
    String::from_utf8(filtered).unwrap_or_default()
}

/// The text and context that WordPress translates to get the order of first and last name.
const FULL_NAME: (&str, &str) = (
    "%1$s %2$s",
    "Display name based on first name and last name",
);

/// Both names in the order of the site's language (in Japanese without a space, the last name first), one of them, or
/// an empty text if both are empty (or `0`). Expects the names as [`filter`] returns them.
#[must_use]
pub fn full_name(first: &str, last: &str, language: &Catalogue) -> String {
    let given = |name: &str| !is_empty(name.as_bytes());
    match (given(first), given(last)) {
        (true, true) => {
            let (text, context) = FULL_NAME;
            let format = language.translate_in(context, text);
            filled(format, [first, last]).unwrap_or_else(|| format!("{first} {last}"))
        }
        (true, false) => first.to_owned(),
        (false, true) => last.to_owned(),
        (false, false) => String::new(),
    }
}

/// PHP's `sprintf`, limited to what can occur between two names; `None` for anything else.
fn filled(format: &str, names: [&str; 2]) -> Option<String> {
    let mut parts = format.split('%');
    let mut text = parts.next()?.to_owned();
    let mut following = names.into_iter();
    while let Some(part) = parts.next() {
        let (name, rest) = match part.split_once('s') {
            _ if part.is_empty() => ("%", parts.next()?),
            Some(("", rest)) => (following.next()?, rest),
            Some(("1$", rest)) => (names[0], rest),
            Some(("2$", rest)) => (names[1], rest),
            _ => return None,
        };
        text.extend([name, rest]);
    }
    Some(text)
}

/// The display name: the full name, or the login if there is none. The result is filtered once more, in slashed form,
/// as in PHP, so `1  3` becomes `1 3`.
#[must_use]
pub fn display_name(full_name: &str, login: &str, version: Version) -> String {
    let name = if full_name.is_empty() {
        login
    } else {
        full_name
    };
    let name = filter(&addslashes(name.as_bytes()), version);
    match name.char_indices().nth(DISPLAY_NAME_LENGTH) {
        Some((end, _)) => name[..end].to_owned(),
        None => name,
    }
}

/// WordPress's `sanitize_text_field`, for valid UTF-8.
pub fn sanitize_text_field(text: &[u8], version: Version) -> Vec<u8> {
    let text = if text.contains(&b'<') {
        escape_line_ends(&strip_all_tags(&escape_unclosed(text, version)))
    } else {
        text.to_vec()
    };
    let text = collapse(&text, |byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '));
    let text = trim(&text);
    let decoded = remove_percent_codes(text);
    if decoded.len() == text.len() {
        return decoded;
    }
    trim(&collapse(&decoded, |byte| byte == b' ')).to_vec()
}

/// WordPress's `wp_pre_kses_less_than`: a `<` that is followed by another `<` or the end of the text before a `>` does
/// not start a tag, and the text up to there is escaped.
fn escape_unclosed(text: &[u8], version: Version) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'<') {
        escaped.extend_from_slice(&rest[..at]);
        let inside = &rest[at + 1..];
        let end = inside.iter().position(|byte| matches!(byte, b'<' | b'>'));
        let end = at + 1 + end.unwrap_or(inside.len());
        if rest.get(end) == Some(&b'>') {
            escaped.extend_from_slice(&rest[at..end]);
        } else {
            escaped.extend(entities::escape(&rest[at..end], Quotes::Escape, version));
        }
        rest = &rest[end..];
    }
    escaped.extend_from_slice(rest);
    escaped
}

fn escape_line_ends(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for (at, &byte) in text.iter().enumerate() {
        if byte == b'<' && text.get(at + 1) == Some(&b'\n') {
            escaped.extend(b"&lt;");
        } else {
            escaped.push(byte);
        }
    }
    escaped
}

/// Replaces each run of such bytes with one space.
pub(super) fn collapse(text: &[u8], is_space: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut collapsed = Vec::with_capacity(text.len());
    let mut in_run = false;
    for &byte in text {
        let space = is_space(byte);
        if !space {
            collapsed.push(byte);
        } else if !in_run {
            collapsed.push(b' ');
        }
        in_run = space;
    }
    collapsed
}

/// Removes `%` with two hexadecimal digits until none is left. PHP repeats the removal; as two codes never overlap,
/// removing each as soon as it is complete gives the same result.
fn remove_percent_codes(text: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(text.len());
    for &byte in text {
        kept.push(byte);
        if let [.., b'%', high, low] = kept[..]
            && high.is_ascii_hexdigit()
            && low.is_ascii_hexdigit()
        {
            kept.truncate(kept.len() - 3);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(typed: &str) -> String {
        filter(&addslashes(typed.as_bytes()), Version::NEWEST)
    }

    #[test]
    fn names_are_stored_as_wordpress_stores_them() {
        for (typed, expected) in [
            ("O'Brien", "O'Brien"),
            ("Anna \"Nan\" Lee", "Anna \"Nan\" Lee"),
            ("back\\slash", "back\\slash"),
            ("it's \\ x", "it's \\ x"),
            ("Jörg", "Jörg"),
            ("張三", "張三"),
            ("😀 Joe", "😀 Joe"),
            ("Tom & Jerry", "Tom &amp; Jerry"),
            ("Tom &amp; Jerry", "Tom &amp; Jerry"),
            ("x &copy; y", "x &copy; y"),
            ("Tom &foo; J", "Tom &amp;foo; J"),
            ("&apos;", "&amp;apos;"),
            ("&AMP;", "&amp;AMP;"),
            ("x &#39; y", "x &#039; y"),
            ("  pad  ded ", "pad ded"),
            ("<b>Bob</b>", "Bob"),
            ("Bob<script>alert(1)</script>", "Bob"),
            ("Tom <tom@example.com>", "Tom"),
            ("a < b", "a &lt; b"),
            ("a<b", "a&lt;b"),
            (
                "I <3 \"you\" & 'me'",
                "I &lt;3 &quot;you&quot; &amp; &#039;me&#039;",
            ),
            ("a > b", "a &gt; b"),
            ("a < b > c", "a &lt;b&gt; c"),
            ("1 < 2 > 3", "1  3"),
            ("50%25 off", "50 off"),
            ("100%", "100%"),
            ("%41", ""),
            ("%%4141", ""),
            ("0", ""),
            ("Conan \"O\\'", "Conan \"O\\'"),
        ] {
            assert_eq!(stored(typed), expected, "{typed}");
        }
        assert_eq!(filter(b"J\xF6rg", Version::NEWEST), "");
    }

    #[test]
    fn the_null_reference_is_escaped_since_7_0() {
        assert_eq!(filter(b"a&#0;b", Version::new(7, 0, 0)), "a&amp;#0;b");
        assert_eq!(filter(b"a&#0;b", Version::new(6, 9, 0)), "ab");
    }

    #[test]
    fn the_display_name_joins_the_names_that_are_not_empty() {
        for (first, last, expected) in [
            ("Conan \"O\\'", "O'Brien", "Conan \"O\\' O'Brien"),
            ("1  3", "", "1 3"),
            ("", "Lee", "Lee"),
            ("Anna", "0", "Anna"),
            ("0", "", "the login"),
            ("Tom &amp;", "J&lt;", "Tom &amp; J&lt;"),
        ] {
            let full = full_name(first, last, &Catalogue::default());
            let name = display_name(&full, "the login", Version::NEWEST);
            assert_eq!(name, expected);
        }
    }

    #[test]
    fn each_language_puts_names_together_in_its_own_way() {
        for (format, expected) in [
            ("%1$s %2$s", Some("Ann Lee")),
            ("%2$s%1$s", Some("LeeAnn")),
            ("%2$s, %1$s ", Some("Lee, Ann ")),
            ("%s %s", Some("Ann Lee")),
            ("%%%2$s%% %1$s", Some("%Lee% Ann")),
            ("%s %s %s", None),
            ("%3$s", None),
            ("%d", None),
            ("100 %", None),
        ] {
            assert_eq!(filled(format, ["Ann", "Lee"]).as_deref(), expected);
        }
        assert_eq!(filled("%1$s", ["%s", "x"]).as_deref(), Some("%s"));
    }

    #[test]
    fn a_display_name_too_long_for_its_column_is_cut_between_characters() {
        let full = format!("{} {}", "é".repeat(200), "ü".repeat(200));
        let name = display_name(&full, "login", Version::NEWEST);
        assert_eq!(name.chars().count(), 250);
        assert!(name.ends_with('ü'));
    }
}
