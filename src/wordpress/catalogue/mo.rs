//! Parses GNU gettext's binary catalogues as `WP_Translation_File_MO` does: only the singular of each text, and without
//! the hash table.

use std::collections::HashMap;

/// Translations keyed by original text, prefixed with its context and U+0004 if it has one.
pub(super) type Texts = HashMap<String, String>;

/// The texts of a file. `None` if it is not a catalogue, is truncated, or is not UTF-8, which WordPress's catalogues
/// always are.
pub(super) fn parse(file: &[u8]) -> Option<Texts> {
    let number: fn([u8; 4]) -> u32 = match file.get(..4)? {
        [0xde, 0x12, 0x04, 0x95] => u32::from_le_bytes,
        [0x95, 0x04, 0x12, 0xde] => u32::from_be_bytes,
        _ => return None,
    };
    let number_at = |offset: usize| {
        let bytes = file.get(offset..)?.first_chunk()?;
        usize::try_from(number(*bytes)).ok()
    };
    // A table entry: length and offset.
    let text_at = |entry: usize| {
        let (length, start) = (number_at(entry)?, number_at(entry + 4)?);
        let forms = file.get(start..start.checked_add(length)?)?;
        let singular = forms.split(|byte| *byte == 0).next()?;
        str::from_utf8(singular).ok().map(str::to_owned)
    };
    let (count, originals, translations) = (number_at(8)?, number_at(12)?, number_at(16)?);
    // Rejects more entries than the file can hold, whatever its header claims.
    if count > file.len() / 8 {
        return None;
    }
    (0..count)
        .map(|index| {
            let original = text_at(originals + 8 * index)?;
            Some((original, text_at(translations + 8 * index)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    /// A catalogue as `msgfmt` lays it out.
    fn write(texts: &[(&str, &str)], number: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let number = |value: usize| number(u32::try_from(value).unwrap());
        let count = texts.len();
        let mut file = [0x9504_12de, 0, count, 28, 28 + 8 * count, 0, 0]
            .map(number)
            .concat();
        let mut offset = 28 + 16 * count;
        let originals = texts.iter().map(|(original, _)| *original);
        let all: Vec<&str> = originals
            .chain(texts.iter().map(|(_, translation)| *translation))
            .collect();
        for text in &all {
            file.extend([number(text.len()), number(offset)].concat());
            offset += text.len() + 1;
        }
        for text in all {
            file.extend(text.as_bytes());
            file.push(0);
        }
        file
    }

    const TEXTS: [(&str, &str); 4] = [
        ("", "Content-Type: text/plain; charset=UTF-8\n"),
        ("%s comment\0%s comments", "%s Kommentar\0%s Kommentare"),
        ("Name", "Name:"),
        ("name\u{4}Doe", "Müller"),
    ];

    #[test]
    fn both_byte_orders_are_read() {
        for number in [u32::to_le_bytes, u32::to_be_bytes] {
            let texts = parse(&write(&TEXTS, number)).unwrap();
            assert_eq!(texts.len(), 4);
            assert_eq!(texts["%s comment"], "%s Kommentar");
            assert_eq!(texts["name\u{4}Doe"], "Müller");
        }
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        let file = write(&TEXTS, u32::to_le_bytes);
        for length in 0..file.len() - 1 {
            assert_eq!(parse(&file[..length]), None, "{length}");
        }
        let mut latin1 = file;
        let umlaut = latin1.iter().position(|byte| *byte == 0xc3).unwrap();
        latin1[umlaut] = b'M';
        assert_eq!(parse(&latin1), None);
        assert_eq!(parse(b"<?php return [];"), None);
    }

    proptest! {
        #[test]
        fn damaged_catalogues_never_panic(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let mut file = write(&TEXTS, u32::to_le_bytes);
            let at = at.index(file.len());
            file[at] = byte;
            let _ = parse(&file);
        }
    }
}
