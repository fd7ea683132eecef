//! The lines of a file, and which of their values are fields.

use std::io::{self, Read};

use serde_json::Value;

use super::encoding::Decoded;
use super::format::object;
use super::records::{Records, is_empty};
use super::{Columns, FIELDS, Format, Recognised};

/// One line that is not empty. Holds a password, hence no `Debug`.
pub struct Line {
    /// Its number in the file, from 1; of a value with line breaks, that of its first line.
    pub number: u64,
    /// The values, in the order of [`FIELDS`]; `None` where the file has no such column, or nothing in it.
    pub values: [Option<String>; 5],
    /// It has more values than there are columns, so some may stand in the place of others.
    pub is_shifted: bool,
    /// Its password is in a column that has the name of WordPress's own, in which hashes are.
    pub may_be_hash: bool,
}

/// The lines of a file, one after the other.
pub struct Lines<R> {
    records: Records<R>,
    format: Format,
    columns: Columns,
    /// Of JSON, the name of each field.
    names: [Option<String>; 5],
    headings_passed: bool,
    /// The number of headings.
    width: usize,
}

impl<R: Read> Lines<R> {
    /// From the beginning of a file that was recognised.
    pub fn of(file: R, recognised: &Recognised) -> Self {
        let columns = recognised.columns.clone();
        let name = |field: &str| {
            let used = columns.used.iter().find(|used| used.0 == field);
            used.map(|used| used.1.clone())
        };
        let delimiter = match recognised.format {
            Format::Separated(delimiter) => delimiter,
            Format::JsonLines => b',',
        };
        let text = Decoded::new(file, recognised.encoding);
        Self {
            records: Records::new(text, recognised.line_end, delimiter),
            format: recognised.format,
            names: FIELDS.map(name),
            columns,
            headings_passed: false,
            width: 0,
        }
    }

    /// The next line that is not empty.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let read = match self.format {
                Format::Separated(_) => self.next_separated()?,
                Format::JsonLines => self.next_object()?,
            };
            match read {
                None => return Ok(None),
                Some(line) if line.values.iter().any(Option::is_some) => return Ok(Some(line)),
                Some(_) => {}
            }
        }
    }

    fn next_separated(&mut self) -> io::Result<Option<Line>> {
        while !self.headings_passed {
            let Some((_, headings)) = self.records.next_values()? else {
                return Ok(None);
            };
            self.headings_passed = !is_empty(&headings);
            self.width = headings.len();
        }
        let next = self.records.next_values()?;
        Ok(next.map(|(number, values)| {
            let of_field = |field| value(field, values.get(self.columns.place(field)?)?);
            Line {
                number,
                values: std::array::from_fn(of_field),
                is_shifted: !is_empty(values.get(self.width..).unwrap_or_default()),
                may_be_hash: self.columns.may_be_hashes(),
            }
        }))
    }

    fn next_object(&mut self) -> io::Result<Option<Line>> {
        if !self.records.read_line()? {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&self.records.line);
        let object = object(&text).unwrap_or_default();
        let of_field = |field: usize| match object.get(self.names[field].as_deref()?)? {
            Value::String(text) => value(field, text),
            Value::Number(number) => value(field, &number.to_string()),
            _ => None,
        };
        let mut values: [Option<String>; 5] = std::array::from_fn(of_field);
        // A line that is no object is one without an address, and not an empty one.
        if !text.trim().is_empty() && values.iter().all(Option::is_none) {
            values[0] = Some(String::new());
        }
        Ok(Some(Line {
            number: self.records.passed,
            values,
            is_shifted: false,
            may_be_hash: self.columns.may_be_hashes(),
        }))
    }
}

/// Blanks around a value are not its own, unless it is a password.
fn value(field: usize, text: &str) -> Option<String> {
    let text = if FIELDS[field] == "user_password" {
        text
    } else {
        text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}')
    };
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::records::LONGEST;
    use super::super::{RosterError, recognise};
    use super::*;

    fn read(text: &[u8]) -> (Recognised, Vec<(u64, Vec<String>)>) {
        let mut file = Cursor::new(text);
        let recognised = recognise(&mut file, &[]).unwrap();
        let mut lines = Lines::of(file, &recognised);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let values = line.values.into_iter().map(Option::unwrap_or_default);
            all.push((line.number, values.collect()));
        }
        (recognised, all)
    }

    #[test]
    fn a_name_that_comes_late_counts() {
        let mut text = "{\"email\": \"a@example.com\"}\n".repeat(4_000);
        text.push_str("{\"email\": \"b@example.com\", \"last_name\": \"Late\"}\n");
        let (_, all) = read(text.as_bytes());
        assert_eq!(all.last().unwrap().1[..3], ["b@example.com", "", "Late"]);
    }

    #[test]
    fn lines_are_read_as_programs_write_them() {
        let ann = |number: u64| {
            (
                number,
                ["ann@example.com", "Ann", "O'Neil, \"x\"\ny", "", ""]
                    .map(str::to_owned)
                    .to_vec(),
            )
        };
        for (text, format) in [
            (&b"email,first_name,last_name\nann@example.com,Ann,\"O'Neil, \"\"x\"\"\ny\"\n"[..], Format::Separated(b',')),
            (b"email;first_name;last_name\r\n ann@example.com ;Ann;\"O'Neil, \"\"x\"\"\ny\"", Format::Separated(b';')),
            (b"\xef\xbb\xbfemail\tfirst_name\tlast_name\nann@example.com\tAnn\t\"O'Neil, \"\"x\"\"\ny\"\n", Format::Separated(b'\t')),
            (b"\"a, b, c\"|email|first_name|last_name\n|ann@example.com|Ann|\"O'Neil, \"\"x\"\"\ny\"\n", Format::Separated(b'|')),
        ] {
            let (recognised, lines) = read(text);
            assert_eq!((recognised.format, lines), (format, vec![ann(2)]));
        }
        let json = b"{\"email\":\"ann@example.com\",\"first_name\":\"Ann\",\"last_name\":\"O'Neil, \\\"x\\\"\\ny\"}\n\n";
        assert_eq!(read(json).1, [ann(1)]);
    }

    #[test]
    fn what_stands_in_the_place_of_something_else_is_told() {
        let text =
            b"email,last_name,first_name\na@example.org,Lee, Jr.,Ann\nb@example.org,Lee,Bob,,\n";
        let mut file = Cursor::new(text);
        let recognised = recognise(&mut file, &[]).unwrap();
        let mut lines = Lines::of(file, &recognised);
        let shifted = std::iter::from_fn(|| lines.next_line().unwrap()).map(|line| line.is_shifted);
        assert_eq!(shifted.collect::<Vec<_>>(), [true, false]);

        let text = b"email,first_name\na@example.org,\"Ann\nb@example.org,Bob\n";
        let mut lines = Lines::of(
            Cursor::new(text),
            &recognise(&mut Cursor::new(text), &[]).unwrap(),
        );
        let said = lines.next_line().err().unwrap().to_string();
        assert!(said.contains("line 2 does not end"), "{said}");
    }

    #[test]
    fn objects_may_leave_out_what_is_empty() {
        let text =
            b"{\"email\":\"a@example.org\"}\n{\"email\":\"b@example.org\",\"last_name\":\"Lee\"}\n";
        assert_eq!(read(text).1[1].1[2], "Lee");
    }

    #[test]
    fn empty_and_short_lines_keep_their_numbers() {
        let (recognised, lines) = read(b"email\na@example.org\n\n  \nb@example.org\n");
        assert_eq!(recognised.format, Format::Separated(b','));
        let numbers: Vec<u64> = lines.iter().map(|line| line.0).collect();
        assert_eq!(numbers, [2, 5]);
        let (_, lines) = read(b"first_name,email\nAnn\nBob,b@example.org,more\n");
        assert_eq!((lines[0].0, lines[0].1[0].as_str()), (2, ""));
        assert_eq!((lines[1].0, lines[1].1[0].as_str()), (3, "b@example.org"));
        let (_, lines) = read(b"{\"email\":\"a@example.org\"}\nnonsense\n{\"email\":7}\n");
        assert_eq!(lines.len(), 3);
        let (_, lines) =
            read(b"\nemail,first_name\r\na@example.org,\"A\r\nB\"\r\n\r\nb@example.org,B\r\n");
        let lines: Vec<(u64, &str)> = lines.iter().map(|line| (line.0, &*line.1[1])).collect();
        assert_eq!(lines, [(3, "A\r\nB"), (6, "B")]);
        let (_, lines) = read(b"email;first_name\ra@example.org;A\rb@example.org;B\r");
        assert_eq!((lines[1].0, &*lines[1].1[1]), (3, "B"));
        let empty = recognise(&mut Cursor::new(b"\n \n"), &[]).unwrap_err();
        assert!(matches!(empty, RosterError::Empty));
    }

    #[test]
    fn a_quotation_mark_that_does_not_end_is_told_and_not_read_into_memory() {
        let text = format!(
            "email,first_name\na@example.org,\"{}",
            "A\n".repeat(LONGEST)
        );
        let mut file = Cursor::new(text.as_bytes());
        let recognised = recognise(&mut file, &[]).unwrap();
        let mut lines = Lines::of(file, &recognised);
        let error = lines.next_line().err().unwrap().to_string();
        assert!(error.contains("line 2 is longer"), "{error}");
    }
}
