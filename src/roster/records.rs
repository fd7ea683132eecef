//! Lines of text, and the values in them.

use std::io::{self, BufRead, BufReader, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::encoding::Decoded;

/// The longest line, in bytes: a quotation mark that does not end must not bring a whole file into memory.
pub(super) const LONGEST: usize = 1 << 20;

/// Lines of text. Of columns, a value in quotation marks may have line breaks.
pub(super) struct Records<R> {
    text: BufReader<Decoded<R>>,
    line_end: u8,
    /// Lines that have been read.
    pub(super) passed: u64,
    pub(super) line: Vec<u8>,
    delimiter: u8,
    splitter: Reader,
    /// The values of a record, one after the other, and where each ends.
    values: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: Read> Records<R> {
    /// Where there are no columns, the delimiter does not matter.
    pub(super) fn new(text: Decoded<R>, line_end: u8, delimiter: u8) -> Self {
        let mut splitter = ReaderBuilder::new();
        splitter
            .delimiter(delimiter)
            .terminator(Terminator::Any(line_end));
        Self {
            text: BufReader::new(text),
            line_end,
            passed: 0,
            line: Vec::new(),
            delimiter,
            splitter: splitter.build(),
            values: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Reads the next line; `false` at the end.
    pub(super) fn read_line(&mut self) -> io::Result<bool> {
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

    /// The values of the next line that is not empty, or of the next lines if line breaks are quoted, and the number of the first of them.
    pub(super) fn next_values(&mut self) -> io::Result<Option<(u64, Vec<String>)>> {
        self.line.clear();
        while self.line.trim_ascii_end().is_empty() {
            if !self.read_line()? {
                return Ok(None);
            }
        }
        // The splitter counts no empty lines, so it gets one line after the other, and these are counted here.
        let first = self.passed;
        let (mut length, mut count) = (0, 0);
        loop {
            if self.line.last() != Some(&self.line_end) {
                self.line.push(self.line_end);
            }
            // As much room as the line can need, so that the splitter never stops for want of any.
            let delimiters = self.line.iter().filter(|byte| **byte == self.delimiter);
            self.ends.resize(count + delimiters.count() + 2, 0);
            self.values.resize(length + self.line.len() + 1, 0);
            let (values, ends) = (&mut self.values[length..], &mut self.ends[count..]);
            let (result, _, written, ended) = self.splitter.read_record(&self.line, values, ends);
            (length, count) = (length + written, count + ended);
            if matches!(result, ReadRecordResult::Record) {
                return Ok(Some((first, self.texts(count))));
            }
            if length > LONGEST {
                return Err(too_long(first));
            }
            if !self.read_line()? {
                return Err(io::Error::other(format!(
                    "the quotation mark that begins a value in line {first} does not end: everything after it would be that value"
                )));
            }
        }
    }

    fn texts(&self, count: usize) -> Vec<String> {
        let mut start = 0;
        let mut texts: Vec<String> = self.ends[..count]
            .iter()
            .map(|&end| {
                let value = &self.values[start..end];
                start = end;
                String::from_utf8_lossy(value).into_owned()
            })
            .collect();
        if let Some(last) = texts.last_mut() {
            // Of a line that ends with CR LF.
            last.truncate(last.strip_suffix('\r').unwrap_or(last).len());
        }
        texts
    }
}

fn too_long(line: u64) -> io::Error {
    io::Error::other(format!(
        "line {line} is longer than a megabyte: perhaps a quotation mark begins there and does not end"
    ))
}

pub(super) fn is_empty(values: &[String]) -> bool {
    values.iter().all(|value| value.trim().is_empty())
}
