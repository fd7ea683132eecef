//! Values that can be told without running PHP: texts, integers and booleans, and texts joined by dots.

use super::tokens::{Kind, Token};

/// What a definition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Value {
    Text(String),
    Int(i64),
    Bool(bool),
    /// An expression that is no literal, and the names in it.
    Computed(Vec<String>),
    /// Alternatives that depend on a condition.
    Several,
    /// Counts only if an included file has not defined it before.
    Fallback,
    /// A text in an encoding other than UTF-8.
    Undecodable,
}

/// The tokens up to the comma, semicolon or closing bracket that ends the expression.
pub(super) fn expression(tokens: &[Token]) -> &[Token] {
    let mut open = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign(b'(' | b'[' | b'{') => open += 1,
            Kind::Sign(b')' | b']' | b'}' | b',' | b';') if open == 0 => return &tokens[..at],
            Kind::Sign(b')' | b']' | b'}') => open -= 1,
            _ => {}
        }
    }
    tokens
}

/// The value of an expression, as far as it is made of literals.
pub(super) fn evaluate(expression: &[Token]) -> Value {
    match expression {
        [
            Token {
                kind: Kind::Int(number),
                ..
            },
        ] => return Value::Int(*number),
        [
            Token {
                kind: Kind::Name(name),
                ..
            },
        ] => {
            let name = name.trim_start_matches('\\');
            if name.eq_ignore_ascii_case("true") || name.eq_ignore_ascii_case("false") {
                return Value::Bool(name.eq_ignore_ascii_case("true"));
            }
        }
        _ => {}
    }
    let Some(bytes) = concatenation(expression) else {
        let names = expression.iter().filter_map(|token| match &token.kind {
            Kind::Name(name) => Some(name.trim_start_matches('\\').to_owned()),
            _ => None,
        });
        return Value::Computed(names.collect());
    };
    String::from_utf8(bytes).map_or(Value::Undecodable, Value::Text)
}

/// Texts and integers joined by dots.
fn concatenation(expression: &[Token]) -> Option<Vec<u8>> {
    if expression.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = Vec::new();
    for (at, token) in expression.iter().enumerate() {
        match (&token.kind, at % 2) {
            (Kind::Text(text), 0) => bytes.extend(text),
            (Kind::Int(number), 0) => bytes.extend(number.to_string().bytes()),
            (Kind::Sign(b'.'), 1) => {}
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn value(code: &[u8]) -> Value {
        evaluate(expression(&tokens(&[b"<?php ", code].concat())))
    }

    #[test]
    fn literals_are_told_apart_from_what_only_php_can_tell() {
        let text = |text: &str| Value::Text(text.to_owned());
        let computed =
            |names: &[&str]| Value::Computed(names.iter().map(|n| (*n).to_owned()).collect());
        for (code, expected) in [
            (&b"'x')"[..], text("x")),
            (b"'x' . \"y\" . 1, true)", text("xy1")),
            (b"True;", Value::Bool(true)),
            (b"\\FALSE)", Value::Bool(false)),
            (b"0x800)", Value::Int(2048)),
            (b"getenv('X'))", computed(&["getenv"])),
            (b"f('X', 'y'), 'z'", computed(&["f"])),
            (b"$_ENV['X'])", computed(&[])),
            (b"\"a$b\")", computed(&[])),
            (b"$x ? 'a' : 'b')", computed(&[])),
            (b"B . 'x')", computed(&["B"])),
            (b"F1 | \\F2)", computed(&["F1", "F2"])),
            (b"<<<E\nx\nE)", computed(&[])),
            (b"'a' . .5)", computed(&[])),
            (b"-1)", computed(&[])),
            (b"null)", computed(&["null"])),
            (b")", computed(&[])),
            (b"", computed(&[])),
            (b"'\xE9')", Value::Undecodable),
        ] {
            assert_eq!(value(code), expected, "{}", code.escape_ascii());
        }
    }
}
