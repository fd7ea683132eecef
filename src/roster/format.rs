//! What a file turns out to be: comma-separated values or one of their relatives, or one JSON object per line.

use std::io::{Read, Seek, SeekFrom};

use serde_json::{Map, Value};

use super::encoding::Decoded;
use super::records::{Records, is_empty};
use super::{Columns, Encoding, Mapping, RosterError};
use crate::source::readable;

/// What separates columns, the most usual first.
const DELIMITERS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b';', "semicolons"),
    (b'\t', "tabs"),
    (b'|', "vertical bars"),
];

/// How the files of spreadsheet programs begin, whose own formats are archives.
const WORKBOOKS: [&[u8]; 2] = [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"];

/// How much of a text tells how its lines end.
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
                known.map_or("the character that the first line names", |known| known.1)
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
    /// Its columns; of JSON, the names in its objects.
    pub columns: Columns,
    /// The last character of a line.
    pub(super) line_end: u8,
    /// Whether a line before the headings names the separator, as some programs want it.
    pub(super) names_separator: bool,
}

/// Finds out what a file is. Leaves it at its beginning.
///
/// # Errors
/// It cannot be read, is empty, or its columns are not clear.
pub fn recognise(
    file: &mut (impl Read + Seek),
    mappings: &[Mapping],
) -> Result<Recognised, RosterError> {
    let mut beginning = Vec::new();
    file.take(4).read_to_end(&mut beginning)?;
    file.seek(SeekFrom::Start(0))?;
    if WORKBOOKS.contains(&&beginning[..]) {
        return Err(RosterError::Workbook);
    }
    let encoding = Encoding::of(file)?;
    beginning.clear();
    let text = Decoded::new(&mut *file, encoding);
    text.take(BEGINNING).read_to_end(&mut beginning)?;
    file.seek(SeekFrom::Start(0))?;
    // Old programs of the Macintosh end lines with CR alone.
    let line_end = if beginning.contains(&b'\r') && !beginning.contains(&b'\n') {
        b'\r'
    } else {
        b'\n'
    };
    let mut records = Records::new(Decoded::new(&mut *file, encoding), line_end, b',');
    let mut first = String::new();
    while first.trim().is_empty() {
        if !records.read_line()? {
            return Err(RosterError::Empty);
        }
        first = String::from_utf8_lossy(&records.line).into_owned();
    }
    drop(records);
    file.seek(SeekFrom::Start(0))?;
    let separator = named_separator(&first);
    let (format, headings) = if object(&first).is_some() {
        let mut records = Records::new(Decoded::new(&mut *file, encoding), line_end, b',');
        // Some programs leave out what is empty, so a name may come late.
        let mut names: Vec<String> = Vec::new();
        while records.read_line()? {
            let object = object(&String::from_utf8_lossy(&records.line)).unwrap_or_default();
            for (name, _) in object {
                if !names.contains(&name) && names.len() < MOST_NAMES {
                    names.push(name);
                }
            }
        }
        (Format::JsonLines, names)
    } else if is_json(&first) {
        return Err(RosterError::NoJsonLines);
    } else {
        let delimiter = separator.unwrap_or_else(|| delimiter(&first));
        let text = Decoded::new(&mut *file, encoding);
        let mut records = Records::new(text, line_end, delimiter);
        let mut headings = Vec::new();
        if separator.is_some() {
            records.next_values()?;
        }
        while is_empty(&headings) {
            let next = records.next_values()?;
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
        names_separator: separator.is_some(),
    })
}

/// The separator that a line names, as Excel reads it: `sep=;`.
fn named_separator(line: &str) -> Option<u8> {
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.strip_prefix('"').unwrap_or(line);
    let (name, separator) = line.split_at_checked("sep=".len())?;
    let separator = separator.strip_suffix('"').unwrap_or(separator);
    let is_named = name.eq_ignore_ascii_case("sep=") && separator.is_ascii();
    let &[separator] = separator.as_bytes() else {
        return None;
    };
    (is_named && separator != b'"').then_some(separator)
}

/// Whether a line that is no object begins JSON all the same: a list, or an object over several lines.
fn is_json(line: &str) -> bool {
    let line = line.trim();
    let begins = |bracket: char, next: char| {
        let inside = line.strip_prefix(bracket).map(str::trim_start);
        inside.is_some_and(|inside| inside.is_empty() || inside.starts_with(next))
    };
    begins('[', '{') || begins('{', '"')
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

pub(super) fn object(line: &str) -> Option<Map<String, Value>> {
    let line = line.trim().trim_end_matches(',');
    serde_json::from_slice(&readable(line.as_bytes())).ok()
}
