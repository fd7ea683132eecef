//! Resolves the escapes of PHP's quoted texts.

/// The value of a text in single quotes, given with them.
pub(super) fn single_quoted(source: &[u8]) -> Vec<u8> {
    let inner = source.strip_prefix(b"b").or(source.strip_prefix(b"B"));
    let inner = inner.unwrap_or(source);
    let inner = inner.strip_prefix(b"'").unwrap_or(inner);
    let mut rest = inner.strip_suffix(b"'").unwrap_or(inner);
    let mut text = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        let (used, byte) = match (first, after) {
            (b'\\', [byte @ (b'\\' | b'\''), ..]) => (2, *byte),
            _ => (1, *first),
        };
        text.push(byte);
        rest = &rest[used..];
    }
    text
}

/// The value of a part of a text in double quotes; what is no escape to PHP stays as written, backslash included.
pub(super) fn double_quoted(mut rest: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        if *first == b'\\' {
            let used = escape(after, &mut text);
            rest = &after[used..];
        } else {
            text.push(*first);
            rest = after;
        }
    }
    text
}

/// Appends what an escape stands for, and returns how many bytes follow the backslash.
fn escape(rest: &[u8], text: &mut Vec<u8>) -> usize {
    let (used, byte) = match rest {
        [b'n', ..] => (1, b'\n'),
        [b't', ..] => (1, b'\t'),
        [b'r', ..] => (1, b'\r'),
        [b'v', ..] => (1, 0x0B),
        [b'f', ..] => (1, 0x0C),
        [b'e', ..] => (1, 0x1B),
        [byte @ (b'\\' | b'$' | b'"'), ..] => (1, *byte),
        [b'0'..=b'7', ..] => {
            let (used, value) = digits(rest, 8, 3);
            // PHP drops what does not fit: "\400" is a NUL byte.
            (used, (value & 0xFF) as u8)
        }
        [b'x', hex @ ..] if hex.first().is_some_and(u8::is_ascii_hexdigit) => {
            let (used, value) = digits(hex, 16, 2);
            (1 + used, (value & 0xFF) as u8)
        }
        [b'u', b'{', hex @ ..] => {
            let (used, value) = digits(hex, 16, 6);
            if let (Some(b'}'), Some(letter)) = (hex.get(used), char::from_u32(value)) {
                text.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                return 2 + used + 1;
            }
            (0, b'\\')
        }
        _ => (0, b'\\'),
    };
    text.push(byte);
    used
}

/// The number that up to `most` leading digits make, and how many there are.
fn digits(bytes: &[u8], radix: u32, most: usize) -> (usize, u32) {
    bytes
        .iter()
        .take(most)
        .map_while(|byte| char::from(*byte).to_digit(radix))
        .fold((0, 0), |(used, value), digit| {
            (used + 1, value * radix + digit)
        })
}

/// An integer in any of PHP's notations; `None` if it does not fit, which makes it a fraction.
pub(super) fn integer(source: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(source).to_ascii_lowercase();
    let text = text.replace('_', "");
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'b', ..] => (&text[2..], 2),
        [b'0', b'o', ..] => (&text[2..], 8),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (&text[..], 10),
    };
    i64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_as_php_reads_them() {
        for (source, value) in [
            (
                &br#"a\tb\x41\u{e9}\101\$x\q\{\"\e"#[..],
                &b"a\tbA\xC3\xA9A$x\\q\\{\"\x1B"[..],
            ),
            (br"a{b}$ 5 \\$", br"a{b}$ 5 \$"),
            (br"\400\x4g\u{1F600}", b"\0\x04g\xF0\x9F\x98\x80"),
            (br"\u{x}\'\", br"\u{x}\'\"),
        ] {
            assert_eq!(double_quoted(source), value, "{}", source.escape_ascii());
        }
        for (source, value) in [
            (&br"'it\'s \\ \n'"[..], &br"it's \ \n"[..]),
            (br#"'$a {$b} "'"#, br#"$a {$b} ""#),
            (b"b''", b""),
        ] {
            assert_eq!(single_quoted(source), value, "{}", source.escape_ascii());
        }
    }

    #[test]
    fn integers_have_all_of_phps_notations() {
        for (source, value) in [
            ("0x1F", Some(31)),
            ("1_000", Some(1000)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0b11", Some(3)),
            ("0", Some(0)),
            ("99999999999999999999", None),
        ] {
            assert_eq!(integer(source.as_bytes()), value, "{source}");
        }
    }
}
