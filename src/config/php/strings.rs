//! Every kind of PHP string: where it ends and, when it is a literal, what it says. Mirrors PHP 8's lexer.

use super::tokens::{Kind, Scanner, continues_name, find, starts_name};

/// Strings may nest through `{$…}`; real files stop at two or three levels.
const DEEPEST: u8 = 32;

impl Scanner<'_> {
    pub(super) fn single_quoted(&mut self) -> Kind {
        self.advance(1);
        let mut text = Vec::new();
        loop {
            match self.rest() {
                [] => return Kind::Opaque,
                [b'\'', ..] => {
                    self.advance(1);
                    return Kind::Text(text);
                }
                [b'\\', byte @ (b'\'' | b'\\'), ..] => {
                    text.push(*byte);
                    self.advance(2);
                }
                _ => text.extend(self.advance(1)),
            }
        }
    }

    /// A string in double quotes, or a command in backticks (which is never a literal).
    pub(super) fn double_quoted(&mut self) -> Kind {
        let quote = self.advance(1)[0];
        let mut text = Vec::new();
        let mut literal = quote == b'"';
        loop {
            match self.rest() {
                [] => return Kind::Opaque,
                [byte, ..] if *byte == quote => {
                    self.advance(1);
                    return if literal {
                        Kind::Text(text)
                    } else {
                        Kind::Opaque
                    };
                }
                [b'\\', ..] => self.escape(quote, &mut text),
                [b'{', b'$', ..] => {
                    literal = false;
                    self.advance(1);
                    self.skip_interpolation();
                }
                [b'$', b'{', ..] => {
                    literal = false;
                    self.advance(2);
                    self.skip_interpolation();
                }
                [b'$', byte, ..] if starts_name(*byte) => {
                    literal = false;
                    self.advance(1);
                }
                _ => text.extend(self.advance(1)),
            }
        }
    }

    /// Moves past the brace that closes an interpolated expression, which may hold strings with braces of their own.
    fn skip_interpolation(&mut self) {
        if self.nesting == DEEPEST {
            self.advance(usize::MAX);
            return;
        }
        self.nesting += 1;
        let mut open = 1;
        while open > 0 {
            match self.next_token().map(|token| token.kind) {
                None => break,
                Some(Kind::Sign(b'{')) => open += 1,
                Some(Kind::Sign(b'}')) => open -= 1,
                Some(_) => {}
            }
        }
        self.nesting -= 1;
    }

    /// Resolves the escape at the cursor; what is no escape to PHP stays as written, backslash included.
    fn escape(&mut self, quote: u8, text: &mut Vec<u8>) {
        let rest = &self.rest()[1..];
        let (used, byte) = match rest {
            [b'n', ..] => (1, b'\n'),
            [b't', ..] => (1, b'\t'),
            [b'r', ..] => (1, b'\r'),
            [b'v', ..] => (1, 0x0B),
            [b'f', ..] => (1, 0x0C),
            [b'e', ..] => (1, 0x1B),
            [byte @ (b'\\' | b'$'), ..] => (1, *byte),
            [byte, ..] if *byte == quote => (1, quote),
            [b'0'..=b'7', ..] => {
                let (used, value) = digits(rest, 8, 3);
                // PHP drops what does not fit: "\400" is a NUL byte.
                (used, (value & 0xFF) as u8)
            }
            [b'x', hex @ ..] if hex.first().is_some_and(u8::is_ascii_hexdigit) => {
                let (used, value) = digits(hex, 16, 2);
                (1 + used, (value & 0xFF) as u8)
            }
            [b'u', b'{', hex @ ..] => {
                let (used, value) = digits(hex, 16, 6);
                if let (Some(b'}'), Some(letter)) = (hex.get(used), char::from_u32(value)) {
                    text.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                    self.advance(1 + 2 + used + 1);
                } else {
                    text.extend(self.advance(2));
                }
                return;
            }
            _ => {
                text.extend(self.advance(2));
                return;
            }
        };
        text.push(byte);
        self.advance(1 + used);
    }

    /// A heredoc or nowdoc; `None` if the cursor is at three lesser-than signs of another kind.
    pub(super) fn heredoc(&mut self) -> Option<Kind> {
        let rest = self.rest();
        let mut at = find(rest, b"\n")? + 1;
        let label = rest[3..at].trim_ascii();
        let label = match label {
            [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
            bare => bare,
        };
        if !label.first().is_some_and(|byte| starts_name(*byte))
            || !label.iter().all(|byte| continues_name(*byte))
        {
            return None;
        }
        loop {
            let line = &rest[at..];
            let indent = line.iter().take_while(|b| b" \t".contains(b)).count();
            if let Some(after) = line[indent..].strip_prefix(label)
                && !after.first().is_some_and(|byte| continues_name(*byte))
            {
                self.advance(at + indent + label.len());
                return Some(Kind::Opaque);
            }
            let Some(end) = find(line, b"\n") else {
                self.advance(usize::MAX);
                return Some(Kind::Opaque);
            };
            at += end + 1;
        }
    }
}

/// The number that up to `most` leading digits make, and how many there are.
fn digits(bytes: &[u8], radix: u32, most: usize) -> (usize, u32) {
    bytes
        .iter()
        .take(most)
        .map_while(|byte| char::from(*byte).to_digit(radix))
        .fold((0, 0), |(used, value), digit| {
            (used + 1, value * radix + digit)
        })
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tests::kinds;
    use super::super::tokens::tokens;
    use super::*;

    fn text(bytes: &[u8]) -> Kind {
        Kind::Text(bytes.to_vec())
    }

    #[test]
    fn quoted_strings_read_as_php_reads_them() {
        for (code, bytes) in [
            (
                r#""a\tb\x41\u{e9}\101\$x\q\{\"\e""#,
                &b"a\tbA\xC3\xA9A$x\\q\\{\"\x1B"[..],
            ),
            (r"'it\'s \\ \n'", b"it's \\ \\n"),
            (r#""a{b}$ 5 \\$""#, b"a{b}$ 5 \\$"),
            (r#""\400\x4g\u{1F600}""#, b"\0\x04g\xF0\x9F\x98\x80"),
            (r#""dollar at the end$""#, b"dollar at the end$"),
            (r#""{ $ x""#, b"{ $ x"),
            ("'$a {$b} \"'", b"$a {$b} \""),
            ("'// /* # <<<A ?>'", b"// /* # <<<A ?>"),
        ] {
            assert_eq!(kinds(code), [text(bytes)], "{code}");
        }
    }

    #[test]
    fn interpolation_hides_the_value_and_ends_where_php_ends_it() {
        for code in [
            r#""a $b""#,
            r#""{$a["key}\"x"]} 'y'""#,
            r#""${a}""#,
            r#""{$a["{$b["}"]}"]}""#,
            r#""\{$x""#,
            "`ls \" {$a['`']} \\``",
            "<<<A\n'x' \" {$y} AB\n  A",
            "<<<'A'\ndefine('X', 1);\nA",
            "<<<\"A\"\nA",
            "1.5",
            "99999999999999999999",
        ] {
            assert_eq!(
                kinds(&format!("{code};")),
                [Kind::Opaque, Kind::Sign(b';')],
                "{code}"
            );
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        tokens(format!("<?php {}", "\"{$".repeat(100_000)).as_bytes());
    }
}
