//! Parses form fields under PHP's rules: what `$_POST` and `$_GET` hold for a body or a query string.
//!
//! Mirrors the variable registration of PHP 8.2 to 8.4 (the part shared by urlencoded bodies, multipart
//! bodies and `parse_str`). Arrays are recognised but not kept: every field that the webhook reads
//! is a scalar, so an array only has to be told apart from one.

mod name;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode;

pub(in crate::http) use self::name::Name;
use crate::provision::FieldNames;

/// The value of one form field.
#[derive(Clone, PartialEq, Eq)]
pub enum Field {
    /// A scalar: raw bytes, without added slashes and not necessarily UTF-8.
    Text(Vec<u8>),
    /// A field sent as `name[]` or `name[key]`; its elements are not kept.
    Array,
}

/// Field values include passwords, so none is ever printed.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Array => "Array",
        })
    }
}

/// Why a form could not be read. PHP silently keeps a part of each; acting on half a form would be worse than refusing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// PHP drops fields beyond `max_input_vars`.
    #[error("The form has more than {limit} fields")]
    TooMany {
        /// The most fields a form may have.
        limit: usize,
    },
    /// PHP reads nothing of a multipart body.
    #[error("The multipart body is malformed: its Content-Type declares no usable boundary")]
    NoBoundary,
    /// PHP drops this part of a multipart body and all that follow.
    #[error("The multipart body is malformed: a part has no name")]
    Nameless,
    /// PHP keeps what has arrived of a multipart body, perhaps with a value that was cut off.
    #[error("The multipart body is malformed: the closing boundary is missing")]
    Unclosed,
}

/// The fields of one form, by name as PHP spells it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields {
    by_name: BTreeMap<Vec<u8>, Field>,
    pushed: usize,
    limit: usize,
    names: FieldNames,
    /// All pairs as they were sent, if they are kept.
    pairs: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// Prints the number of fields only: a body that is not a form at all ends up as a single field name.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Fields {
    /// An empty form that accepts up to `max_fields` calls of [`Fields::push`].
    #[must_use]
    pub fn new(max_fields: usize) -> Self {
        Self {
            by_name: BTreeMap::new(),
            pushed: 0,
            limit: max_fields,
            names: FieldNames::default(),
            pairs: None,
        }
    }

    /// The same form, which keeps all pairs as they are sent.
    #[must_use]
    pub fn keeping_pairs(self) -> Self {
        Self {
            pairs: Some(Vec::new()),
            ..self
        }
    }

    /// The pairs that were kept.
    pub(super) fn take_pairs(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.pairs.take().unwrap_or_default()
    }

    /// Reads an `application/x-www-form-urlencoded` body.
    ///
    /// Decoded with `percent_encoding` rather than `serde_urlencoded`, which replaces invalid UTF-8
    /// with U+FFFD: a Latin-1 password would be hashed as a string that the user cannot type.
    ///
    /// # Errors
    ///
    /// [`FormError::TooMany`] if the body has more than `max_fields` variables. As in PHP, empty
    /// ones (`a=1&&b=2`) and repeated ones count, a final `&` does not.
    pub fn parse_urlencoded(body: &[u8], max_fields: usize) -> Result<Self, FormError> {
        Self::new(max_fields).read_urlencoded(body)
    }

    pub(super) fn read_urlencoded(mut self, body: &[u8]) -> Result<Self, FormError> {
        let body = body.strip_suffix(b"&").unwrap_or(body);
        if body.is_empty() {
            return Ok(self);
        }
        for pair in body.split(|&byte| byte == b'&') {
            if let Some(at) = pair.iter().position(|&byte| byte == b'=') {
                self.push(&decode(&pair[..at]), decode(&pair[at + 1..]))?;
            } else {
                // Perhaps a piece of a value that was not encoded.
                self.names.note(b"");
                self.register(&decode(pair), Vec::new())?;
            }
        }
        Ok(self)
    }

    /// Adds one decoded pair. If a name is repeated, the last value wins, as in PHP.
    ///
    /// A name that PHP would not register (empty, or starting with `[`) is counted and dropped.
    ///
    /// # Errors
    ///
    /// [`FormError::TooMany`] on the first pair over the limit.
    pub fn push(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), FormError> {
        self.names.note(name);
        self.register(name, value)
    }

    fn register(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), FormError> {
        if self.pushed == self.limit {
            return Err(FormError::TooMany { limit: self.limit });
        }
        self.pushed += 1;
        if let Some(pairs) = &mut self.pairs {
            pairs.push((name.to_vec(), value.clone()));
        }
        match Name::parse(name) {
            Name::Ignored => {}
            Name::Scalar(name) => {
                self.by_name.insert(name, Field::Text(value));
            }
            Name::Element(name) => {
                self.by_name.insert(name, Field::Array);
            }
            Name::TooDeep(name) => {
                self.by_name.remove(&name);
            }
        }
        Ok(())
    }

    /// Sets the text of a field, whatever it was.
    pub(super) fn replace(&mut self, name: &[u8], value: Vec<u8>) {
        self.by_name.insert(name.to_vec(), Field::Text(value));
    }

    /// The names as they were sent.
    pub(super) fn take_names(&mut self) -> FieldNames {
        std::mem::take(&mut self.names)
    }

    /// The field with this name, spelled as PHP stores it (`first_name`, not `first.name`).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name.as_bytes())
    }

    /// The bytes of a scalar field; `None` if it is missing or an array.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            Field::Text(value) => Some(value),
            Field::Array => None,
        }
    }

    /// The most fields that it may have.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The number of fields; all elements of an array count as one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether PHP would find `$_POST` empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// Decodes one side of a pair like PHP's `urldecode`: `+` is a space, a broken escape stays as is.
fn decode(encoded: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = encoded
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    Cow::from(percent_decode(&spaced)).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &[u8]) -> Fields {
        Fields::parse_urlencoded(body, 1000).unwrap()
    }

    #[test]
    fn names_are_spelled_as_php_spells_them() {
        // Recorded from parse_str, PHP 8.2.
        for (body, name, value) in [
            ("first.name=1", "first_name", "1"),
            ("first+name=1", "first_name", "1"),
            ("++a+b=1", "a_b", "1"),
            ("+.a=1", "_a", "1"),
            ("a[=1", "a_", "1"),
            ("a[+=1", "a__", "1"),
            ("a[b.c+d=1", "a_b_c_d", "1"),
            ("a[b[c=1", "a_b_c", "1"),
            ("a[[b=1", "a__b", "1"),
            ("a%00b=1", "a", "1"),
            ("a.b%00c=1", "a_b", "1"),
            ("__Host-x=1", "__Host-x", "1"),
            ("%=1", "%", "1"),
            ("a", "a", ""),
            ("a=b=c", "a", "b=c"),
            ("a=1&a=2", "a", "2"),
            ("a[]=2&a=1", "a", "1"),
            ("a=%zz%4", "a", "%zz%4"),
            ("a=%%41", "a", "%A"),
            ("a=1+2%2B", "a", "1 2+"),
        ] {
            let fields = parse(body.as_bytes());
            assert_eq!(fields.text(name), Some(value.as_bytes()), "{body}");
            assert_eq!(fields.len(), 1, "{body}");
        }
    }

    #[test]
    fn brackets_make_arrays() {
        for body in [
            "a[]=1",
            "a[k]=1",
            "a[b][]=1",
            "a[b][c=1",
            "a[b]c=1",
            "a[[b]=1",
            "a[+]=1",
            "a%5B%5D=1",
            "a=1&a[]=2",
            "+a[x]]=1",
        ] {
            let fields = parse(body.as_bytes());
            assert_eq!(fields.get("a"), Some(&Field::Array), "{body}");
            assert_eq!(fields.text("a"), None, "{body}");
            assert_eq!(fields.len(), 1, "{body}");
        }
        assert_eq!(parse(b"a]b[c]=1").get("a]b"), Some(&Field::Array));
    }

    #[test]
    fn names_php_cannot_register_are_dropped() {
        for body in [
            "",
            "&",
            "&&",
            "=1",
            "+=1",
            "[a]=1",
            "+[a]=1",
            "%00a=1",
            "..Host-x=1",
            "._Secure-x=1",
        ] {
            assert!(parse(body.as_bytes()).is_empty(), "{body}");
        }
    }

    #[test]
    fn a_name_nested_too_deeply_removes_the_variable() {
        let deep = |levels: usize| format!("a=1&a{}=2", "[x]".repeat(levels));
        assert_eq!(parse(deep(64).as_bytes()).get("a"), Some(&Field::Array));
        assert_eq!(parse(deep(65).as_bytes()).get("a"), None);
        assert_eq!(
            parse(format!("a=1&a{}[=2", "[x]".repeat(64)).as_bytes()).get("a"),
            None
        );
    }

    #[test]
    fn values_keep_bytes_that_are_no_text() {
        assert_eq!(parse(b"p=%00a%ff\xfe").text("p"), Some(&b"\0a\xff\xfe"[..]));
    }

    #[test]
    fn too_many_fields_are_refused() {
        let limit = FormError::TooMany { limit: 2 };
        for (body, expected) in [
            ("a=1&b=2", Ok(2)),
            ("a=1&b=2&", Ok(2)),
            ("a=1&b=2&c=3", Err(limit)),
            ("a=1&&b=2", Err(limit)),
            ("a=1&a=2&a=3", Err(limit)),
        ] {
            let fields = Fields::parse_urlencoded(body.as_bytes(), 2);
            assert_eq!(fields.map(|fields| fields.len()), expected, "{body}");
        }
    }

    #[test]
    fn debug_output_reveals_nothing() {
        let fields = parse(b"user_password=secret&{json}");
        assert_eq!(format!("{fields:?}"), "Fields { len: 2, .. }");
        assert_eq!(
            format!("{:?}", fields.get("user_password")),
            "Some(Text(..))"
        );
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(body: Vec<u8>) {
            let _ = Fields::parse_urlencoded(&body, 50);
        }

        #[test]
        fn ordinary_pairs_come_back_unchanged(
            pairs in prop::collection::btree_map("[a-z_]{1,12}", any::<String>(), 0..20)
        ) {
            let body = serde_urlencoded::to_string(&pairs).unwrap();
            let fields = parse(body.as_bytes());
            prop_assert_eq!(fields.len(), pairs.len());
            for (name, value) in &pairs {
                prop_assert_eq!(fields.text(name), Some(value.as_bytes()));
            }
        }
    }
}
