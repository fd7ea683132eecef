//! Reads multipart forms: the text parts of a `multipart/form-data` body as PHP's `$_POST` holds them.
//!
//! Mirrors `rfc1867_post_handler` of PHP 8.2 to 8.4 with its default settings. No crate reads what it reads: lines that end in LF
//! alone, names in apostrophes, boundaries and parts that no standard allows. Uploaded files are skipped: PHP puts them in
//! `$_FILES`, which the webhook does not read. Where PHP silently keeps half a form, the whole form is refused.

mod disposition;
mod text;

use self::disposition::{Disposition, read_header};
use self::text::{find, is_space, trim_start, until};
use super::fields::{Fields, FormError};

/// PHP's default `max_file_uploads`, which adds to the number of parts that it reads.
const MAX_FILES: usize = 20;
/// PHP's buffer, in bytes: a line without an end counts as a line when it has this length.
const LONGEST_LINE: usize = 5120;
/// The longest boundary that fits into this buffer with what belongs to it.
const LONGEST_BOUNDARY: usize = LONGEST_LINE - 4;

/// The boundary that a `Content-Type` declares, wherever PHP looks for one: behind the first `=` after the word, up to a
/// comma or semicolon unless it is quoted. It may be empty.
pub(super) fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    const WORD: &[u8] = b"boundary";
    let lowercase = content_type.to_ascii_lowercase();
    let at = find(content_type, WORD).or_else(|| find(&lowercase, WORD))?;
    let rest = &content_type[at..];
    let rest = &rest[find(rest, b"=")? + 1..];
    let boundary = match rest.strip_prefix(b"\"") {
        Some(quoted) => &quoted[..find(quoted, b"\"")?],
        None => until(rest, |byte| b",;".contains(&byte)),
    };
    (boundary.len() <= LONGEST_BOUNDARY).then_some(boundary)
}

/// Reads a body into a form, with as many text parts as it has room for.
///
/// Names follow the rules of [`Fields::push`]. Values are taken as they are: PHP ignores a part's own length, charset and
/// transfer encoding.
///
/// # Errors
///
/// See [`FormError`].
pub(super) fn read(body: &[u8], boundary: &[u8], mut fields: Fields) -> Result<Fields, FormError> {
    let max_fields = fields.limit();
    let mut reader = Reader::new(body, boundary);
    let (mut parts, mut files, mut skips_files) = (0, 0, false);
    while reader.enter_part() {
        // PHP passes over a part without this header.
        let Some(disposition) = reader.disposition() else {
            continue;
        };
        parts += 1;
        if parts > max_fields + MAX_FILES {
            return Err(FormError::TooMany { limit: max_fields });
        }
        let Disposition { name, file } = disposition;
        match (name, file) {
            (Some(name), None) => {
                let value = reader.value().ok_or(FormError::Unclosed)?;
                fields.push(&name, value.to_vec())?;
            }
            (None, None) => return Err(FormError::Nameless),
            (name, Some(file)) => {
                // PHP looks for a boundary from a file's first line on if it keeps no file any more.
                let is_odd = name.is_some_and(|name| !has_paired_brackets(&name));
                skips_files |= is_odd || files == MAX_FILES;
                if !skips_files && !file.is_empty() {
                    files += 1;
                    reader.value();
                }
            }
        }
    }
    if reader.is_closed {
        Ok(fields)
    } else {
        Err(FormError::Unclosed)
    }
}

/// What is left of a body.
struct Reader<'a> {
    rest: &'a [u8],
    /// The boundary as it ends a value: after LF and two hyphens.
    delimiter: Vec<u8>,
    longest_line: usize,
    /// Whether the last boundary was a closing one.
    is_closed: bool,
}

impl<'a> Reader<'a> {
    fn new(body: &'a [u8], boundary: &[u8]) -> Self {
        Self {
            rest: body,
            delimiter: [b"\n--", boundary].concat(),
            longest_line: LONGEST_LINE.max(boundary.len() + 10),
            is_closed: false,
        }
    }

    /// The next line, up to a NUL, where C strings end; `None` if no further line ends.
    fn line(&mut self) -> Option<&'a [u8]> {
        let length = self.rest.len().min(self.longest_line);
        let (line, rest) = match find(&self.rest[..length], b"\n") {
            Some(end) => {
                let line = &self.rest[..end];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                (line, &self.rest[end + 1..])
            }
            None if length == self.longest_line => self.rest.split_at(length),
            None => return None,
        };
        self.rest = rest;
        Some(until(line, |byte| byte == 0))
    }

    /// Goes to the headers of the next part, if there is one. It may follow a closing boundary.
    fn enter_part(&mut self) -> bool {
        while let Some(line) = self.line() {
            if line == &self.delimiter[1..] {
                self.is_closed = false;
                return true;
            }
            self.is_closed |= self.closes(line);
        }
        self.is_closed |= self.closes(self.rest);
        false
    }

    fn closes(&self, line: &[u8]) -> bool {
        let rest = line.strip_prefix(&self.delimiter[1..]);
        rest.is_some_and(|rest| rest.starts_with(b"--"))
    }

    /// Reads the headers of a part; returns its first `Content-Disposition`.
    fn disposition(&mut self) -> Option<Disposition> {
        let mut found = None;
        // The header that a line without a colon, or one that begins with a space, continues.
        let mut header: Option<(&[u8], Vec<u8>)> = None;
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let colon = find(line, b":").filter(|_| !is_space(line[0]));
            if let Some(at) = colon {
                let value = trim_start(&line[at + 1..]).to_vec();
                found = found.or(header.replace((&line[..at], value)).and_then(read_header));
            } else if let Some((_, value)) = &mut header {
                value.extend_from_slice(line);
            }
        }
        found.or(header.and_then(read_header))
    }

    /// The bytes up to a boundary, or to anything that begins with one: PHP drops the rest of such a line.
    fn value(&mut self) -> Option<&'a [u8]> {
        let Some(end) = find(self.rest, &self.delimiter) else {
            self.rest = &[];
            return None;
        };
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(value.strip_suffix(b"\r").unwrap_or(value))
    }
}

/// Whether each bracket of a file's name is closed, and followed by another one or nothing.
fn has_paired_brackets(name: &[u8]) -> bool {
    let mut open = 0;
    for (at, byte) in name.iter().enumerate() {
        match byte {
            b'[' => open += 1,
            b']' if open == 0 => return false,
            b']' if !matches!(name.get(at + 1), None | Some(b'[')) => return false,
            b']' => open -= 1,
            _ => {}
        }
    }
    open == 0
}

#[cfg(test)]
mod tests {
    use super::super::body::Kind;
    use super::super::fields::Field;
    use super::*;

    fn read_as(declared: &str, body: &str) -> Result<Fields, FormError> {
        let kind = Kind::of(format!("multipart/form-data; {declared}").as_bytes()).unwrap();
        kind.read(body.as_bytes(), 5)
    }

    fn read(body: &str) -> Result<Fields, FormError> {
        read_as("boundary=XX", body)
    }

    fn part(disposition: &str, value: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
    }

    fn body(parts: &[(&str, &str)]) -> String {
        let parts = parts.iter().map(|(name, value)| part(name, value));
        parts.collect::<String>() + "--XX--\r\n"
    }

    #[test]
    fn parts_are_named_as_php_names_them() {
        // Recorded from PHP 8.2.
        for (disposition, name) in [
            ("name=\"email\"", "email"),
            ("name='email'", "email"),
            ("name=email", "email"),
            ("NAME=email", "email"),
            ("name=email x", "email"),
            ("name= \"email\"", "email"),
            ("name==email", "email"),
            ("x; name=other; name=email;", "email"),
            ("x=\"; name=other\"; name=email", "email"),
            ("name=\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d"),
            ("name='a\\'b'", "a'b"),
            ("name=\"email", "email"),
            ("name=\" first.name\"", "first_name"),
            ("name=\"user[login\"", "user_login"),
            ("name=email; filename*=UTF-8''x", "email"),
            ("\r\n name=email", "email"),
            (
                "name=email\r\nContent-Length: 1\r\nno colon\r\nContent-Disposition: x; name=y",
                "email",
            ),
        ] {
            let fields = read(&body(&[(disposition, "1 2\r\n")])).unwrap();
            assert_eq!(fields.text(name), Some(&b"1 2\r\n"[..]), "{disposition}");
            assert_eq!(fields.len(), 1, "{disposition}");
        }
        let array = read(&body(&[("name=\"a[]\"", "1")])).unwrap();
        assert_eq!(array.get("a"), Some(&Field::Array));
    }

    #[test]
    fn files_and_parts_without_a_disposition_are_skipped() {
        let mut parts = body(&[
            ("name=photo; filename=\"a.png\"", "not\r\n--XXX\r\nkept"),
            ("name=empty; filename=\"\"", ""),
            ("filename=unnamed", "x"),
            ("name=odd]; filename=x", "x"),
            ("name=email", "a@b.co"),
            ("name=email", "last@b.co"),
        ]);
        parts.insert_str(0, "preamble\r\n--XX\r\nA: b\r\n\r\nnot kept\r\n");
        let fields = read(&parts).unwrap();
        assert_eq!(fields.text("email"), Some(&b"last@b.co"[..]));
        assert_eq!(fields.len(), 1);
    }

    #[test]
    fn a_boundary_is_whatever_php_takes_for_one() {
        let whole = body(&[("name=a", "--XX\n--X")]);
        for (declared, boundary) in [
            ("boundary====1:a/b?c(d", "===1:a/b?c(d"),
            ("boundary=XX, boundary=YY", "XX"),
            ("boundary=X X; charset=utf-8", "X X"),
            ("charset=utf-8; BOUNDARY=\"X;X\"", "X;X"),
            ("Boundary=YY; boundary=XX", "XX"),
            ("the boundary is =XX", "XX"),
            ("boundary=", ""),
            ("boundary=\"\"", ""),
        ] {
            for end in ["\r\n", "\n"] {
                let body = whole.replace("XX", boundary).replace("\r\n", end);
                let fields = read_as(declared, &body).unwrap();
                let value = format!("--{boundary}\n--X");
                let expected = if boundary.is_empty() { "--" } else { &value };
                assert_eq!(fields.text("a"), Some(expected.as_bytes()), "{declared}");
            }
        }
        let long = "x".repeat(LONGEST_BOUNDARY);
        let body = whole.replace("XX", &long);
        assert!(read_as(&format!("boundary={long}"), &body).is_ok());
        for declared in [
            "boundary",
            "bound=XX",
            "boundary=\"XX",
            &format!("boundary={long}x"),
        ] {
            let result = read_as(declared, &body);
            assert_eq!(result, Err(FormError::NoBoundary), "{declared}");
        }
    }

    #[test]
    fn lines_end_where_php_ends_them() {
        let long = "x".repeat(LONGEST_LINE);
        for (body, value) in [
            (
                "--XX\0 \r\nContent-Disposition:;name=a\r\n\0\r\nv\r\n--XX--",
                "v",
            ),
            (
                "--XX\nContent-Disposition:;name=a\n\nv\r\r\n--XXX\n\n--XX--",
                "v\r",
            ),
            (
                &format!("{long}--XX\nContent-Disposition:;name=a\n\n{long}\n--XX--"),
                &long,
            ),
        ] {
            let fields = read(body).unwrap();
            assert_eq!(fields.text("a"), Some(value.as_bytes()), "{body}");
        }
    }

    #[test]
    fn half_a_form_is_refused() {
        let whole = body(&[("name=a", "1"), ("name=b", "2")]);
        for (body, error) in [
            ("", FormError::Unclosed),
            ("a=1", FormError::Unclosed),
            (&whole[..whole.len() - 12], FormError::Unclosed),
            (&whole[..20], FormError::Unclosed),
            (&part("name=a", "1"), FormError::Unclosed),
            (
                &format!("{whole}{}", part("name=a", "1")),
                FormError::Unclosed,
            ),
            (&whole.replace("XX", "YY"), FormError::Unclosed),
            (&whole.replace("; name=b", ""), FormError::Nameless),
            (&body(&[("name=a", ""); 6]), FormError::TooMany { limit: 5 }),
            (
                &body(&[("name=a; filename=f", ""); 26]),
                FormError::TooMany { limit: 5 },
            ),
        ] {
            assert_eq!(read(body), Err(error), "{body:?}");
        }
        assert!(read("--XX--").unwrap().is_empty());
        let most = [
            [("name=a", ""); 5].as_slice(),
            &[("name=a; filename=f", ""); 20],
        ]
        .concat();
        assert_eq!(read(&body(&most)).unwrap().len(), 1);
    }
}
