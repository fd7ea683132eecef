//! Implements PHP's `unserialize` (8.2) for data that may have been tampered with.
//!
//! Stricter than PHP where that costs nothing: bytes after the value, integers beyond 64 bits, nesting beyond
//! [`MAX_DEPTH`] and the escaped strings (`S:`) that PHP never writes are errors. References are rejected too: they
//! address other values by position, which any change to the data would shift. So are objects in a custom format
//! (`C:`), which can hide references.

use std::collections::{HashMap, hash_map::Entry};

use thiserror::Error;

use super::{Array, Float, Key, Object, Value};

/// How deep arrays and objects may be nested. PHP allows 4096; WordPress's own data stays below 10.
pub const MAX_DEPTH: usize = 128;

/// Why the bytes are not a serialised value; offsets count from the first byte.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Neither PHP nor this module accepts it.
    #[error("not PHP-serialised data: unexpected byte or end at offset {0}")]
    Malformed(usize),
    /// `R:`, `r:` or `C:`, which PHP would follow.
    #[error("PHP-serialised data with a reference at offset {0}, which cannot be rewritten safely")]
    Reference(usize),
    /// More than [`MAX_DEPTH`] levels.
    #[error("PHP-serialised data nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A complete value followed by more bytes, which PHP ignores.
    #[error("PHP-serialised data followed by other bytes at offset {0}")]
    TrailingBytes(usize),
}

/// Parses one serialised value that fills the whole input.
///
/// # Errors
/// Rejects everything that `unserialize` rejects, and the cases listed in the module description.
pub fn parse(input: &[u8]) -> Result<Value, ParseError> {
    let mut reader = Reader { input, at: 0 };
    let value = reader.value(0)?;
    if reader.at < input.len() {
        return Err(ParseError::TrailingBytes(reader.at));
    }
    Ok(value)
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

/// A key as it appears in the source, to detect duplicates without copying.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
enum RawKey<'a> {
    Int(i64),
    String(&'a [u8]),
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        if depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        let start = self.at;
        match self.kind()? {
            b'N' => self.literal(b";").map(|()| Value::Null),
            b'b' => match self.text_until(b';')? {
                b"0" => Ok(Value::Bool(false)),
                b"1" => Ok(Value::Bool(true)),
                _ => Err(ParseError::Malformed(start)),
            },
            b'i' => self.int().map(Value::Int),
            b'd' => Float::from_text(self.text_until(b';')?)
                .map(Value::Float)
                .ok_or(ParseError::Malformed(start)),
            b's' => self.string(b";").map(|bytes| Value::String(bytes.to_vec())),
            b'a' => self.array(depth).map(Value::Array),
            b'O' => self.object(depth).map(Value::Object),
            b'E' => self.string(b";").map(|case| Value::Enum(case.to_vec())),
            b'r' | b'R' | b'C' => Err(ParseError::Reference(start)),
            _ => Err(ParseError::Malformed(start)),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Array, ParseError> {
        let count = self.count(b":{")?;
        let mut entries = Vec::<(Key, Value)>::new();
        let mut positions: HashMap<RawKey<'_>, usize> = HashMap::new();
        for _ in 0..count {
            let raw = match self.key()? {
                RawKey::String(bytes) => match Key::from(bytes) {
                    Key::Int(int) => RawKey::Int(int),
                    Key::String(_) => RawKey::String(bytes),
                },
                int @ RawKey::Int(_) => int,
            };
            let value = self.value(depth + 1)?;
            match positions.entry(raw) {
                Entry::Occupied(known) => entries[*known.get()].1 = value,
                Entry::Vacant(new) => {
                    new.insert(entries.len());
                    entries.push((raw.into(), value));
                }
            }
        }
        self.literal(b"}")?;
        Ok(Array::from_distinct(entries))
    }

    fn object(&mut self, depth: usize) -> Result<Object, ParseError> {
        let class = self.string(b":")?.to_vec();
        let count = self.count(b":{")?;
        let mut properties = Vec::new();
        for _ in 0..count {
            properties.push((self.key()?.into(), self.value(depth + 1)?));
        }
        self.literal(b"}")?;
        Ok(Object { class, properties })
    }

    fn key(&mut self) -> Result<RawKey<'a>, ParseError> {
        let start = self.at;
        match self.kind()? {
            b'i' => self.int().map(RawKey::Int),
            b's' => self.string(b";").map(RawKey::String),
            _ => Err(ParseError::Malformed(start)),
        }
    }

    /// The letter that starts a value, with the colon that follows all of them but `N`.
    fn kind(&mut self) -> Result<u8, ParseError> {
        let kind = self.take(1)?[0];
        if kind != b'N' {
            self.literal(b":")?;
        }
        Ok(kind)
    }

    fn int(&mut self) -> Result<i64, ParseError> {
        let start = self.at;
        // Like PHP, the number parser accepts an optional sign of either kind and leading zeros.
        std::str::from_utf8(self.text_until(b';')?)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(ParseError::Malformed(start))
    }

    /// A length or a number of members, with the bytes that end it.
    fn count(&mut self, end: &[u8]) -> Result<usize, ParseError> {
        let start = self.at;
        let rest = &self.input[start..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let count = std::str::from_utf8(self.take(digits)?)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(ParseError::Malformed(start))?;
        self.literal(end)?;
        Ok(count)
    }

    /// A length, that many bytes in quotes, and the bytes that end it.
    fn string(&mut self, end: &[u8]) -> Result<&'a [u8], ParseError> {
        let length = self.count(b":\"")?;
        let bytes = self.take(length)?;
        self.literal(b"\"")?;
        self.literal(end)?;
        Ok(bytes)
    }

    fn text_until(&mut self, end: u8) -> Result<&'a [u8], ParseError> {
        let length = self.input[self.at..].iter().position(|&byte| byte == end);
        let text = self.take(length.ok_or(ParseError::Malformed(self.at))?)?;
        self.at += 1;
        Ok(text)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ParseError> {
        let taken = self.input[self.at..].get(..length);
        self.at += taken.map_or(0, <[u8]>::len);
        taken.ok_or(ParseError::Malformed(self.at))
    }

    fn literal(&mut self, expected: &[u8]) -> Result<(), ParseError> {
        let start = self.at;
        if self.take(expected.len())? != expected {
            return Err(ParseError::Malformed(start));
        }
        Ok(())
    }
}

impl From<RawKey<'_>> for Key {
    fn from(raw: RawKey<'_>) -> Self {
        match raw {
            RawKey::Int(int) => Self::Int(int),
            RawKey::String(bytes) => Self::String(bytes.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// As stored by the plugin after a webhook's first run.
    const WEBHOOK: &[u8] = br#"a:7:{s:5:"title";s:4:"Main";s:10:"course_ids";a:1:{i:0;i:4;}s:9:"space_ids";a:2:{i:0;i:1;i:1;i:2;}s:17:"remove_course_ids";a:1:{i:0;i:5;}s:16:"remove_space_ids";a:1:{i:0;i:3;}s:21:"send_wp_welcome_email";s:3:"yes";s:13:"running_count";i:1;}"#;

    #[test]
    fn a_stored_webhook_is_read_changed_and_written_in_place() {
        let value = parse(WEBHOOK).unwrap();
        assert_eq!(value.write(), WEBHOOK);
        let mut webhook = value.into_array().unwrap();
        let spaces = webhook.get("space_ids").and_then(Value::as_array).unwrap();
        assert_eq!(spaces, &Array::list([1.into(), 2.into()]));
        webhook.set("running_count", 2);
        let expected = String::from_utf8_lossy(WEBHOOK).replace("count\";i:1", "count\";i:2");
        assert_eq!(Value::Array(webhook).write(), expected.as_bytes());
    }

    #[test]
    fn what_php_writes_is_kept_byte_for_byte() {
        for source in [
            "N;",
            "b:0;",
            "i:-9223372036854775808;",
            "d:0.1;",
            "d:-0;",
            "d:1.0E+25;",
            "d:NAN;",
            "d:-INF;",
            "s:3:\"\u{e9}\"\";",
            "a:2:{i:-7;a:0:{}s:0:\"\";N;}",
            "O:8:\"stdClass\":2:{s:1:\"5\";i:1;s:4:\"\0*\0p\";b:1;}",
            "E:11:\"Suit:Hearts\";",
        ] {
            let value = parse(source.as_bytes());
            assert_eq!(value.map(|v| v.write()), Ok(source.into()), "{source}");
        }
    }

    #[test]
    fn a_repeated_key_keeps_the_first_place_and_the_last_value() {
        let value = parse(br#"a:4:{s:1:"a";i:1;i:7;i:2;s:1:"a";i:3;s:1:"7";i:4;}"#).unwrap();
        assert_eq!(value.write(), br#"a:2:{s:1:"a";i:3;i:7;i:4;}"#);
    }

    #[test]
    fn references_trailing_bytes_and_deep_nesting_are_refused() {
        use ParseError::{Malformed, Reference, TooDeep, TrailingBytes};
        let nested =
            |levels: usize| ["a:1:{i:0;".repeat(levels), "N;".into(), "}".repeat(levels)].concat();
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        for (source, error) in [
            ("a:2:{i:0;i:1;i:1;R:2;}", Reference(17)),
            ("O:1:\"A\":1:{s:1:\"x\";r:1;}", Reference(19)),
            ("C:1:\"A\":4:{r:1;}", Reference(0)),
            ("i:1;i", TrailingBytes(4)),
            (&nested(MAX_DEPTH + 1), TooDeep),
            (&nested(500_000), TooDeep),
            ("", Malformed(0)),
            ("i:1", Malformed(2)),
            ("i:;", Malformed(2)),
            ("i:9223372036854775808;", Malformed(2)),
            ("s:4:\"abc\";", Malformed(9)),
            ("s:99999999999999999999:\"\";", Malformed(2)),
            ("a:4000000000:{i:0;i:1;}", Malformed(23)),
            ("a:1:{N;N;}", Malformed(5)),
            ("b:2;", Malformed(0)),
            ("d:1 ;", Malformed(0)),
        ] {
            assert_eq!(parse(source.as_bytes()), Err(error), "{source:.40}");
        }
    }

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            any::<i64>().prop_map(Key::Int),
            vec(any::<u8>(), 0..6).prop_map(|bytes| Key::from(&bytes[..])),
            "[0-9]{1,3}".prop_map(|text| Key::from(&text[..])),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let float = "-?[0-9]{1,3}(\\.[0-9]{1,3})?(E[+-][0-9]{1,2})?|NAN|-?INF";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            float.prop_map(|text| Value::Float(Float::from_text(text.as_bytes()).unwrap())),
            vec(any::<u8>(), 0..12).prop_map(Value::String),
            Just(Value::Enum(b"A:B".to_vec())),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let properties = vec(
                (vec(any::<u8>(), 0..6).prop_map(Key::String), inner.clone()),
                0..4,
            );
            prop_oneof![
                vec((key(), inner.clone()), 0..6)
                    .prop_map(|entries| Value::Array(entries.into_iter().collect())),
                vec(inner, 0..6).prop_map(|values| Array::list(values).into()),
                (vec(any::<u8>(), 0..6), properties)
                    .prop_map(|(class, properties)| Value::Object(Object { class, properties })),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(value in value()) {
            let written = value.write();
            let read = parse(&written);
            prop_assert_eq!(read.as_ref(), Ok(&value));
            prop_assert_eq!(read.map(|v| v.write()), Ok(written));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..64), source in "[abdisNOCErR:;{}\"0-9.+-]{0,40}") {
            let _ = parse(&bytes);
            let _ = parse(source.as_bytes());
        }

        #[test]
        fn damaged_data_never_panics(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut written = value.write();
            let at = at.index(written.len());
            written[at] = byte;
            let _ = parse(&written);
        }
    }
}
