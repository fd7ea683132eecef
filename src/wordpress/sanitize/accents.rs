//! Transliterates text to ASCII: `remove_accents` (5.9 – 7.1), its table and its differences by locale and release.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::Rules;
use crate::wordpress::version::Version;

/// Columns: code point, default, `de`, `da_DK`, `sr_RS` and `bs_BA` (`=` means default), first release.
static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    include_str!("remove_accents.tsv")
        .lines()
        .skip(1)
        .map(Row::parse)
        .collect()
});

struct Row {
    char: char,
    /// In the order default, German, Danish, Serbian.
    replacements: [&'static str; 4],
    since: Version,
}

impl Row {
    fn parse(line: &'static str) -> Self {
        let mut columns = line.split('\t');
        let mut next = || columns.next().expect("the table has six columns");
        let code = u32::from_str_radix(next(), 16).expect("code points are hexadecimal");
        let default = next();
        let mut or_default = || match next() {
            "=" => default,
            own => own,
        };
        Self {
            char: char::from_u32(code).expect("code points are scalar values"),
            replacements: [default, or_default(), or_default(), or_default()],
            since: next().parse().expect("releases are versions"),
        }
    }
}

/// WordPress's `remove_accents`. Letters without an entry, such as those of other scripts, are kept.
///
/// Bytes that are not UTF-8 are treated as Windows-1252. Assumes that PHP has its intl extension where the release uses
/// it.
#[must_use]
pub fn remove_accents(text: &[u8], rules: &Rules<'_>) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_vec();
    }
    let version = rules.version;
    match std::str::from_utf8(text) {
        Ok(text) if version.normalises_to_nfc() => {
            transliterate(&text.nfc().collect::<String>(), rules).into_bytes()
        }
        Ok(text) => transliterate(text, rules).into_bytes(),
        Err(_) if version.requires_well_formed_utf8() || !looks_like_utf8(text) => {
            from_windows_1252(text)
        }
        // Normalising fails on input that only looks like UTF-8, and PHP continues with an empty text.
        Err(_) if version.normalises_to_nfc() => Vec::new(),
        Err(_) => transliterate_chunks(text, rules),
    }
}

fn transliterate(text: &str, rules: &Rules<'_>) -> String {
    let column = column(rules);
    let mut result = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        let catalan = char == 'l' && rules.locale == "ca";
        if catalan && let Some(after) = rest.as_str().strip_prefix("·l") {
            result.push_str("ll");
            rest = after.chars();
        } else if char.is_ascii() {
            result.push(char);
        } else {
            match replacement(char, column, rules.version) {
                Some(replacement) => result.push_str(replacement),
                None => result.push(char),
            }
        }
    }
    result
}

/// Like [`transliterate`], but keeps invalid bytes in between unchanged.
fn transliterate_chunks(text: &[u8], rules: &Rules<'_>) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        result.extend(transliterate(chunk.valid(), rules).into_bytes());
        result.extend(chunk.invalid());
    }
    result
}

fn replacement(char: char, column: usize, version: Version) -> Option<&'static str> {
    let at = TABLE.binary_search_by_key(&char, |row| row.char).ok()?;
    let row = &TABLE[at];
    (version >= row.since).then_some(row.replacements[column])
}

fn column(rules: &Rules<'_>) -> usize {
    match rules.locale {
        "de_DE" | "de_DE_formal" | "de_CH" | "de_CH_informal" | "de_AT" => 1,
        de if de.starts_with("de") && rules.version.treats_every_german_locale_alike() => 1,
        "da_DK" => 2,
        "sr_RS" | "bs_BA" => 3,
        _ => 0,
    }
}

/// The UTF-8 check of releases before 6.9: each lead byte must be followed by the announced number of continuation
/// bytes, which admits overlong forms, surrogates and sequences of five and six bytes.
fn looks_like_utf8(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(lead) = bytes.next() {
        let continuations = match lead {
            0x00..=0x7F => 0,
            0xC0..=0xDF => 1,
            0xE0..=0xEF => 2,
            0xF0..=0xF7 => 3,
            0xF8..=0xFB => 4,
            0xFC..=0xFD => 5,
            _ => return false,
        };
        let is_continuation = |byte: &u8| byte & 0xC0 == 0x80;
        if !(0..continuations).all(|_| bytes.next().is_some_and(is_continuation)) {
            return false;
        }
    }
    true
}

fn from_windows_1252(text: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    for byte in text {
        let ascii: &[u8] = match byte {
            0x80 | 0xC8..=0xCB => b"E",
            0x83 => b"f",
            0x8A => b"S",
            0x8C => b"OE",
            0x8E => b"Z",
            0x9A => b"s",
            0x9C => b"oe",
            0x9E => b"z",
            0x9F | 0xA5 | 0xDD => b"Y",
            0xA2 | 0xE7 => b"c",
            0xB5 | 0xF9..=0xFC => b"u",
            0xC0..=0xC5 => b"A",
            0xC6 => b"AE",
            0xC7 => b"C",
            0xCC..=0xCF => b"I",
            0xD0 => b"DH",
            0xD1 => b"N",
            0xD2..=0xD6 | 0xD8 => b"O",
            0xD9..=0xDC => b"U",
            0xDE => b"TH",
            0xDF => b"ss",
            0xE0..=0xE5 => b"a",
            0xE6 => b"ae",
            0xE8..=0xEB => b"e",
            0xEC..=0xEF => b"i",
            0xF0 => b"dh",
            0xF1 => b"n",
            0xF2..=0xF6 | 0xF8 => b"o",
            0xFD | 0xFF => b"y",
            0xFE => b"th",
            other => std::slice::from_ref(other),
        };
        result.extend_from_slice(ascii);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(text: &[u8], locale: &str, version: &str) -> Vec<u8> {
        let rules = Rules {
            locale,
            version: version.parse().unwrap(),
            multisite: false,
        };
        remove_accents(text, &rules)
    }

    #[test]
    fn the_table_is_sorted_for_searching() {
        assert_eq!(TABLE.len(), 312);
        assert!(TABLE.is_sorted_by(|a, b| a.char < b.char));
    }

    #[test]
    fn letters_become_ascii_and_other_scripts_stay() {
        for (text, result) in [
            ("ßÆŒØÅÞðŁĐ€ıİŉ£", "sAEOEOATHdLDEiIn"),
            ("ẞﬁ№ə·", "ẞﬁ№ə·"),
            ("張三 Иван محمد", "張三 Иван محمد"),
            ("Nguyễn Thị", "Nguyen Thi"),
            ("\u{212B}", "A"),
        ] {
            let removed = removed(text.as_bytes(), "en_US", "7.1");
            assert_eq!(String::from_utf8_lossy(&removed), result, "{text}");
        }
    }

    #[test]
    fn locales_and_releases_differ() {
        for (text, locale, version, result) in [
            ("ÄÖÜäöüß", "de_DE", "5.9", "AeOeUeaeoeuess"),
            ("ä", "de_LU", "5.9", "a"),
            ("ä", "de_LU", "6.0", "ae"),
            ("ẞ", "de_DE", "6.9", "ẞ"),
            ("ẞ", "de_DE", "7.0", "SS"),
            ("ÆØÅæøå", "da_DK", "7.1", "AeOeAaaeoeaa"),
            ("Đđ", "sr_RS", "7.1", "DJdj"),
            ("Đđ", "bs_BA", "7.1", "DJdj"),
            ("col·lega l·l·l", "ca", "7.1", "collega ll·l"),
            ("col·lega", "ca_ES", "7.1", "col·lega"),
            ("Əǝ", "en_US", "6.2", "Əǝ"),
            ("Əǝ", "en_US", "6.3", "Ee"),
            ("e\u{301}ric", "en_US", "6.0", "e\u{301}ric"),
            ("e\u{301}ric", "en_US", "6.1", "eric"),
        ] {
            let removed = removed(text.as_bytes(), locale, version);
            let removed = String::from_utf8_lossy(&removed);
            assert_eq!(removed, result, "{text} {locale} {version}");
        }
    }

    #[test]
    fn other_bytes_are_read_as_windows_1252() {
        assert_eq!(removed(b"caf\xE9", "en_US", "7.1"), b"cafe");
        assert_eq!(removed(b"caf\xE9", "en_US", "5.9"), b"cafe");
        let table = b"\x80\x83\x8A\x8E\x9A\x9E\x9F\xA2\xA5\xB5\xD8\x8C\x9C\xC6\xD0\xDE\xDF\xE6\xF0\xFE\xFF\x81";
        assert_eq!(
            removed(table, "en_US", "7.1"),
            b"EfSZszYcYuOOEoeAEDHTHssaedhthy\x81"
        );
    }

    #[test]
    fn overlong_forms_count_as_utf8_before_6_9() {
        let overlong = b"\xC3\xA9\xC0\x80";
        assert_eq!(removed(overlong, "en_US", "6.0"), b"e\xC0\x80");
        assert_eq!(removed(overlong, "en_US", "6.8"), b"");
        assert_eq!(removed(overlong, "en_US", "6.9"), b"A\xA9AE");
    }
}
