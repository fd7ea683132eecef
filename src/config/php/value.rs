//! PHP's values, and one more: what only running the code would tell, with the reason.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use super::reader::Reader;

/// The most bytes and elements of one value: code that doubles a text again and again must not fill the memory.
const LARGEST: usize = 1 << 16;

/// A place in a PHP file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Place {
    pub(in crate::config) file: Rc<Path>,
    /// From 1.
    pub(in crate::config) line: usize,
}

/// Why a value is not known.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Cause {
    /// What the value depends on, such as `$_SERVER['HTTP_HOST']`.
    pub(in crate::config) what: String,
    pub(in crate::config) place: Place,
}

/// A value.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::config) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(Rc<[u8]>),
    Array(Rc<Array>),
    /// An array that was cast to an object.
    Object(Rc<Array>),
    /// A reader of `.env` files.
    Dotenv(Rc<Reader>),
    Unknown(Rc<Cause>),
}

/// Secrets pass through here.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown(_) => "unknown",
            _ => "known",
        })
    }
}

/// A key of an array.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::config) enum Key {
    Int(i64),
    Text(Rc<[u8]>),
}

/// The elements of an array in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in crate::config) struct Array {
    elements: Vec<(Key, Value)>,
    weight: usize,
}

impl Array {
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        let found = self.elements.iter().find(|(other, _)| other == key);
        found.map(|(_, value)| value)
    }

    /// False if the array would become too large.
    pub(super) fn set(&mut self, key: Key, value: Value) -> bool {
        self.weight += 1 + value.weight();
        match self.elements.iter_mut().find(|(other, _)| *other == key) {
            Some((_, earlier)) => *earlier = value,
            None => self.elements.push((key, value)),
        }
        self.weight <= LARGEST && self.elements.len() <= 1000
    }

    pub(super) fn push(&mut self, value: Value) -> bool {
        let keys = self.elements.iter().filter_map(|(key, _)| match key {
            Key::Int(number) => Some(*number),
            Key::Text(_) => None,
        });
        let next = keys.max().map_or(0, |last| last.saturating_add(1));
        self.set(Key::Int(next), value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.elements.iter().map(|(_, value)| value)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Key, Value)> {
        self.elements.iter()
    }

    /// Whether the keys are 0, 1, 2 and so on.
    #[cfg(test)]
    pub(super) fn is_list(&self) -> bool {
        (0..)
            .zip(&self.elements)
            .all(|(at, (key, _))| *key == Key::Int(at))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

impl Value {
    /// `None` if the text is too long.
    pub(super) fn text(bytes: impl AsRef<[u8]>) -> Option<Self> {
        let bytes = bytes.as_ref();
        (bytes.len() <= LARGEST).then(|| Self::Text(bytes.into()))
    }

    fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Array(array) | Self::Object(array) => array.weight,
            _ => 1,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// What `(bool)` makes of it; the reason if that is not known.
    pub(in crate::config) fn truth(&self) -> Result<bool, Rc<Cause>> {
        Ok(match self {
            Self::Null => false,
            Self::Bool(yes) => *yes,
            Self::Int(number) => *number != 0,
            Self::Text(text) => !matches!(&**text, b"" | b"0"),
            Self::Array(array) => !array.is_empty(),
            Self::Object(_) | Self::Dotenv(_) => true,
            Self::Unknown(cause) => return Err(Rc::clone(cause)),
        })
    }

    /// What `(string)` makes of a scalar.
    pub(in crate::config) fn to_text(&self) -> Option<Vec<u8>> {
        match self {
            Self::Null => Some(Vec::new()),
            Self::Bool(yes) => Some(if *yes { b"1".to_vec() } else { Vec::new() }),
            Self::Int(number) => Some(number.to_string().into_bytes()),
            Self::Text(text) => Some(text.to_vec()),
            _ => None,
        }
    }

    /// The key that this value is in an array.
    pub(super) fn to_key(&self) -> Option<Key> {
        match self {
            Self::Null => Some(Key::Text(Rc::from(*b""))),
            Self::Bool(yes) => Some(Key::Int(i64::from(*yes))),
            Self::Int(number) => Some(Key::Int(*number)),
            Self::Text(text) => {
                Some(decimal(text).map_or_else(|| Key::Text(Rc::clone(text)), Key::Int))
            }
            _ => None,
        }
    }

    /// `===`; `None` if it is not known.
    pub(super) fn is_identical(&self, other: &Self) -> Option<bool> {
        let is_scalar = |value: &Self| {
            matches!(
                value,
                Self::Null | Self::Bool(_) | Self::Int(_) | Self::Text(_)
            )
        };
        (is_scalar(self) && is_scalar(other)).then(|| self == other)
    }

    /// `==`, where all versions of PHP agree; `None` elsewhere.
    pub(super) fn is_equal(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Unknown(_), _) | (_, Self::Unknown(_)) => None,
            (Self::Bool(_), _) | (_, Self::Bool(_)) => {
                Some(self.truth().ok()? == other.truth().ok()?)
            }
            (Self::Int(one), Self::Int(two)) => Some(one == two),
            (Self::Null, Self::Null) => Some(true),
            (Self::Null, Self::Text(text)) | (Self::Text(text), Self::Null) => {
                Some(text.is_empty())
            }
            (Self::Text(one), Self::Text(two)) if one == two => Some(true),
            (Self::Text(one), Self::Text(two)) => {
                (!(is_perhaps_number(one) && is_perhaps_number(two))).then_some(false)
            }
            (Self::Int(number), Self::Text(text)) | (Self::Text(text), Self::Int(number)) => {
                decimal(text).map(|value| value == *number)
            }
            _ => None,
        }
    }
}

/// A whole number in its plain form, which PHP takes for an integer as an array's key.
pub(super) fn decimal(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

/// Whether PHP might compare this text as a number.
fn is_perhaps_number(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| byte.is_ascii_digit() || b"+-.".contains(byte))
}
