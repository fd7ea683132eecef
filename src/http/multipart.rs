//! Reads multipart forms: the text parts of a `multipart/form-data` body as PHP's `$_POST` holds them.
//!
//! Mirrors PHP 8.2's RFC 1867 reader. Uploaded files are skipped, never kept: PHP puts them in
//! `$_FILES`, which the webhook does not read.

use actix_multipart::{Multipart, MultipartError as StreamError};
use actix_web::error::PayloadError;
use futures_util::TryStreamExt;

use super::fields::{Fields, FieldsError};

/// Limits on a multipart body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MultipartLimits {
    /// Total bytes of names and contents, including files, since they have to be read as well.
    pub max_bytes: usize,
    /// Number of parts. Files count too, or a body of endless empty files would never hit a limit.
    pub max_fields: usize,
}

/// Why a multipart body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MultipartError {
    /// The body is longer than [`MultipartLimits::max_bytes`], or a part's headers are oversized.
    #[error("the multipart body is too large")]
    TooLarge,
    /// The body has more parts than [`MultipartLimits::max_fields`].
    #[error("the multipart body has more than {limit} parts")]
    TooMany {
        /// The most parts a body may have.
        limit: usize,
    },
    /// The body is truncated, its boundary is missing or wrong, or a part has no name. PHP keeps
    /// what it has parsed so far; acting on half a form would be worse than refusing it.
    #[error("the multipart body is malformed")]
    Malformed(#[source] StreamError),
}

impl From<StreamError> for MultipartError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Payload(PayloadError::Overflow) => Self::TooLarge,
            other => Self::Malformed(other),
        }
    }
}

impl From<FieldsError> for MultipartError {
    fn from(error: FieldsError) -> Self {
        match error {
            FieldsError::TooMany { limit } => Self::TooMany { limit },
        }
    }
}

/// Reads a multipart body to its end. A part with a file name is skipped, even if the name is empty.
///
/// Names follow the rules of [`Fields::push`]. Values are taken as they are: as in PHP, a part's
/// own charset or transfer encoding is ignored.
///
/// # Errors
///
/// See [`MultipartError`]. A truncated body yields no fields.
pub(crate) async fn read_multipart(
    mut multipart: Multipart,
    limits: MultipartLimits,
) -> Result<Fields, MultipartError> {
    let mut fields = Fields::new(limits.max_fields);
    let mut bytes_left = limits.max_bytes;
    let mut parts = 0;
    while let Some(mut part) = multipart.try_next().await? {
        parts += 1;
        if parts > limits.max_fields {
            return Err(MultipartError::TooMany {
                limit: limits.max_fields,
            });
        }
        let name = part.name().unwrap_or_default().as_bytes().to_vec();
        // PHP supports `filename` but not `filename*`; a part with only the latter is text.
        let is_file = part
            .content_disposition()
            .is_some_and(|disposition| disposition.get_filename().is_some());
        let mut value = Vec::new();
        let mut length = name.len();
        loop {
            bytes_left = bytes_left
                .checked_sub(length)
                .ok_or(MultipartError::TooLarge)?;
            let Some(chunk) = part.try_next().await? else {
                break;
            };
            length = chunk.len();
            if !is_file && length <= bytes_left {
                value.extend_from_slice(&chunk);
            }
        }
        if !is_file {
            fields.push(&name, value)?;
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
    use actix_web::web::Bytes;
    use futures_util::stream;

    use super::super::fields::Field;
    use super::*;

    const LIMITS: MultipartLimits = MultipartLimits {
        max_bytes: 1000,
        max_fields: 5,
    };

    /// Sends `body` in chunks of `size` bytes, so that boundaries and headers get cut anywhere.
    async fn read(body: &[u8], size: usize) -> Result<Fields, MultipartError> {
        read_as("multipart/form-data; boundary=XX", body, size).await
    }

    async fn read_as(kind: &str, body: &[u8], size: usize) -> Result<Fields, MultipartError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        let chunks: Vec<_> = body
            .chunks(size)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        read_multipart(Multipart::new(&headers, stream::iter(chunks)), LIMITS).await
    }

    fn part(disposition: &str, content: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    }

    fn body(parts: &[(&str, &str)]) -> String {
        let parts: String = parts
            .iter()
            .map(|(name, value)| part(name, value))
            .collect();
        parts + "--XX--\r\n"
    }

    #[tokio::test]
    async fn text_parts_become_fields_however_the_body_is_cut() {
        let body = body(&[
            ("name=\"first.name\"", "Ada"),
            ("name=\"a\"", "1"),
            ("name=a", "two\r\nlines --XX"),
            ("name=\"space_ids[]\"", "7"),
            ("name=\" say \\\"x\\\"\"", "+%41"),
        ]);
        for size in [1, 2, 7, 64, 10_000] {
            let fields = read(body.as_bytes(), size).await.unwrap();
            assert_eq!(fields.len(), 4);
            assert_eq!(fields.text("first_name"), Some(&b"Ada"[..]));
            assert_eq!(fields.text("a"), Some(&b"two\r\nlines --XX"[..]));
            assert_eq!(fields.get("space_ids"), Some(&Field::Array));
            assert_eq!(fields.text("say_\"x\""), Some(&b"+%41"[..]));
        }
    }

    #[tokio::test]
    async fn files_are_skipped() {
        let body = body(&[
            ("name=\"photo\"; filename=\"a.png\"", "not kept"),
            ("name=\"empty\"; filename=\"\"", ""),
            ("name=\"email\"", "a@b.co"),
        ]);
        let fields = read(body.as_bytes(), 10).await.unwrap();
        assert_eq!(fields.len(), 1);
        assert_eq!(fields.text("email"), Some(&b"a@b.co"[..]));
    }

    #[tokio::test]
    async fn values_keep_bytes_that_are_no_text() {
        let mut body = b"--XX\r\ncontent-disposition: form-data; name=p\r\n\r\n".to_vec();
        body.extend_from_slice(b"\0\xff\r\n--XX--");
        let fields = read(&body, 1000).await.unwrap();
        assert_eq!(fields.text("p"), Some(&b"\0\xff"[..]));
    }

    #[tokio::test]
    async fn a_body_over_the_limits_is_refused() {
        let long = "x".repeat(600);
        for name in ["name=a", "name=a; filename=f"] {
            let body = body(&[(name, &long), (name, &long)]);
            let result = read(body.as_bytes(), 50).await;
            assert!(matches!(result, Err(MultipartError::TooLarge)), "{name}");
            let parts = vec![(name, ""); 6];
            let result = read(self::body(&parts).as_bytes(), 50).await;
            assert!(
                matches!(result, Err(MultipartError::TooMany { limit: 5 })),
                "{name}"
            );
        }
        let exact = "x".repeat(LIMITS.max_bytes - 1);
        let fields = read(body(&[("name=a", &exact)]).as_bytes(), 50)
            .await
            .unwrap();
        assert_eq!(fields.text("a"), Some(exact.as_bytes()));
    }

    #[tokio::test]
    async fn a_broken_body_is_malformed() {
        let whole = body(&[("name=a", "1"), ("name=b", "2")]);
        let cut_in_value = &whole[..whole.len() - 12];
        let cut_in_headers = &whole[..20];
        let unended = part("name=a", "1");
        for body in [
            "",
            "a=1",
            cut_in_value,
            cut_in_headers,
            &unended,
            &whole.replace("XX", "YY"),
            &whole.replace("; name=b", ""),
            "--XX\r\n\r\nno headers\r\n--XX--\r\n",
        ] {
            let result = read(body.as_bytes(), 1000).await;
            assert!(
                matches!(result, Err(MultipartError::Malformed(_))),
                "{body:?}: {result:?}"
            );
        }
        for kind in ["multipart/form-data", "multipart/form-data; boundary=\"\""] {
            let result = read_as(kind, whole.as_bytes(), 1000).await;
            assert!(
                matches!(result, Err(MultipartError::Malformed(_))),
                "{kind}"
            );
        }
    }
}
