//! What a file turns out to be: comma-separated values or one of their relatives, or one JSON object per line.

use std::io::{Read, Seek, SeekFrom};

use serde_json::{Map, Value};

use super::encoding::Decoded;
use super::records::{Records, is_empty};
use super::{Columns, Encoding, Mapping, RosterError};

/// What separates columns, the most usual first.
const DELIMITERS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b';', "semicolons"),
    (b'\t', "tabs"),
    (b'|', "vertical bars"),
];

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
    /// Its columns; of JSON, the names in its objects.
    pub columns: Columns,
    /// The last character of a line.
    pub(super) line_end: u8,
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
    } else {
        let delimiter = delimiter(&first);
        let text = Decoded::new(&mut *file, encoding);
        let mut records = Records::new(text, line_end, delimiter);
        let mut headings = Vec::new();
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

pub(super) fn object(line: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(line.trim().trim_end_matches(',')).ok()
}
