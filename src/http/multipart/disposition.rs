//! The header that names a part of a form.

use super::text::{is_space, trim_start, until};

/// A part's name, and that of its file.
#[derive(Default)]
pub(super) struct Disposition {
    pub(super) name: Option<Vec<u8>>,
    pub(super) file: Option<Vec<u8>>,
}

/// Reads a header of a part.
pub(super) fn read_header((key, value): (&[u8], Vec<u8>)) -> Option<Disposition> {
    if !key.eq_ignore_ascii_case(b"Content-Disposition") {
        return None;
    }
    let mut disposition = Disposition::default();
    let mut rest = trim_start(&value);
    while !rest.is_empty() {
        let mut pair = word(&mut rest, b';');
        rest = trim_start(rest);
        if !pair.contains(&b'=') {
            continue;
        }
        let key = word(&mut pair, b'=');
        if key.eq_ignore_ascii_case(b"name") {
            disposition.name = Some(unquote(pair));
        } else if key.eq_ignore_ascii_case(b"filename") {
            disposition.file = Some(unquote(pair));
        }
    }
    Some(disposition)
}

/// Takes the text up to `stop`, which does not count within quotes, and drops every `stop` that follows.
fn word<'a>(text: &mut &'a [u8], stop: u8) -> &'a [u8] {
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match quote {
            None if byte == stop => break,
            None if is_quote(byte) => quote = Some(byte),
            Some(end) if byte == b'\\' && text.get(at + 1) == Some(&end) => at += 1,
            Some(end) if byte == end => quote = None,
            _ => {}
        }
        at += 1;
    }
    let (word, rest) = text.split_at(at);
    let stops = rest.iter().take_while(|&&byte| byte == stop).count();
    *text = &rest[stops..];
    word
}

/// A parameter's value: what is quoted, or the first word.
fn unquote(text: &[u8]) -> Vec<u8> {
    let text = trim_start(text);
    let quote = text.first().copied().filter(|&first| is_quote(first));
    let text = match quote {
        Some(_) => &text[1..],
        None => until(text, is_space),
    };
    let mut value = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next().filter(|&byte| Some(byte) != quote) {
        let escaped = |next: &u8| *next == b'\\' || Some(*next) == quote;
        let is_escape = byte == b'\\';
        value.push(
            is_escape
                .then(|| bytes.next_if(escaped))
                .flatten()
                .unwrap_or(byte),
        );
    }
    value
}

fn is_quote(byte: u8) -> bool {
    b"\"'".contains(&byte)
}
