//! Which encoding a text has, and the text in UTF-8.

use std::io::{self, Read, Seek, SeekFrom};

use encoding_rs::{CoderResult, Decoder, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// The encodings that lists of members have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// With or without a byte order mark.
    Utf8,
    /// Low byte first.
    Utf16Le,
    /// High byte first.
    Utf16Be,
    /// What Western European programs write that know no Unicode; ISO 8859-1 is a part of it.
    Windows1252,
}

impl Encoding {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Windows1252 => "Windows-1252",
        }
    }

    /// Recognises it by a byte order mark, by the zero bytes that every second byte is in UTF-16, or by all of the bytes: text in another
    /// encoding than UTF-8 is not valid there, unless only its end was cut off within a letter. Leaves the file at its beginning.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(file: &mut (impl Read + Seek)) -> io::Result<Self> {
        let mut piece = vec![0; PIECE];
        let length = fill(file, &mut piece)?;
        let beginning = &piece[..length];
        let zeros = |first: usize| {
            beginning
                .iter()
                .skip(first)
                .step_by(2)
                .filter(|byte| **byte == 0)
                .count()
        };
        let half = length / 4;
        let encoding = match encoding_rs::Encoding::for_bom(beginning) {
            Some((found, _)) if found == UTF_16LE => Self::Utf16Le,
            Some((found, _)) if found == UTF_16BE => Self::Utf16Be,
            Some(_) => Self::Utf8,
            None if length > 3 && zeros(1) > half => Self::Utf16Le,
            None if length > 3 && zeros(0) > half => Self::Utf16Be,
            None => {
                file.seek(SeekFrom::Start(0))?;
                if is_utf8(file, &mut piece)? {
                    Self::Utf8
                } else {
                    Self::Windows1252
                }
            }
        };
        file.seek(SeekFrom::Start(0))?;
        Ok(encoding)
    }

    fn decoder(self) -> Decoder {
        match self {
            Self::Utf8 => UTF_8,
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            Self::Windows1252 => WINDOWS_1252,
        }
        .new_decoder_with_bom_removal()
    }
}

/// Reads until the piece is full or the file ends.
fn fill(file: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < piece.len() {
        match file.read(&mut piece[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn is_utf8(file: &mut impl Read, piece: &mut [u8]) -> io::Result<bool> {
    let mut kept = 0;
    let mut is_ascii = true;
    loop {
        let length = kept + fill(file, &mut piece[kept..])?;
        let valid = match std::str::from_utf8(&piece[..length]) {
            Ok(_) => length,
            // A character may go on in the next piece.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        is_ascii &= piece[..valid].is_ascii();
        if length < piece.len() {
            return Ok(valid == length || !is_ascii);
        }
        piece.copy_within(valid..length, 0);
        kept = length - valid;
    }
}

/// The text in UTF-8, without a byte order mark. What cannot be read becomes U+FFFD.
pub(super) struct Decoded<R> {
    file: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    /// The part of `text` that was not read yet.
    unread: std::ops::Range<usize>,
    is_at_end: bool,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(file: R, encoding: Encoding) -> Self {
        Self {
            file,
            decoder: encoding.decoder(),
            raw: vec![0; PIECE],
            text: Vec::new(),
            unread: 0..0,
            is_at_end: false,
        }
    }

    fn decode(&mut self) -> io::Result<()> {
        let length = fill(&mut self.file, &mut self.raw)?;
        self.is_at_end = length < self.raw.len();
        let most = self.decoder.max_utf8_buffer_length(length);
        self.text.resize(most.unwrap_or(length * 4), 0);
        let (result, _, written, _) =
            self.decoder
                .decode_to_utf8(&self.raw[..length], &mut self.text, self.is_at_end);
        debug_assert_eq!(result, CoderResult::InputEmpty);
        self.unread = 0..written;
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() && !self.is_at_end {
            self.decode()?;
        }
        let length = self.unread.len().min(into.len());
        let start = self.unread.start;
        into[..length].copy_from_slice(&self.text[start..start + length]);
        self.unread.start += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(bytes: &[u8]) -> (Encoding, String) {
        let mut file = Cursor::new(bytes);
        let encoding = Encoding::of(&mut file).unwrap();
        let mut text = String::new();
        let mut decoded = Decoded::new(file, encoding);
        decoded.read_to_string(&mut text).unwrap();
        (encoding, text)
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn text_is_read_in_the_encoding_that_it_has() {
        let text = "email;Vorname\nzoë@example.com;Zoë 😀\n".repeat(5_000);
        let plain = "email;name\nann@example.com;Ann\n";
        let with_mark = format!("\u{feff}{text}");
        for (bytes, encoding, expected) in [
            (text.clone().into_bytes(), Encoding::Utf8, &*text),
            (with_mark.clone().into_bytes(), Encoding::Utf8, &text),
            (
                utf16(&with_mark, u16::to_le_bytes),
                Encoding::Utf16Le,
                &text,
            ),
            (
                utf16(&with_mark, u16::to_be_bytes),
                Encoding::Utf16Be,
                &text,
            ),
            (utf16(plain, u16::to_le_bytes), Encoding::Utf16Le, plain),
            (utf16(plain, u16::to_be_bytes), Encoding::Utf16Be, plain),
            (
                b"email;Ort\na@b.org;K\xf6ln \x80\n".to_vec(),
                Encoding::Windows1252,
                "email;Ort\na@b.org;K\u{f6}ln \u{20ac}\n",
            ),
            (Vec::new(), Encoding::Utf8, ""),
        ] {
            assert_eq!(read(&bytes), (encoding, expected.to_owned()));
        }
    }

    /// One bad byte behind everything else decides.
    #[test]
    fn all_of_a_text_says_whether_it_is_utf_8() {
        for length in [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let good = "ö".repeat(length);
            assert_eq!(read(good.as_bytes()).0, Encoding::Utf8);
            let bad = [good.as_bytes(), b"\xf6"].concat();
            assert_eq!(read(&bad).0, Encoding::Windows1252);
            let cut = &good.as_bytes()[..good.len() - 1];
            let expected = format!("{}\u{fffd}", "ö".repeat(length - 1));
            assert_eq!(read(cut), (Encoding::Utf8, expected));
            let plain = ["o".repeat(length).as_bytes(), b"\xc3"].concat();
            assert_eq!(read(&plain).0, Encoding::Windows1252);
        }
    }
}
