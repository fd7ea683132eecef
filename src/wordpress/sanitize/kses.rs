//! Implements the HTML filter `wp_kses` with its default elements, as far as it matters after `strip_tags`.
//!
//! The only tags that get this far have whitespace after their `<`, and all of them are escaped afterwards. So
//! attributes of the few elements that may have some (`title`, `href`, `cite`, `datetime`) are dropped, not filtered.

use super::entities;
use crate::wordpress::version::Version;

const ELEMENTS: [&str; 14] = [
    "a",
    "abbr",
    "acronym",
    "b",
    "blockquote",
    "cite",
    "code",
    "del",
    "em",
    "i",
    "q",
    "s",
    "strike",
    "strong",
];

/// Drops control bytes, normalises character references, escapes every lone `>` and removes tags of unknown elements.
pub(super) fn filter(text: &[u8], version: Version) -> Vec<u8> {
    let is_control = |byte: u8| matches!(byte, 0x00..=0x08 | 0x0B | 0x0C | 0x0E..=0x1F);
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|&byte| !is_control(byte))
        .collect();
    filter_tags(&entities::normalize(&text, version))
}

fn filter_tags(text: &[u8]) -> Vec<u8> {
    let mut filtered = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'<' | b'>')) {
        filtered.extend_from_slice(&rest[..at]);
        if rest[at] == b'>' {
            filtered.extend(b"&gt;");
            rest = &rest[at + 1..];
            continue;
        }
        let inside = &rest[at + 1..];
        let end = inside.iter().position(|&byte| byte == b'>');
        filtered.extend(allowed_tag(&inside[..end.unwrap_or(inside.len())]));
        rest = end.map_or(&[], |end| &inside[end + 1..]);
    }
    filtered.extend_from_slice(rest);
    filtered
}

/// The content between `<` and `>`, written as a tag without attributes; empty for an unknown element.
fn allowed_tag(inside: &[u8]) -> Vec<u8> {
    let inside = inside.trim_ascii();
    let closing = inside.strip_prefix(b"/").map(<[u8]>::trim_ascii_start);
    let named = closing.unwrap_or(inside);
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
    let (name, attributes) = named.split_at(named.iter().take_while(is_name).count());
    let mut elements = ELEMENTS.iter().map(|element| element.as_bytes());
    if !elements.any(|element| element.eq_ignore_ascii_case(name)) {
        return Vec::new();
    }
    let end: &[u8] = match closing {
        None if attributes.ends_with(b"/") => b" />",
        _ => b">",
    };
    let start: &[u8] = if closing.is_some() { b"</" } else { b"<" };
    [start, name, end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_elements_are_written_plainly_and_others_go() {
        for (text, filtered) in [
            ("a < b > c", "a <b> c"),
            ("a < / Strong >c< em/ >", "a </Strong>c<em />"),
            ("1 < 2 > 3", "1  3"),
            ("< bold x='y'>z", "z"),
            ("a > b\x01", "a &gt; b"),
            ("a < b", "a <b>"),
        ] {
            let result = filter(text.as_bytes(), Version::NEWEST);
            assert_eq!(String::from_utf8_lossy(&result), filtered, "{text}");
        }
    }
}
