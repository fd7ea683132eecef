//! Removes markup: PHP's `strip_tags` (8.2) and WordPress's `wp_strip_all_tags` around it.

use crate::wordpress::php::loose::trim;

/// WordPress's `wp_strip_all_tags` without its option to remove line breaks: script and style blocks are removed with
/// their content, other tags without it; then the text is trimmed.
#[must_use]
pub fn strip_all_tags(text: &[u8]) -> Vec<u8> {
    // Neither function changes a text without one of these bytes.
    if !text.contains(&b'<') && !text.contains(&b'\0') {
        return trim(text).to_vec();
    }
    trim(&strip_tags(&remove_blocks(text))).to_vec()
}

/// Removes `<script…>…</script>` and `<style…>…</style>`, in any case and across lines. An unclosed block is kept.
fn remove_blocks(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut rest = text;
    // A missing closing tag is missing for every later block too; remembering that keeps hostile input linear.
    let mut unclosed = [false; 2];
    while let Some(open) = rest.iter().position(|&byte| byte == b'<') {
        kept.extend_from_slice(&rest[..open]);
        rest = &rest[open..];
        let length = block_length(rest, &mut unclosed);
        if length.is_none() {
            kept.push(b'<');
        }
        rest = &rest[length.unwrap_or(1)..];
    }
    kept.extend_from_slice(rest);
    kept
}

/// The length of the block that opens at the start of the text.
fn block_length(text: &[u8], unclosed: &mut [bool; 2]) -> Option<usize> {
    const BLOCKS: [(&[u8], &[u8]); 2] = [(b"<script", b"</script>"), (b"<style", b"</style>")];
    let kind = BLOCKS.iter().position(|(open, _)| {
        let start = text.get(..open.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(open))
    })?;
    if unclosed[kind] {
        return None;
    }
    let (open, close) = BLOCKS[kind];
    let length = text[open.len()..]
        .iter()
        .position(|&byte| byte == b'>')
        .and_then(|end| {
            let content = open.len() + end + 1;
            let at = text[content..]
                .windows(close.len())
                .position(|bytes| bytes.eq_ignore_ascii_case(close))?;
            Some(content + at + close.len())
        });
    unclosed[kind] = length.is_none();
    length
}

/// PHP's `strip_tags` without allowed tags: a state machine for tags, PHP code, declarations and comments.
#[must_use]
pub fn strip_tags(text: &[u8]) -> Vec<u8> {
    let mut machine = Machine::default();
    let mut kept = Vec::with_capacity(text.len());
    for at in 0..text.len() {
        if machine.step(text, at) {
            kept.push(text[at]);
        }
    }
    kept
}

#[derive(Copy, Clone, Default, PartialEq)]
enum State {
    #[default]
    Text,
    Tag,
    Php,
    Declaration,
    Comment,
}

/// Quotes and depth persist across state changes, as in PHP.
#[derive(Default)]
struct Machine {
    state: State,
    /// The number of `<` inside a tag that still lack their `>`.
    depth: usize,
    /// The currently open quote character.
    quote: Option<u8>,
    /// Open minus closed parentheses of PHP code.
    brackets: isize,
    /// The last structural character PHP's machine remembers; only PHP code uses it.
    last: u8,
    /// Inside `<?xml`, where `->` does not end the tag.
    xml: bool,
}

impl Machine {
    /// Processes the byte at an offset and returns whether it is part of the result.
    fn step(&mut self, text: &[u8], at: usize) -> bool {
        match self.state {
            State::Text => return self.text(text, at),
            State::Tag => self.tag(text, at),
            State::Php => self.php(text, at),
            State::Declaration => self.declaration(text, at),
            State::Comment => {
                if text[at] == b'>' && self.quote.is_none() && text[..at].ends_with(b"--") {
                    self.enter(State::Text);
                }
            }
        }
        false
    }

    fn text(&mut self, text: &[u8], at: usize) -> bool {
        match text[at] {
            b'\0' => false,
            b'<' if is_before_whitespace(text, at) => true,
            b'<' => {
                self.state = State::Tag;
                self.last = b'<';
                false
            }
            b'>' if self.depth > 0 => {
                self.depth -= 1;
                false
            }
            b'>' => self.quote.is_none(),
            _ => true,
        }
    }

    fn tag(&mut self, text: &[u8], at: usize) {
        match text[at] {
            b'<' if self.quote.is_none() && !is_before_whitespace(text, at) => self.depth += 1,
            b'>' => {
                let is_arrow = self.xml && text[..at].ends_with(b"-");
                if self.closes() {
                    self.last = b'>';
                    if !is_arrow {
                        self.enter(State::Text);
                    }
                }
            }
            quote @ (b'"' | b'\'') => self.toggle(quote, at),
            b'!' if text[..at].ends_with(b"<") => {
                self.state = State::Declaration;
                self.last = b'!';
            }
            b'?' if text[..at].ends_with(b"<") => {
                self.state = State::Php;
                self.brackets = 0;
            }
            _ => {}
        }
    }

    fn php(&mut self, text: &[u8], at: usize) {
        let in_string = matches!(self.last, b'"' | b'\'');
        match text[at] {
            bracket @ (b'(' | b')') if !in_string => {
                self.brackets += if bracket == b'(' { 1 } else { -1 };
                self.last = bracket;
            }
            b'>' => {
                let ends = self.closes() && self.brackets == 0 && self.last != b'"';
                if ends && text[..at].ends_with(b"?") {
                    self.enter(State::Text);
                }
            }
            quote @ (b'"' | b'\'') if !text[..at].ends_with(b"\\") => {
                self.last = if self.last == quote { b'\0' } else { quote };
                self.toggle(quote, at);
            }
            b'l' | b'L' if at > 4 && ends_with_any_case(&text[..at], b"<?xm") => {
                self.state = State::Tag;
                self.xml = true;
            }
            _ => {}
        }
    }

    fn declaration(&mut self, text: &[u8], at: usize) {
        match text[at] {
            b'>' => {
                let ends = self.closes();
                if ends {
                    self.enter(State::Text);
                }
            }
            quote @ (b'"' | b'\'') if !text[..at].ends_with(b"\\") => self.toggle(quote, at),
            b'-' if text[..at].ends_with(b"!-") => self.state = State::Comment,
            b'e' | b'E' if at > 6 && ends_with_any_case(&text[..at], b"doctyp") => {
                self.state = State::Tag;
            }
            _ => {}
        }
    }

    /// Whether a `>` can end something: a nested `<` consumes it, and inside quotes it has no meaning.
    fn closes(&mut self) -> bool {
        if self.depth > 0 {
            self.depth -= 1;
            return false;
        }
        self.quote.is_none()
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.quote = None;
        self.xml = false;
    }

    fn toggle(&mut self, quote: u8, at: usize) {
        match self.quote {
            _ if at == 0 => {}
            None => self.quote = Some(quote),
            Some(open) if open == quote => self.quote = None,
            Some(_) => {}
        }
    }
}

fn is_before_whitespace(text: &[u8], at: usize) -> bool {
    matches!(
        text.get(at + 1),
        Some(b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
    )
}

fn ends_with_any_case(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().checked_sub(end.len());
    start.is_some_and(|start| text[start..].eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_less_than_signs_before_whitespace_stay() {
        for (text, stripped) in [
            ("j<b>oh</b>n", "john"),
            ("a < b", "a < b"),
            ("a<b", "a"),
            ("joe<", "joe"),
            ("1 < 2 > 3", "1 < 2 > 3"),
            ("a<b title='>'>c", "ac"),
            ("a<b <c>>d", "ad"),
            ("a<!-- > -->b", "ab"),
            ("a<!DOCTYPE x>b", "ab"),
            ("a<?php if (1 > 2) echo '?>'; ?>b", "ab"),
            ("a<?xml x->y>b", "ab"),
            ("a\0b", "ab"),
        ] {
            let result = strip_tags(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&result), stripped, "{text}");
        }
    }

    #[test]
    fn script_and_style_blocks_go_with_their_content() {
        for (text, stripped) in [
            ("a<script>x</script>b", "ab"),
            ("a<SCRIPT type='x'>\n<b></Script>b", "ab"),
            ("a<style>x</script>y</style>b", "ab"),
            ("a<script>x", "ax"),
            ("a<script>x<script>y</script>b", "ab"),
            ("<style>x<script>y</script>b", "xb"),
            ("<script", ""),
        ] {
            let result = strip_all_tags(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&result), stripped, "{text}");
        }
    }
}
