//! Expressions as the engine gets them: comparisons become a filter that compares as [`super::comparison`] says, and calls of our functions get names
//! that no field of a body has. What the engine would find out only when it comes to it, such as the name of a filter, is
//! checked here.

use super::BadRule;
use super::language::{CORRECT_IT, FILTERS, FUNCTIONS, TESTS};
use super::path::Path;

/// What the engine reads for an expression.
///
/// # Errors
/// It names a filter, function or test that there is not, compares with nothing, or has a path that can never match.
pub(super) fn expression(text: &str) -> Result<String, BadRule> {
    let mut scanner = Scanner::new(text);
    let made = scanner.group()?;
    Ok(made + scanner.rest)
}

/// What the engine reads for a template.
///
/// # Errors
/// As for [`expression`].
pub(super) fn template(text: &str) -> Result<String, BadRule> {
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("{{") {
        made.push_str(before);
        made.push_str("{{");
        let trimmed = inside.strip_prefix(['-', '+']).unwrap_or(inside);
        made.push_str(&inside[..inside.len() - trimmed.len()]);
        let mut scanner = Scanner::new(trimmed);
        made.push_str(&scanner.group()?);
        rest = scanner.rest;
    }
    made.push_str(rest);
    Ok(made)
}

struct Scanner<'a> {
    rest: &'a str,
    /// The brackets that are open.
    depth: usize,
}

/// The most brackets in each other.
const DEEPEST: usize = 30;

/// What the word before a word makes of it.
#[derive(Clone, Copy, PartialEq)]
enum After {
    FullStop,
    Pipe,
    Is,
    Other,
}

/// What is between two words or signs that bind less than comparisons.
#[derive(Default)]
struct Segment {
    verbatim: String,
    compared: Vec<(String, &'static str)>,
    operand: String,
}

impl Segment {
    fn push(&mut self, text: &str) {
        self.verbatim.push_str(text);
        self.operand.push_str(text);
    }

    fn compare(&mut self, written: &str, operator: &'static str) {
        self.verbatim.push_str(written);
        let operand = std::mem::take(&mut self.operand);
        self.compared.push((operand, operator));
    }

    /// What the engine reads for it. What is no whole comparison is left to the engine to refuse.
    fn end(&mut self) -> Result<String, BadRule> {
        let Self {
            verbatim,
            compared,
            operand,
        } = std::mem::take(self);
        let operands = || {
            let before = compared.iter().map(|(operand, _)| operand.trim());
            before.chain([operand.trim()])
        };
        if compared.is_empty() || operands().any(str::is_empty) {
            return Ok(verbatim);
        }
        if let Some(nothing) = operands().find(|operand| NOTHING.contains(operand)) {
            return Err(BadRule::new(
                format!("compares with {nothing}, and nothing equals what is missing"),
                "write name is defined, or name is not defined",
            ));
        }
        let pairs = compared.iter().zip(operands().zip(operands().skip(1)));
        let pairs = pairs.map(|((_, operator), (left, right))| {
            format!("(({left})|_compared('{operator}', {right}))")
        });
        Ok(format!(" ({}) ", pairs.collect::<Vec<_>>().join(" and ")))
    }
}

const NOTHING: [&str; 4] = ["none", "None", "null", "undefined"];

impl<'a> Scanner<'a> {
    fn new(rest: &'a str) -> Self {
        Self { rest, depth: 0 }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Takes as long as the characters are of a word.
    fn word(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.take(self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len()))
    }

    fn quoted(&mut self, quote: char) -> &'a str {
        let mut is_escaped = false;
        let end = self.rest[1..].find(|c| {
            let ends = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        self.take(end.map_or(self.rest.len(), |end| end + 2))
    }

    /// Reads up to a bracket that closes, or to the end.
    fn group(&mut self) -> Result<String, BadRule> {
        let mut made = String::new();
        let mut segment = Segment::default();
        let mut after = After::Other;
        while let Some(first) = self.rest.chars().next() {
            let before = std::mem::replace(&mut after, After::Other);
            match first {
                ')' | ']' | '}' => break,
                '(' | '[' | '{' => {
                    segment.push(self.take(1));
                    if self.depth == DEEPEST {
                        let what = "has too many brackets in each other";
                        return Err(BadRule::new(what, "write it with fewer"));
                    }
                    self.depth += 1;
                    segment.push(&self.group()?);
                    self.depth -= 1;
                    let closing = self.rest.len().min(1);
                    segment.push(self.take(closing));
                }
                '\'' | '"' => segment.push(self.quoted(first)),
                'a'..='z' | 'A'..='Z' | '_' => {
                    let word = self.word();
                    match (before, word) {
                        (After::Other, "not") if self.is_in_next() => {
                            let rest = self.rest.trim_start();
                            self.rest = &rest["in".len()..];
                            segment.compare("not in", "not in");
                        }
                        (After::Other, "and" | "or" | "not" | "if" | "else") => {
                            made.push_str(&segment.end()?);
                            made.push_str(word);
                        }
                        (After::Other, "in") => segment.compare(word, "in"),
                        (After::Is, "not") | (After::Other, "is") => {
                            segment.push(word);
                            after = After::Is;
                        }
                        _ => {
                            if self.is_ours(before, word)? {
                                segment.push("_");
                            }
                            segment.push(word);
                        }
                    }
                }
                '0'..='9' => segment.push(self.word()),
                ',' | ':' => {
                    made.push_str(&segment.end()?);
                    made.push_str(self.take(1));
                }
                '|' | '.' => {
                    segment.push(self.take(1));
                    after = if first == '|' {
                        After::Pipe
                    } else {
                        After::FullStop
                    };
                }
                _ => {
                    let mut operators = OPERATORS.into_iter();
                    match operators.find(|operator| self.rest.starts_with(operator)) {
                        Some("=") => {
                            made.push_str(&segment.end()?);
                            made.push_str(self.take(1));
                        }
                        Some(operator) => segment.compare(self.take(operator.len()), operator),
                        None => {
                            segment.push(self.take(first.len_utf8()));
                            if first.is_whitespace() {
                                after = before;
                            }
                        }
                    }
                }
            }
        }
        made.push_str(&segment.end()?);
        Ok(made)
    }

    fn is_in_next(&self) -> bool {
        let next = self.rest.trim_start().strip_prefix("in");
        next.is_some_and(|next| !next.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    }

    /// Whether a word that is none of the language's own is one of our functions.
    fn is_ours(&self, after: After, word: &str) -> Result<bool, BadRule> {
        let unknown = |what: &str| {
            let what = format!("is no expression that works ({what}: {word})");
            Err(BadRule::new(what, CORRECT_IT))
        };
        let called = self.rest.trim_start().strip_prefix('(');
        match after {
            After::Pipe if !FILTERS.contains(&word) => unknown("unknown filter"),
            After::Is if !TESTS.contains(&word) => unknown("unknown test"),
            After::FullStop if called.is_some() => unknown("values have no functions"),
            After::Other if called.is_some() && !FUNCTIONS.contains(&word) => {
                unknown("unknown function")
            }
            After::Other if word == "find" => {
                let argument = called.map(str::trim_start).unwrap_or_default();
                let quote = argument
                    .chars()
                    .next()
                    .filter(|quote| "'\"".contains(*quote));
                if let Some((path, _)) = quote.and_then(|quote| argument[1..].split_once(quote)) {
                    Path::parse(path)?;
                }
                Ok(called.is_some())
            }
            After::Other => Ok(called.is_some()),
            _ => Ok(false),
        }
    }
}

const OPERATORS: [&str; 7] = ["==", "!=", "<=", ">=", "<", ">", "="];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_become_a_filter_wherever_they_are() {
        for (written, read) in [
            ("a", "a"),
            (
                "a.in and b['==']|default('<')",
                "a.in and b['==']|default('<')",
            ),
            ("a == 'x == y'", " (((a)|_compared('==', 'x == y'))) "),
            (
                "not a not in [1, b >= 2]",
                "not (((a)|_compared('not in', [1, (((b)|_compared('>=', 2))) ]))) ",
            ),
            (
                "a < b < c",
                " (((a)|_compared('<', b)) and ((b)|_compared('<', c))) ",
            ),
            (
                "a is not defined or header('b')",
                "a is not defined or _header('b')",
            ),
            ("a == ", "a == "),
            ("a = 'b'", "a = 'b'"),
            ("find ('a[b=c]')", "_find ('a[b=c]')"),
        ] {
            assert_eq!(expression(written).unwrap(), read, "{written}");
        }
        assert_eq!(
            template("a == b {{- c if d == 'e}}' else f }} g").unwrap(),
            "a == b {{- c if (((d)|_compared('==', 'e}}'))) else f }} g"
        );
    }

    #[test]
    fn what_would_only_be_found_out_by_a_call_is_refused() {
        for text in [
            "a and b | loewer == 'x'",
            "a and b is nothing",
            "a and lower(b)",
            "a and b.lower()",
            "a and find('b[')",
            "a and b != none",
            "null == a",
            "_find('a')",
        ] {
            assert!(expression(text).is_err(), "{text}");
        }
    }
}
