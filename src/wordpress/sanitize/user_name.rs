//! Sanitises user names: `sanitize_user` (the body is the same in 5.9 – 7.1) with the lower-casing that networks add.

use super::{Rules, accents::remove_accents, name::collapse, strip_tags::strip_all_tags};
use crate::wordpress::php::loose::trim;

/// WordPress's `sanitize_user`. The strict form is what `wp_insert_user` stores and is pure ASCII; the non-strict form
/// is used for name look-ups. PHP handlers pass the slashed form value.
#[must_use]
pub fn sanitize_user(raw: &[u8], strict: bool, rules: &Rules<'_>) -> Vec<u8> {
    let name = remove_accents(&strip_all_tags(raw), rules);
    let mut name = remove_references(&remove_percent_codes(&name));
    if strict {
        name.retain(|&byte| byte.is_ascii_alphanumeric() || b" _.-@".contains(&byte));
    }
    let mut name = collapse(trim(&name), |byte| {
        byte.is_ascii_whitespace() || byte == b'\x0b'
    });
    if rules.multisite {
        name.make_ascii_lowercase();
    }
    name
}

/// Removes each `%` with two hexadecimal digits, in a single pass: codes that form when the rest closes up are kept.
fn remove_percent_codes(name: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match rest {
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            _ => {
                kept.push(byte);
                after
            }
        };
    }
    kept
}

/// Removes each `&…;` within a line with something in between.
fn remove_references(name: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(name.len());
    let mut at = 0;
    // The end of the range known to have no semicolon, so that many ampersands do not repeat the search.
    let mut searched = 0;
    while at < name.len() {
        // The byte right after the ampersand may be a semicolon, but not a line feed.
        if name[at] == b'&' && at + 2 > searched && name.get(at + 1) != Some(&b'\n') {
            let mut after = name.iter().enumerate().skip(at + 2);
            match after.find(|(_, byte)| matches!(byte, b';' | b'\n')) {
                Some((end, b';')) => {
                    at = end + 1;
                    continue;
                }
                end => searched = end.map_or(name.len(), |(end, _)| end),
            }
        }
        kept.push(name[at]);
        at += 1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wordpress::version::Version;

    fn sanitized(raw: &[u8], strict: bool) -> Vec<u8> {
        let rules = Rules {
            locale: "en_US",
            version: Version::NEWEST,
            multisite: false,
        };
        sanitize_user(raw, strict, &rules)
    }

    #[test]
    fn names_are_sanitised_as_wordpress_does_twice() {
        // Raw name, non-strict, strict, and the strict form of the non-strict one.
        for (raw, loose, strict, twice) in [
            ("John.Doe", "John.Doe", "John.Doe", "John.Doe"),
            ("JOHN Doe", "JOHN Doe", "JOHN Doe", "JOHN Doe"),
            ("  john   doe  ", "john doe", "john doe", "john doe"),
            (
                "john\tdoe\ndoe",
                "john doe doe",
                "johndoedoe",
                "john doe doe",
            ),
            ("j<b>oh</b>n", "john", "john", "john"),
            ("a<script>x</script>b", "ab", "ab", "ab"),
            ("a < b", "a < b", "a b", "a b"),
            ("a<b", "a", "a", "a"),
            ("joe<", "joe", "joe", "joe"),
            ("1 < 2 > 3", "1 < 2 > 3", "1 2 3", "1 2 3"),
            ("<3 joe", "", "", ""),
            ("<joe>", "", "", ""),
            ("jörg", "jorg", "jorg", "jorg"),
            ("straße", "strase", "strase", "strase"),
            ("ÆØÅ", "AEOA", "AEOA", "AEOA"),
            ("張三", "張三", "", ""),
            ("Иван", "Иван", "", ""),
            ("joe😀doe", "joe😀doe", "joedoe", "joedoe"),
            ("e\u{301}ric", "eric", "eric", "eric"),
            ("joe%41doe", "joedoe", "joedoe", "joedoe"),
            ("a%2541b", "a41b", "a41b", "a41b"),
            ("%4%411", "%41", "41", ""),
            ("a&amp;b", "ab", "ab", "ab"),
            ("a&b;c", "ac", "ac", "ac"),
            ("a & b; c", "a c", "a c", "a c"),
            ("a&b", "a&b", "ab", "ab"),
            (
                "joe@example.com",
                "joe@example.com",
                "joe@example.com",
                "joe@example.com",
            ),
            ("a_b.c-d@e", "a_b.c-d@e", "a_b.c-d@e", "a_b.c-d@e"),
            ("o\\'brien", "o\\'brien", "obrien", "obrien"),
            ("joe\u{a0}doe", "joe\u{a0}doe", "joedoe", "joedoe"),
            ("- joe -", "- joe -", "- joe -", "- joe -"),
            (".joe.", ".joe.", ".joe.", ".joe."),
            ("ﬁne", "ﬁne", "ne", "ne"),
            ("№ 5", "№ 5", "5", "5"),
            ("½ joe", "½ joe", "joe", "joe"),
            ("ẞ", "ẞ", "", ""),
        ] {
            let result = sanitized(raw.as_bytes(), false);
            assert_eq!(String::from_utf8_lossy(&result), loose, "{raw:?}");
            assert_eq!(
                sanitized(raw.as_bytes(), true),
                strict.as_bytes(),
                "{raw:?}"
            );
            assert_eq!(sanitized(&result, true), twice.as_bytes(), "{raw:?}");
        }
        assert_eq!(sanitized(b"caf\xE9", false), b"cafe");
    }

    #[test]
    fn references_end_within_their_line() {
        for (raw, result) in [
            ("&;b", "&;b"),
            ("&;b;c", "c"),
            ("&&&a;b", "b"),
            ("&a\n;b&c;d", "&a ;bd"),
            ("&\nx;&y;z", "& x;z"),
        ] {
            assert_eq!(
                sanitized(raw.as_bytes(), false),
                result.as_bytes(),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn networks_lower_case_user_names() {
        let rules = Rules {
            locale: "de_DE",
            version: Version::NEWEST,
            multisite: true,
        };
        assert_eq!(
            sanitize_user("Jörg Ä".as_bytes(), false, &rules),
            b"joerg ae"
        );
    }
}
