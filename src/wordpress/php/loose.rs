//! PHP's conversions between types and its byte-wise string functions (PHP 8.2): `is_numeric`, the `(int)` and `(bool)`
//! casts, `empty`, `trim`, `addslashes` and `stripslashes`.

use super::Value;

/// The value of a numeric string.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

/// A number at the start of a text: how many bytes it takes, and what it is.
pub(super) struct Scanned {
    pub(super) length: usize,
    pub(super) number: Number,
}

/// The value of a string for which PHP's `is_numeric` holds: whitespace is allowed on both sides, hexadecimal is not.
/// Integers beyond 64 bits become floats, as in PHP.
#[must_use]
pub fn numeric_value(text: &[u8]) -> Option<Number> {
    let text = trim_whitespace_start(text);
    let scanned = scan_number(text)?;
    let rest = trim_whitespace_start(&text[scanned.length..]);
    rest.is_empty().then_some(scanned.number)
}

/// PHP's `(int)` cast. Strings count up to where they stop being a number, arrays and objects as 1 unless empty.
#[must_use]
pub fn to_int(value: &Value) -> i64 {
    match value {
        Value::Null => 0,
        Value::Bool(bool) => i64::from(*bool),
        Value::Int(int) => *int,
        Value::Float(float) => wrap(float.to_f64()),
        Value::String(bytes) => bytes_to_int(bytes),
        Value::Array(array) => i64::from(!array.is_empty()),
        Value::Object(_) | Value::Enum(_) => 1,
    }
}

/// PHP's `(int)` cast of a string: `"12abc"` is 12, `"1e3"` is 1000, `"abc"` is 0.
#[must_use]
pub fn bytes_to_int(text: &[u8]) -> i64 {
    match scan_number(trim_whitespace_start(text)).map(|scanned| scanned.number) {
        None => 0,
        Some(Number::Int(int)) => int,
        Some(Number::Float(float)) => saturate(float),
    }
}

/// PHP's `(bool)` cast, the opposite of `empty`.
#[must_use]
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bool) => *bool,
        Value::Int(int) => *int != 0,
        Value::Float(float) => float.to_f64() != 0.0,
        Value::String(bytes) => !is_empty(bytes),
        Value::Array(array) => !array.is_empty(),
        Value::Object(_) | Value::Enum(_) => true,
    }
}

/// PHP's `empty` for a string: `"0"` counts as empty.
#[must_use]
pub fn is_empty(text: &[u8]) -> bool {
    matches!(text, b"" | b"0")
}

/// Whether PHP's `trim` removes the byte by default: not form feed, not the no-break space.
#[must_use]
pub fn is_trimmed(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\0' | b'\x0b')
}

/// PHP's `trim` with its default set of bytes.
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    trim_where(text, is_trimmed)
}

/// PHP's `trim` with another set of bytes.
pub(in crate::wordpress) fn trim_where(text: &[u8], trimmed: impl Fn(u8) -> bool) -> &[u8] {
    let kept = |&byte: &u8| !trimmed(byte);
    let start = text.iter().position(kept).unwrap_or(text.len());
    let end = text.iter().rposition(kept).map_or(start, |last| last + 1);
    &text[start..end]
}

/// PHP's `addslashes`: a backslash before each quote, double quote and backslash; NUL becomes `\0`.
#[must_use]
pub fn addslashes(text: &[u8]) -> Vec<u8> {
    let mut slashed = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'\'' | b'"' | b'\\' => slashed.extend([b'\\', byte]),
            b'\0' => slashed.extend(b"\\0"),
            _ => slashed.push(byte),
        }
    }
    slashed
}

/// PHP's `stripslashes`: drops each backslash and keeps the byte after it; `\0` becomes NUL.
#[must_use]
pub fn stripslashes(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
        } else if let Some(escaped) = bytes.next() {
            plain.push(if escaped == b'0' { b'\0' } else { escaped });
        }
    }
    plain
}

/// Finds `[+-] digits [. digits] [e [+-] digits]` at the start of a text, with digits on at least one side of the dot.
pub(super) fn scan_number(text: &[u8]) -> Option<Scanned> {
    let digits_at = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits_at(sign);
    let mut length = sign + whole;
    if text.get(length) == Some(&b'.') && whole + digits_at(length + 1) > 0 {
        length += 1 + digits_at(length + 1);
    }
    if length == sign {
        return None;
    }
    if matches!(text.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(length + 1), Some(b'+' | b'-')));
        match digits_at(length + 1 + sign) {
            0 => {}
            digits => length += 1 + sign + digits,
        }
    }
    let text = std::str::from_utf8(&text[..length]).ok()?;
    let number = match text.parse() {
        Ok(int) => Number::Int(int),
        Err(_) => Number::Float(text.parse().ok()?),
    };
    Some(Scanned { length, number })
}

fn trim_whitespace_start(text: &[u8]) -> &[u8] {
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c');
    let white = text.iter().take_while(|byte| is_white(byte)).count();
    &text[white..]
}

/// Float to integer as PHP does for strings: out of range becomes the nearest integer, infinity 0.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the saturating cast is PHP's rule"
)]
fn saturate(float: f64) -> i64 {
    if float.is_finite() { float as i64 } else { 0 }
}

/// Float to integer as PHP does for floats: modulo 2^64, and 0 for infinities and NaN.
#[expect(
    clippy::cast_possible_truncation,
    reason = "dropping the fraction and wrapping are PHP's rule"
)]
fn wrap(float: f64) -> i64 {
    const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
    (float % TWO_POW_64) as i128 as i64
}

#[cfg(test)]
mod tests {
    use super::super::{Array, Float};
    use super::*;

    #[test]
    fn numeric_strings_are_those_of_php_8() {
        for text in [
            "4",
            "4.0",
            " 4",
            "4 ",
            "1e0",
            "-1",
            "+1",
            ".5",
            "1.",
            "1E-3",
            "\t\n\r\x0b\x0c1 \n",
        ] {
            assert!(numeric_value(text.as_bytes()).is_some(), "{text:?}");
        }
        for text in [
            "", " ", ".", "4abc", "0x1A", "1e", "1e+", "--1", "1 2", "\u{a0}1", "1\0", "INF",
        ] {
            assert!(numeric_value(text.as_bytes()).is_none(), "{text:?}");
        }
        assert_eq!(numeric_value(b" 12 "), Some(Number::Int(12)));
        assert_eq!(numeric_value(b"1.5"), Some(Number::Float(1.5)));
        assert_eq!(
            numeric_value(b"9223372036854775808"),
            Some(Number::Float(9_223_372_036_854_775_808.0))
        );
    }

    #[test]
    fn casting_to_int_follows_php() {
        let float = |text: &str| Value::Float(Float::from_text(text.as_bytes()).unwrap());
        for (value, int) in [
            (Value::Null, 0),
            (true.into(), 1),
            ("12abc".into(), 12),
            (" 12".into(), 12),
            ("1e3".into(), 1000),
            ("1e25".into(), i64::MAX),
            ("1e1000".into(), 0),
            ("-99999999999999999999".into(), i64::MIN),
            ("abc".into(), 0),
            ("0x1A".into(), 0),
            (".5".into(), 0),
            ("-1.9".into(), -1),
            (float("-1.9"), -1),
            (float("1.0E+19"), -8_446_744_073_709_551_616),
            (float("1.0E+25"), 1_590_897_979_265_384_448),
            (float("INF"), 0),
            (float("NAN"), 0),
            (Array::new().into(), 0),
            (Array::list([Value::Null]).into(), 1),
        ] {
            assert_eq!(to_int(&value), int, "{value:?}");
        }
    }

    #[test]
    fn zero_is_empty_and_other_texts_are_not() {
        assert!(is_empty(b"") && is_empty(b"0"));
        assert!(!is_empty(b"00") && !is_empty(b" ") && !is_empty(b"0.0"));
    }

    #[test]
    fn slashes_are_added_and_removed_as_php_does() {
        for (plain, slashed) in [
            (&b"it's \\ x"[..], &b"it\\'s \\\\ x"[..]),
            (b"a\"b", b"a\\\"b"),
            (b"a\0b", b"a\\0b"),
        ] {
            assert_eq!(addslashes(plain), slashed);
            assert_eq!(stripslashes(slashed), plain);
        }
        assert_eq!(stripslashes(b"\\a\\"), b"a");
    }

    #[test]
    fn trimming_leaves_form_feeds_and_no_break_spaces() {
        assert_eq!(trim(b" \t\n\r\0\x0bx y\x0b "), b"x y");
        assert_eq!(trim(b"\x0cx\xc2\xa0"), b"\x0cx\xc2\xa0");
        assert_eq!(trim(b" \0 "), b"");
    }
}
