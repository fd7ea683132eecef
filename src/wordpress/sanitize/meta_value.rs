//! Protects metadata that looks like PHP's serialised data: `maybe_serialize` and `is_serialized` for strings (5.9 –
//! 7.1).

use std::borrow::Cow;

use crate::wordpress::{php::loose::trim, version::Version};

/// The text to write into a `meta_value` column so that WordPress reads back the original.
///
/// WordPress unserialises anything that looks serialised. A first name of `O:8:"stdClass":0:{}` would become an object
/// on the next page view; serialised once more, it stays a string.
#[must_use]
pub fn guard(value: &str, version: Version) -> Cow<'_, str> {
    if looks_serialized(value.as_bytes(), version) {
        format!("s:{}:\"{value}\";", value.len()).into()
    } else {
        value.into()
    }
}

/// WordPress's `is_serialized` in its lenient form, which does not check the end of the text.
#[must_use]
pub fn looks_serialized(value: &[u8], version: Version) -> bool {
    let value = trim(value);
    if value == b"N;" {
        return true;
    }
    let [kind, b':', rest @ ..] = value else {
        return false;
    };
    let semicolon = value.iter().position(|&byte| byte == b';');
    let brace = value.iter().position(|&byte| byte == b'}');
    if value.len() < 4
        || (semicolon.is_none() && brace.is_none())
        || semicolon.is_some_and(|at| at < 3)
        || brace.is_some_and(|at| at < 4)
    {
        return false;
    }
    match kind {
        b's' => value.contains(&b'"') && opens_with(rest, |byte| byte.is_ascii_digit(), b':'),
        b'E' if !version.serialised_enums() => false,
        b'a' | b'O' | b'E' => opens_with(rest, |byte| byte.is_ascii_digit(), b':'),
        b'b' | b'i' | b'd' => opens_with(
            rest,
            |byte| byte.is_ascii_digit() || b".E+-".contains(&byte),
            b';',
        ),
        _ => false,
    }
}

/// Whether the text starts with one or more such bytes, followed by the given one.
fn opens_with(text: &[u8], allowed: impl Fn(u8) -> bool, end: u8) -> bool {
    let length = text.iter().take_while(|&&byte| allowed(byte)).count();
    length > 0 && text.get(length) == Some(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_serialised_is_serialised_once_more() {
        for (value, stored) in [
            ("b:1;", r#"s:4:"b:1;";"#),
            ("N;", r#"s:2:"N;";"#),
            (" N; ", r#"s:4:" N; ";"#),
            ("i:5;zz", r#"s:6:"i:5;zz";"#),
            (r#"O:8:"stdClass":0:{}"#, r#"s:19:"O:8:"stdClass":0:{}";"#),
            (r#"s:2:"é";"#, r#"s:9:"s:2:"é";";"#),
        ] {
            assert_eq!(guard(value, Version::NEWEST), stored, "{value}");
        }
        for value in [
            "",
            "Joe",
            r#"s:1:"x""#,
            "a:1",
            "b:1",
            "C:1:{}",
            r#"O:+8:"stdClass":0:{}"#,
            "i:;1",
            "s:1:x;",
        ] {
            assert_eq!(guard(value, Version::NEWEST), value);
        }
    }

    #[test]
    fn enum_cases_look_serialised_since_6_1() {
        let case = r#"E:11:"Suit:Hearts";"#;
        assert_eq!(guard(case, Version::new(6, 0, 0)), case);
        assert_ne!(guard(case, Version::new(6, 1, 0)), case);
    }
}
