//! Implements PHP's type conversions and byte-wise string functions (PHP 8.2): the `(int)` and `(bool)` casts, `empty`,
//! `trim`, `addslashes` and `stripslashes`.

use super::Value;
use super::number::bytes_to_int;
pub use super::number::{Number, numeric_value, whole};

/// PHP's `(int)` cast. Of a string, only the leading number counts; arrays and objects are 1 unless empty.
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

/// Whether PHP's `trim` removes the byte by default: neither form feed nor no-break space.
#[must_use]
pub fn is_trimmed(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\0' | b'\x0b')
}

/// PHP's `trim` with its default set of bytes.
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    trim_where(text, is_trimmed)
}

/// PHP's `trim` with a different set of bytes.
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
        assert_eq!(trim(b"\0\x0b\r\n a b \n"), b"a b");
        assert_eq!(trim(b" \0 "), b"");
        assert_eq!(trim(b""), b"");
    }
}
