//! Parses numbers in PHP strings (PHP 8.2): `is_numeric`, the `(int)` cast of a string, and the integer value of a
//! float.

/// The value of a numeric string.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

/// A number at the start of a text: its length in bytes, and its value.
pub(super) struct Scanned {
    pub(super) length: usize,
    pub(super) number: Number,
}

/// The value of a string that PHP's `is_numeric` accepts: whitespace is allowed on both sides, hexadecimal is not.
/// Integers beyond 64 bits become floats, as in PHP.
#[must_use]
pub fn numeric_value(text: &[u8]) -> Option<Number> {
    let text = trim_whitespace_start(text);
    let scanned = scan_number(text)?;
    let rest = trim_whitespace_start(&text[scanned.length..]);
    rest.is_empty().then_some(scanned.number)
}

/// PHP's `(int)` cast of a string: `"12abc"` is 12, `"1e3"` is 1000, `"abc"` is 0.
pub(super) fn bytes_to_int(text: &[u8]) -> i64 {
    match scan_number(trim_whitespace_start(text)).map(|scanned| scanned.number) {
        None => 0,
        Some(Number::Int(int)) => int,
        Some(Number::Float(float)) => saturate(float),
    }
}

/// The integer that a float represents. Beyond 2^53 a float no longer identifies one.
#[must_use]
pub fn whole(float: f64) -> Option<u64> {
    let is_whole = float.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&float);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number under 2^53, as just checked"
    )]
    is_whole.then_some(float as u64)
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

#[cfg(test)]
mod tests {
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
    fn a_float_names_a_whole_number_below_two_to_the_53() {
        for (float, number) in [
            (0.0, Some(0)),
            (-0.0, Some(0)),
            (4.0, Some(4)),
            (9_007_199_254_740_991.0, Some(9_007_199_254_740_991)),
            (9_007_199_254_740_992.0, None),
            (4.5, None),
            (-1.0, None),
            (f64::INFINITY, None),
            (f64::NAN, None),
        ] {
            assert_eq!(whole(float), number, "{float}");
        }
    }
}
