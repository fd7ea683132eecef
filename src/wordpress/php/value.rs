//! Represents the values PHP serialises, including its array: an ordered map whose keys are integers or strings.

use super::number::scan_number;

/// A PHP value. Strings are bytes: PHP strings have no encoding.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(Float),
    String(Vec<u8>),
    Array(Array),
    Object(Object),
    /// An enum case, as `Suit:Hearts`.
    Enum(Vec<u8>),
}

/// A PHP float as the text it was serialised as, because PHP's formatting depends on its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Float(String);

/// A serialised object; its class is never looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The class name, in its original case.
    pub class: Vec<u8>,
    /// In source order. Names of private and protected properties carry PHP's NUL-delimited prefix; names made of
    /// digits stay strings, unlike array keys.
    pub properties: Vec<(Key, Value)>,
}

impl Value {
    /// The array, if the value is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The array itself, or the value back if it is not an array.
    ///
    /// # Errors
    /// Returns the value unchanged when it is not an array.
    pub fn into_array(self) -> Result<Array, Self> {
        match self {
            Self::Array(array) => Ok(array),
            other => Err(other),
        }
    }

    /// The bytes of a string; `None` for every other kind, numbers included.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl Float {
    /// Accepts what `unserialize` accepts after `d:`, including `NAN`, `INF` and `-INF`.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let special = matches!(text, b"NAN" | b"INF" | b"-INF");
        let number = scan_number(text).is_some_and(|number| number.length == text.len());
        let text = std::str::from_utf8(text).ok()?;
        (special || number).then(|| Self(text.to_owned()))
    }

    /// The text as it appears after `d:`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The number itself.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.as_bytes().to_vec())
    }
}

impl From<Array> for Value {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

/// An array in PHP's insertion order. Look-ups are linear; the arrays WordPress stores are short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    entries: Vec<(Key, Value)>,
}

/// An array key. Make string keys with [`Key::from`], which turns `"5"` into the integer 5 as PHP does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Int(i64),
    String(Vec<u8>),
}

impl Key {
    /// The text of the key, as PHP's `array_keys` followed by a string conversion gives it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Int(int) => int.to_string().into_bytes(),
            Self::String(bytes) => bytes.clone(),
        }
    }
}

impl From<i64> for Key {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        decimal(bytes).map_or_else(|| Self::String(bytes.to_vec()), Self::Int)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

/// PHP's rule for string keys that become integers: exactly the text PHP prints for that integer.
fn decimal(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let canonical = match digits {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let text = std::str::from_utf8(bytes).ok()?;
    canonical.then(|| text.parse().ok()).flatten()
}

impl Array {
    /// An array without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An array with the keys 0, 1, 2, ….
    pub fn list(values: impl IntoIterator<Item = Value>) -> Self {
        let entries = (0..).map(Key::Int).zip(values).collect();
        Self { entries }
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the array has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value under a key; `"5"` finds the integer key 5.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.position(&key.into())?;
        Some(&self.entries[at].1)
    }

    /// Replaces the value in its place, or appends it if the key is new.
    pub fn set(&mut self, key: impl Into<Key>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        match self.position(&key) {
            Some(at) => self.entries[at].1 = value,
            None => self.entries.push((key, value)),
        }
    }

    /// Removes and returns the value under a key; the other entries keep their keys, as with PHP's `unset`.
    pub fn remove(&mut self, key: impl Into<Key>) -> Option<Value> {
        let at = self.position(&key.into())?;
        Some(self.entries.remove(at).1)
    }

    /// Keys and values in their order.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Key, &Value)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Values in the order of their keys.
    #[must_use]
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.entries.iter().map(|(_, value)| value)
    }

    fn position(&self, wanted: &Key) -> Option<usize> {
        self.entries.iter().position(|(key, _)| key == wanted)
    }

    /// Takes entries whose keys are known to be distinct.
    pub(super) fn from_distinct(entries: Vec<(Key, Value)>) -> Self {
        Self { entries }
    }
}

impl<K: Into<Key>, V: Into<Value>> FromIterator<(K, V)> for Array {
    /// Later values replace earlier ones under the same key, in the earlier place.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut array = Self::new();
        for (key, value) in entries {
            array.set(key, value);
        }
        array
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_decimal_strings_become_integer_keys() {
        for (text, int) in [
            ("0", 0),
            ("5", 5),
            ("-5", -5),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(Key::from(text), Key::Int(int), "{text}");
        }
        for text in [
            "",
            "-",
            "-0",
            "05",
            "+5",
            " 5",
            "5 ",
            "5.0",
            "9223372036854775808",
        ] {
            assert_eq!(Key::from(text), Key::String(text.into()), "{text}");
        }
    }

    #[test]
    fn setting_a_known_key_keeps_its_place_and_a_new_one_goes_last() {
        let mut array: Array = [("a", 1), ("5", 2)].into_iter().collect();
        array.set("a", 3);
        array.set("z", "new");
        array.set("5", true);
        let written = Value::Array(array.clone()).write();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            r#"a:3:{s:1:"a";i:3;i:5;b:1;s:1:"z";s:3:"new";}"#
        );
        assert_eq!(array.remove("a"), Some(Value::Int(3)));
        assert_eq!(array.get("a"), None);
        assert_eq!(array.get("5"), Some(&Value::Bool(true)));
    }
}
