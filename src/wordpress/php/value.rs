//! The kinds of value PHP serialises.

use super::{Array, Key, loose, write};

/// A PHP value. Strings are bytes: PHP knows no encoding.
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
    /// The name of the class, in the case it was written.
    pub class: Vec<u8>,
    /// In source order. Names of private and protected properties carry PHP's NUL-delimited prefix; names made of
    /// digits stay strings, unlike array keys.
    pub properties: Vec<(Key, Value)>,
}

impl Value {
    /// The value as PHP's `serialize` writes it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write::value(self, &mut out);
        out
    }

    /// The array, if the value is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The array itself, or the value back when it is none.
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
        let number = loose::scan_number(text).is_some_and(|number| number.length == text.len());
        let text = std::str::from_utf8(text).ok()?;
        (special || number).then(|| Self(text.to_owned()))
    }

    /// The text as it stands after `d:`.
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
