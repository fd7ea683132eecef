//! Values as SQL literals, for the text protocol, which has no parameters.

/// A value of a statement in a [`Batch`](super::Batch).
#[derive(Clone, Copy)]
pub enum Literal<'a> {
    /// A whole number.
    Number(u64),
    /// Text, in the connection's character set.
    Text(&'a str),
    /// Bytes, without character set conversion.
    Bytes(&'a [u8]),
    /// NULL.
    Null,
}

impl Literal<'_> {
    /// Hexadecimal digits can represent any text and cannot end the literal; the introducer marks them as text, not
    /// bytes.
    pub(super) fn write(self, sql: &mut String) {
        let (before, bytes) = match self {
            Self::Number(number) => {
                sql.push_str(&number.to_string());
                return;
            }
            Self::Null => {
                sql.push_str("NULL");
                return;
            }
            Self::Text(text) => ("_utf8mb4 x'", text.as_bytes()),
            Self::Bytes(bytes) => ("x'", bytes),
        };
        sql.push_str(before);
        sql.push_str(&hex::encode(bytes));
        sql.push('\'');
    }
}

impl From<u64> for Literal<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Literal<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Literal<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}
