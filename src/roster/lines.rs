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
    /// Why its values are not to be used.
    pub flaw: Option<LineFlaw>,
    /// Its password is in a column that has the name of WordPress's own, in which hashes are.
    pub may_be_hash: bool,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFlaw {
    /// Some values may stand in the place of others.
    #[error("it has more values than there are columns: perhaps one has to be in quotation marks")]
    Shifted,
    /// Among lines that are.
    #[error("it is no JSON object")]
    NoObject,
}

/// The lines of a file, one after the other.
pub struct Lines<R> {
    records: Records<R>,
    format: Format,
    columns: Columns,
    /// Of JSON, the name of each field.
    names: [Option<String>; 5],
    /// Lines before the first one with values.
    to_pass: u8,
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
            to_pass: 1 + u8::from(recognised.names_separator),
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
        while self.to_pass > 0 {
            let Some((_, headings)) = self.records.next_values()? else {
                return Ok(None);
            };
            self.to_pass -= u8::from(!is_empty(&headings));
            self.width = headings.len();
        }
        let next = self.records.next_values()?;
        Ok(next.map(|(number, values)| {
            let of_field = |field| value(field, values.get(self.columns.place(field)?)?);
            let is_shifted = !is_empty(values.get(self.width..).unwrap_or_default());
            Line {
                number,
                values: some_or_no_address(std::array::from_fn(of_field), !is_empty(&values)),
                flaw: is_shifted.then_some(LineFlaw::Shifted),
                may_be_hash: self.columns.may_be_hashes(),
            }
        }))
    }

    fn next_object(&mut self) -> io::Result<Option<Line>> {
        if !self.records.read_line()? {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&self.records.line);
        let object = object(&text);
        let flaw = object.is_none().then_some(LineFlaw::NoObject);
        let object = object.unwrap_or_default();
        let of_field = |field: usize| match object.get(self.names[field].as_deref()?)? {
            Value::String(text) => value(field, text),
            Value::Number(number) => value(field, &number.to_string()),
            _ => None,
        };
        let has_some = !text.trim().is_empty();
        Ok(Some(Line {
            number: self.records.passed,
            values: some_or_no_address(std::array::from_fn(of_field), has_some),
            flaw,
            may_be_hash: self.columns.may_be_hashes(),
        }))
    }
}

/// A line that has something, but nothing for a call, is one without an address, and not an empty one.
fn some_or_no_address(mut values: [Option<String>; 5], has_some: bool) -> [Option<String>; 5] {
    if has_some && values.iter().all(Option::is_none) {
        values[0] = Some(String::new());
    }
    values
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
        let flaws = std::iter::from_fn(|| lines.next_line().unwrap()).map(|line| line.flaw);
        assert_eq!(flaws.collect::<Vec<_>>(), [Some(LineFlaw::Shifted), None]);

        let text = b"email,first_name\na@example.org,\"Ann\nb@example.org,Bob\n";
        let mut lines = Lines::of(
            Cursor::new(text),
            &recognise(&mut Cursor::new(text), &[]).unwrap(),
        );
        let said = lines.next_line().err().unwrap().to_string();
        assert!(said.contains("line 2 does not end"), "{said}");
    }

    #[test]
    fn a_line_that_is_no_object_is_told_and_half_a_character_is_no_reason() {
        let text = b"{\"email\":\"a@example.org\"}\n{\"email\":\"b@example.org\"\n{\"email\":\"c@example.org\",\"note\":\"\\ud83d\",\"n\":1e999}\n";
        let recognised = recognise(&mut Cursor::new(text), &[]).unwrap();
        let mut lines = Lines::of(Cursor::new(text), &recognised);
        let read = std::iter::from_fn(|| lines.next_line().unwrap());
        let read: Vec<_> = read
            .map(|line| (line.number, line.flaw, line.values[0].clone().unwrap()))
            .collect();
        let expected = [
            (1, None, "a@example.org"),
            (2, Some(LineFlaw::NoObject), ""),
            (3, None, "c@example.org"),
        ];
        assert_eq!(
            read,
            expected.map(|(n, flaw, email)| (n, flaw, email.to_owned()))
        );
    }

    #[test]
    fn a_first_line_that_names_the_separator_is_none_with_headings() {
        for text in [
            &b"sep=;\r\nname;email\r\nA, B;a@example.org\r\n"[..],
            b"\xef\xbb\xbf\"sep=|\"\n\nname|email\nA, B|a@example.org\n",
            b"SEP=^\nname^email\nA, B^a@example.org\n",
        ] {
            let (recognised, lines) = read(text);
            assert!(recognised.columns.ignored == ["name"] && lines.len() == 1);
            assert_eq!(lines[0].1[0], "a@example.org");
        }
    }

    #[test]
    fn what_is_no_list_is_told_with_what_to_do() {
        for (text, told) in [
            (&b"PK\x03\x04\x14\0\x06\0"[..], "save it as CSV"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as CSV"),
            (
                b"[\n{\"email\":\"a@example.org\"}\n]\n",
                "one JSON object in each line",
            ),
            (
                b"[{\"email\":\"a@example.org\"}]",
                "one JSON object in each line",
            ),
            (
                b"{\n  \"email\": \"a@example.org\"\n}\n",
                "one JSON object in each line",
            ),
        ] {
            let error = recognise(&mut Cursor::new(text), &[])
                .unwrap_err()
                .to_string();
            assert!(error.contains(told), "{error}");
        }
        let (recognised, _) = read(b"[ID],{x},email\n1,2,a@example.org\n");
        assert_eq!(recognised.columns.ignored, ["[ID]", "{x}"]);
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
        let (_, lines) = read(b"email;note;x\na@example.org;;\n;Ann;\n;;\n;;;\n ; ;7\n");
        let numbers: Vec<u64> = lines.iter().map(|line| line.0).collect();
        assert_eq!(numbers, [2, 3, 6]);
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
