//! The lines of a file: comma-separated values and their relatives, or one JSON object per line.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use serde_json::{Map, Value};

use super::encoding::Decoded;
use super::{Columns, Encoding, FIELDS, Mapping, RosterError};

/// What separates columns, the most usual first.
const DELIMITERS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b';', "semicolons"),
    (b'\t', "tabs"),
    (b'|', "vertical bars"),
];

/// The longest line, in bytes: a quotation mark that does not end must not bring a whole file into memory.
const LONGEST: usize = 1 << 20;
/// How much of a text tells how its lines end, and which names its objects have.
const BEGINNING: u64 = 64 << 10;
/// Names of objects that are looked at.
const MOST_NAMES: usize = 500;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns, with this between them.
    Separated(u8),
    /// A JSON object per line.
    JsonLines,
}

impl Format {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "JSON lines",
            Self::Separated(delimiter) => {
                let known = DELIMITERS.iter().find(|known| known.0 == delimiter);
                known.map_or("one column", |known| known.1)
            }
        }
    }
}

/// What a file turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Its encoding.
    pub encoding: Encoding,
    /// Its format.
    pub format: Format,
    /// Its columns; of JSON, the names in the first objects.
    pub columns: Columns,
    /// The last character of a line.
    line_end: u8,
}

/// One line that is not empty. Holds a password, hence no `Debug`.
pub struct Line {
    /// Its number in the file, from 1; of a value with line breaks, that of its first line.
    pub number: u64,
    /// The values, in the order of [`FIELDS`]; `None` where the file has no such column, or nothing in it.
    pub values: [Option<String>; 5],
    /// It has more values than there are columns, so some may stand in the place of others.
    pub is_shifted: bool,
}

/// Finds out what a file is. Leaves it at its beginning.
///
/// # Errors
/// It cannot be read, is empty, or its columns are not clear.
pub fn recognise(
    file: &mut (impl Read + Seek),
    mappings: &[Mapping],
) -> Result<Recognised, RosterError> {
    let encoding = Encoding::of(file)?;
    let mut beginning = Vec::new();
    let text = Decoded::new(&mut *file, encoding);
    text.take(BEGINNING).read_to_end(&mut beginning)?;
    file.seek(SeekFrom::Start(0))?;
    // Old programs of the Macintosh end lines with CR alone.
    let line_end = if beginning.contains(&b'\r') && !beginning.contains(&b'\n') {
        b'\r'
    } else {
        b'\n'
    };
    let mut records = Records::new(Decoded::new(&mut *file, encoding), line_end);
    let mut first = String::new();
    while first.trim().is_empty() {
        if !records.read_line()? {
            return Err(RosterError::Empty);
        }
        first = String::from_utf8_lossy(&records.line).into_owned();
    }
    drop(records);
    file.seek(SeekFrom::Start(0))?;
    let (format, headings) = if object(&first).is_some() {
        // Some programs leave out what is empty.
        let beginning = String::from_utf8_lossy(&beginning);
        let objects = beginning.split(char::from(line_end)).filter_map(object);
        let mut names: Vec<String> = Vec::new();
        for name in objects.flat_map(|object| object.into_iter().map(|(name, _)| name)) {
            if !names.contains(&name) && names.len() < MOST_NAMES {
                names.push(name);
            }
        }
        (Format::JsonLines, names)
    } else {
        let delimiter = delimiter(&first);
        let mut records = Records::new(Decoded::new(&mut *file, encoding), line_end);
        let mut headings = Vec::new();
        while is_empty(&headings) {
            let next = records.next_values(delimiter)?;
            headings = next.ok_or(RosterError::Empty)?.1;
        }
        let headings: Vec<String> = headings.iter().map(|one| one.trim().to_owned()).collect();
        (Format::Separated(delimiter), headings)
    };
    file.seek(SeekFrom::Start(0))?;
    Ok(Recognised {
        encoding,
        format,
        columns: Columns::of(&headings, mappings)?,
        line_end,
    })
}

/// The delimiter that the line has most of, outside quotation marks.
fn delimiter(line: &str) -> u8 {
    let unquoted: Vec<&str> = line.split('"').step_by(2).collect();
    let count = |delimiter: u8| {
        let count = |part: &&str| part.bytes().filter(|byte| *byte == delimiter).count();
        unquoted.iter().map(count).sum::<usize>()
    };
    let most = DELIMITERS.iter().rev().max_by_key(|known| count(known.0));
    most.map_or(b',', |known| known.0)
}

fn object(line: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(line.trim().trim_end_matches(',')).ok()
}

/// Lines of text. A value in quotation marks may have line breaks.
struct Records<R> {
    text: BufReader<Decoded<R>>,
    line_end: u8,
    /// Lines that have been read.
    passed: u64,
    line: Vec<u8>,
}

impl<R: Read> Records<R> {
    fn new(text: Decoded<R>, line_end: u8) -> Self {
        Self {
            text: BufReader::new(text),
            line_end,
            passed: 0,
            line: Vec::new(),
        }
    }

    /// Reads the next line; `false` at the end.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let most = LONGEST as u64;
        let read = self
            .text
            .by_ref()
            .take(most)
            .read_until(self.line_end, &mut self.line)?;
        self.passed += u64::from(read > 0);
        if read == LONGEST {
            return Err(too_long(self.passed));
        }
        Ok(read > 0)
    }

    /// The values of the next line, or of the next lines if line breaks are quoted, and the number of the first of them.
    fn next_values(&mut self, delimiter: u8) -> io::Result<Option<(u64, Vec<String>)>> {
        let mut splitter = Splitter::new(delimiter);
        let first = self.passed + 1;
        while self.read_line()? {
            splitter.take(&self.line, self.line_end);
            if !splitter.is_quoted {
                return Ok(Some((first, splitter.values())));
            }
            if splitter.value.len() > LONGEST {
                return Err(too_long(first));
            }
        }
        if splitter.is_quoted {
            return Err(io::Error::other(format!(
                "the quotation mark that begins a value in line {first} does not end: everything after it would be that value"
            )));
        }
        Ok((self.passed >= first).then(|| (first, splitter.values())))
    }
}

fn too_long(line: u64) -> io::Error {
    io::Error::other(format!(
        "line {line} is longer than a megabyte: perhaps a quotation mark begins there and does not end"
    ))
}

/// Splits lines into values, as RFC 4180 has it: a value may stand in quotation marks, which are doubled in it.
struct Splitter {
    delimiter: u8,
    values: Vec<String>,
    value: Vec<u8>,
    is_at_start: bool,
    is_quoted: bool,
    /// The quotation mark before may be one of two.
    may_double: bool,
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            values: Vec::new(),
            value: Vec::new(),
            is_at_start: true,
            is_quoted: false,
            may_double: false,
        }
    }

    /// Takes a line with its end, which belongs to a quoted value only.
    fn take(&mut self, line: &[u8], line_end: u8) {
        let bare = line.strip_suffix(&[line_end]).unwrap_or(line);
        for &byte in bare {
            self.take_byte(byte);
        }
        if self.is_quoted {
            self.value.extend(&line[bare.len()..]);
        }
    }

    fn take_byte(&mut self, byte: u8) {
        let was_mark = std::mem::take(&mut self.may_double);
        match byte {
            b'"' if self.is_quoted => {
                self.is_quoted = false;
                self.may_double = true;
            }
            b'"' if was_mark => {
                self.value.push(byte);
                self.is_quoted = true;
            }
            b'"' if self.is_at_start => self.is_quoted = true,
            _ if self.is_quoted => self.value.push(byte),
            _ if byte == self.delimiter => {
                self.end_value();
                self.is_at_start = true;
                return;
            }
            _ => self.value.push(byte),
        }
        self.is_at_start = false;
    }

    fn end_value(&mut self) {
        let value = std::mem::take(&mut self.value);
        self.values
            .push(String::from_utf8_lossy(&value).into_owned());
    }

    fn values(mut self) -> Vec<String> {
        if self.value.last() == Some(&b'\r') {
            self.value.pop();
        }
        self.end_value();
        self.values
    }
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
        Self {
            records: Records::new(Decoded::new(file, recognised.encoding), recognised.line_end),
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
                Format::Separated(delimiter) => self.next_separated(delimiter)?,
                Format::JsonLines => self.next_object()?,
            };
            match read {
                None => return Ok(None),
                Some(line) if line.values.iter().any(Option::is_some) => return Ok(Some(line)),
                Some(_) => {}
            }
        }
    }

    fn next_separated(&mut self, delimiter: u8) -> io::Result<Option<Line>> {
        while !self.headings_passed {
            let Some((_, headings)) = self.records.next_values(delimiter)? else {
                return Ok(None);
            };
            self.headings_passed = !is_empty(&headings);
            self.width = headings.len();
        }
        let next = self.records.next_values(delimiter)?;
        Ok(next.map(|(number, values)| {
            let of_field = |field| value(field, values.get(self.columns.place(field)?)?);
            Line {
                number,
                values: std::array::from_fn(of_field),
                is_shifted: !is_empty(values.get(self.width..).unwrap_or_default()),
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
        }))
    }
}

fn is_empty(values: &[String]) -> bool {
    values.iter().all(|value| value.trim().is_empty())
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

    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn values_are_split_as_by_others(text in "[a,;\"\n]{0,40}") {
            let mut records = Records::new(Decoded::new(text.as_bytes(), Encoding::Utf8), b'\n');
            let mut ours = Vec::new();
            loop {
                match records.next_values(b',') {
                    Ok(Some((_, values))) => ours.push(values),
                    Ok(None) => break,
                    // The other takes the rest for a value in quotation marks.
                    Err(_) => return Ok(()),
                }
            }
            let mut theirs = csv::ReaderBuilder::new();
            let mut theirs = theirs.flexible(true).has_headers(false).from_reader(text.as_bytes());
            let theirs = theirs.records().map(|record| record.unwrap().iter().map(str::to_owned).collect());
            let theirs: Vec<Vec<String>> = theirs.collect();
            let has_text = |values: &Vec<String>| values.iter().any(|value| !value.is_empty());
            ours.retain(has_text);
            prop_assert_eq!(ours, theirs.into_iter().filter(has_text).collect::<Vec<_>>());
        }
    }
}
