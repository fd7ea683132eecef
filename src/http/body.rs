//! What a body is to PHP: which forms it reads, and how. Mirrors `sapi_read_post_data` of PHP 8.2 to 8.4.

use super::fields::{Fields, FormError};
use super::multipart;

/// A type of body that PHP reads into `$_POST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `application/x-www-form-urlencoded`
    Urlencoded,
    /// `multipart/form-data`, with its boundary unless that is unusable.
    Multipart(Option<Vec<u8>>),
}

impl Kind {
    /// The type that a `Content-Type` declares, up to the first semicolon, comma or space: PHP ignores what follows, except
    /// for the boundary.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let media_type = content_type.split(|byte| b";, ".contains(byte)).next()?;
        if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            Some(Self::Urlencoded)
        } else if media_type.eq_ignore_ascii_case(b"multipart/form-data") {
            let boundary = multipart::boundary(content_type);
            Some(Self::Multipart(boundary.map(<[u8]>::to_vec)))
        } else {
            None
        }
    }

    /// Reads a whole body of this type, with up to `max_fields` fields.
    ///
    /// # Errors
    ///
    /// See [`FormError`].
    pub fn read(&self, body: &[u8], max_fields: usize) -> Result<Fields, FormError> {
        self.read_into(body, Fields::new(max_fields))
    }

    /// The same into an empty form.
    pub(super) fn read_into(&self, body: &[u8], fields: Fields) -> Result<Fields, FormError> {
        match self {
            Self::Urlencoded => fields.read_urlencoded(body),
            Self::Multipart(None) => Err(FormError::NoBoundary),
            Self::Multipart(Some(boundary)) => multipart::read(body, boundary, fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_what_php_takes_for_it() {
        let multipart = |boundary: &str| Some(Kind::Multipart(Some(boundary.into())));
        for (declared, kind) in [
            ("application/x-www-form-urlencoded", Some(Kind::Urlencoded)),
            (
                "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
                Some(Kind::Urlencoded),
            ),
            (
                "application/x-www-form-urlencoded charset=utf-8",
                Some(Kind::Urlencoded),
            ),
            (
                "application/x-www-form-urlencoded, application/x-www-form-urlencoded",
                Some(Kind::Urlencoded),
            ),
            (
                "application/x-www-form-urlencoded,multipart/form-data; boundary=XX",
                Some(Kind::Urlencoded),
            ),
            (
                "multipart/form-data,multipart/form-data; boundary=XX",
                multipart("XX"),
            ),
            ("MULTIPART/form-data boundary=XX", multipart("XX")),
            ("multipart/form-data", Some(Kind::Multipart(None))),
            ("application/x-www-form-urlencoded\t; charset=UTF-8", None),
            ("application/x-www-form-urlencodedx", None),
            ("multipart/form-datas; boundary=XX", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(Kind::of(declared.as_bytes()), kind, "{declared}");
        }
    }
}
