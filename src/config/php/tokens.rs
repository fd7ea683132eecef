//! Splits PHP source into tokens without running it: just enough of PHP 8's lexer (`token_get_all`) to read constants
//! and assignments out of a configuration file and to skip everything that merely looks like them.

/// One token. Comments, whitespace and the HTML around PHP leave none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Line of its first byte, from 1.
    pub(super) line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or name with its namespace, as written.
    Name(String),
    /// A variable, without its dollar.
    Variable(String),
    /// A quoted string without interpolation, escapes resolved.
    Text(Vec<u8>),
    /// A literal whose value only PHP knows or nobody needs: interpolated, heredoc, shell command, float.
    Opaque,
    Int(i64),
    /// `->`, `?->` or `::`.
    Member,
    /// Any other byte of punctuation; a closing tag counts as `;`, as it does in PHP.
    Sign(u8),
}

/// Never fails: what makes no sense comes out as signs, and what is left open ends with the source.
pub(super) fn tokens(source: &[u8]) -> Vec<Token> {
    let mut scanner = Scanner {
        source,
        at: 0,
        line: 1,
        nesting: 0,
    };
    scanner.skip_html();
    std::iter::from_fn(|| scanner.next_token()).collect()
}

/// A cursor in the source.
pub(super) struct Scanner<'a> {
    source: &'a [u8],
    at: usize,
    line: usize,
    /// How many interpolated expressions the cursor is in.
    pub(super) nesting: u8,
}

impl<'a> Scanner<'a> {
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.source[self.at..]
    }

    pub(super) fn advance(&mut self, bytes: usize) -> &'a [u8] {
        let rest = self.rest();
        let taken = &rest[..bytes.min(rest.len())];
        self.line += taken.split(|byte| *byte == b'\n').count() - 1;
        self.at += taken.len();
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !wanted(*byte));
        self.advance(end.unwrap_or(rest.len()))
    }

    /// Moves past the next `needle`, or to the end.
    fn skip_past(&mut self, needle: &[u8]) {
        let end = find(self.rest(), needle).map_or(usize::MAX, |at| at + needle.len());
        self.advance(end);
    }

    fn skip_html(&mut self) {
        while !self.rest().is_empty() {
            self.skip_past(b"<?");
            match self.rest() {
                [b'=', ..] => {
                    self.advance(1);
                    return;
                }
                [p, h, q, after @ ..]
                    if [*p, *h, *q].eq_ignore_ascii_case(b"php")
                        && after.first().is_none_or(u8::is_ascii_whitespace) =>
                {
                    self.advance(3);
                    return;
                }
                _ => {}
            }
        }
    }

    fn skip_line_comment(&mut self) {
        let rest = self.rest();
        let end = (0..rest.len())
            .find(|at| matches!(rest[*at..], [b'\n' | b'\r', ..] | [b'?', b'>', ..]));
        self.advance(end.unwrap_or(rest.len()));
    }

    pub(super) fn next_token(&mut self) -> Option<Token> {
        loop {
            let line = self.line;
            let kind = match self.rest() {
                [] => return None,
                [byte, ..] if byte.is_ascii_whitespace() || *byte == 0x0B => {
                    self.advance(1);
                    continue;
                }
                [b'/', b'*', ..] => {
                    self.advance(2);
                    self.skip_past(b"*/");
                    continue;
                }
                [b'#', b'[', ..] => self.sign(),
                [b'/', b'/', ..] | [b'#', ..] => {
                    self.skip_line_comment();
                    continue;
                }
                [b'?', b'>', ..] => {
                    self.advance(2);
                    self.skip_html();
                    Kind::Sign(b';')
                }
                [b'?', b'-', b'>', ..] => self.member(3),
                [b'-', b'>', ..] | [b':', b':', ..] => self.member(2),
                [b'\'', ..] => self.single_quoted(),
                [b'"' | b'`', ..] => self.double_quoted(),
                [b'<', b'<', b'<', ..] => self.heredoc().unwrap_or_else(|| self.sign()),
                [b'$', byte, ..] if starts_name(*byte) => {
                    self.advance(1);
                    Kind::Variable(text_of(self.take_while(continues_name)))
                }
                [byte, ..] if starts_name(*byte) || *byte == b'\\' => Kind::Name(text_of(
                    self.take_while(|byte| continues_name(byte) || byte == b'\\'),
                )),
                [b'0'..=b'9', ..] => {
                    let digits =
                        self.take_while(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b));
                    integer(digits).map_or(Kind::Opaque, Kind::Int)
                }
                _ => self.sign(),
            };
            return Some(Token { kind, line });
        }
    }

    fn sign(&mut self) -> Kind {
        Kind::Sign(self.advance(1)[0])
    }

    fn member(&mut self, bytes: usize) -> Kind {
        self.advance(bytes);
        Kind::Member
    }
}

pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

pub(super) fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

pub(super) fn continues_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn integer(digits: &[u8]) -> Option<i64> {
    let text = text_of(digits).to_ascii_lowercase().replace('_', "");
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'b', ..] => (&text[2..], 2),
        [b'0', b'o', ..] => (&text[2..], 8),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (&text[..], 10),
    };
    i64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::config::php) fn kinds(code: &str) -> Vec<Kind> {
        let source = format!("<?php {code}");
        tokens(source.as_bytes())
            .into_iter()
            .map(|token| token.kind)
            .collect()
    }

    #[test]
    fn integers_have_all_of_phps_notations() {
        for (code, value) in [
            ("0x1F", 31),
            ("1_000", 1000),
            ("0o17", 15),
            ("017", 15),
            ("0b11", 3),
            ("0", 0),
        ] {
            assert_eq!(kinds(code), [Kind::Int(value)], "{code}");
        }
    }

    #[test]
    fn comments_and_html_leave_no_token() {
        let source = b"<p>define</p><?xml ?><?PHP // a ' ?>html ' <?php\n# b\n/* c ' */ x /** d **/ #[y]\n?>z<?= 1";
        let found: Vec<_> = tokens(source)
            .into_iter()
            .map(|t| (t.kind, t.line))
            .collect();
        let name = |name: &str| Kind::Name(name.to_owned());
        assert_eq!(
            found,
            [
                (Kind::Sign(b';'), 1),
                (name("x"), 3),
                (Kind::Sign(b'#'), 3),
                (Kind::Sign(b'['), 3),
                (name("y"), 3),
                (Kind::Sign(b']'), 3),
                (Kind::Sign(b';'), 4),
                (Kind::Int(1), 4),
            ]
        );
        assert_eq!(tokens(b"no php at all"), []);
        assert_eq!(tokens(b"<?phpx"), []);
    }

    #[test]
    fn members_are_told_from_arrows_and_colons() {
        let (member, sign) = (Kind::Member, Kind::Sign);
        assert_eq!(
            kinds("->::?->=>:"),
            [
                member.clone(),
                member.clone(),
                member,
                sign(b'='),
                sign(b'>'),
                sign(b':')
            ]
        );
        assert_eq!(
            kinds(r"\a\B $c"),
            [Kind::Name(r"\a\B".into()), Kind::Variable("c".into())]
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(source in any::<Vec<u8>>()) {
            tokens(&[b"<?php ", source.as_slice()].concat());
        }

        #[test]
        fn arbitrary_php_like_text_never_panics(source in "([\\\\\"'`${}<>?a0x\n#/*;=u]|<<<A|\\?>|<\\?php ){0,80}") {
            tokens(format!("<?php {source}").as_bytes());
        }
    }
}
