//! What senders write into JSON although no program can hold it: half a character and numbers without bounds.

use std::borrow::Cow;

/// The body with U+FFFD for each lone surrogate, as `JSON.stringify` writes one for a text that was cut in an emoji, and with numbers that
/// are too large for any program as texts.
pub fn readable(body: &[u8]) -> Cow<'_, [u8]> {
    let mut made = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    let mut is_text = false;
    while let Some(&byte) = body.get(at) {
        let (length, instead): (usize, Option<Vec<u8>>) = match byte {
            b'"' => {
                is_text = !is_text;
                (1, None)
            }
            b'\\' if is_text => match (surrogate(&body[at..]), body.get(at + 6..)) {
                (Some(High), Some(next)) if surrogate(next) == Some(Low) => (12, None),
                (Some(_), _) => (6, Some(br"\ufffd".to_vec())),
                _ => (2, None),
            },
            b'-' | b'0'..=b'9' if !is_text => {
                let number = number(&body[at..]);
                let text = is_too_large(number).then(|| format!("\"{number}\"").into_bytes());
                (number.len(), text)
            }
            _ => (1, None),
        };
        if let Some(instead) = instead {
            made.extend_from_slice(&body[copied..at]);
            made.extend_from_slice(&instead);
            copied = at + length;
        }
        at += length;
    }
    if copied == 0 {
        return Cow::Borrowed(body);
    }
    made.extend_from_slice(&body[copied..]);
    Cow::Owned(made)
}

#[derive(PartialEq)]
enum Surrogate {
    High,
    Low,
}

use Surrogate::{High, Low};

/// The surrogate that an escape sequence at the beginning stands for.
fn surrogate(text: &[u8]) -> Option<Surrogate> {
    let digits = text.get(..6)?.strip_prefix(br"\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let digits = str::from_utf8(digits).ok()?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(High),
        0xdc00..=0xdfff => Some(Low),
        _ => None,
    }
}

/// Whether a float would not hold it: a whole number of more than 64 bits would become another one, and so one event another.
fn is_too_large(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.len() >= MOST_DIGITS
            && number.parse::<u64>().is_err()
            && number.parse::<i64>().is_err();
    }
    number.parse().is_ok_and(f64::is_infinite)
}

/// Fewer digits always fit into 64 bits.
const MOST_DIGITS: usize = 19;

/// What is of a number at the beginning; at least its first character.
fn number(text: &[u8]) -> &str {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let length = text.iter().take_while(|byte| is_part(byte)).count();
    str::from_utf8(&text[..length]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_program_can_hold_changes() {
        for (body, read) in [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"["\uD83Dx\udE00"]"#, r#"["\ufffdx\ufffd"]"#),
            (r#"["\ud83d\ud83d\ude00"]"#, r#"["\ufffd\ud83d\ude00"]"#),
            (r#"["\\ud83d","\"1e999"]"#, r#"["\\ud83d","\"1e999"]"#),
            ("[-1e999,1e99]", "[\"-1e999\",1e99]"),
            (r#"["\ud83"#, r#"["\ud83"#),
            ("[1e999x", "[\"1e999\"x"),
            (
                "[18446744073709551615,18446744073709551616,-9223372036854775808,-1,-]",
                "[18446744073709551615,\"18446744073709551616\",-9223372036854775808,-1,-]",
            ),
        ] {
            let made = readable(body.as_bytes());
            assert_eq!(made, read.as_bytes(), "{body}");
        }
    }
}
