//! What a PHP configuration file says in plain literals: constants (`define`, `const`) and variables.
//!
//! Mirrors PHP 8 where it decides between several definitions: the first of a constant counts, the last of a variable.
//! A value that only running the file would tell is remembered as unknown, with its line, and never guessed.

use std::collections::{HashMap, HashSet};

use super::literal::{Value, evaluate, expression};
use super::tokens::{Kind, Token, tokens};

/// The constants and variables of one file.
#[derive(Debug, Default)]
pub(in crate::config) struct PhpSource {
    constants: HashMap<String, Found>,
    variables: HashMap<String, Found>,
    /// Lines that pull in files other than `wp-settings.php`, whose definitions stay unseen.
    pub(in crate::config) includes: Vec<usize>,
    /// Names that the file has asked about so far, with `defined`, `!isset` or `??=`; variables with their dollar.
    tested: HashSet<String>,
    /// Open braces at the cursor.
    depth: usize,
    /// How often the file has turned to an alternative (`else`, `case`) so far.
    turns: usize,
}

/// A definition.
#[derive(Debug)]
pub(in crate::config) struct Found {
    pub(in crate::config) value: Value,
    /// Line of the definition, from 1.
    pub(in crate::config) line: usize,
    depth: usize,
    turns: usize,
}

impl PhpSource {
    /// Never fails: a file that is no PHP defines nothing.
    pub(in crate::config) fn read(source: &[u8]) -> Self {
        let tokens = tokens(source);
        let mut file = Self::default();
        for (at, token) in tokens.iter().enumerate() {
            let after = &tokens[at + 1..];
            match &token.kind {
                Kind::Sign(b'{') => file.depth += 1,
                Kind::Sign(b'}') => file.depth = file.depth.saturating_sub(1),
                Kind::Variable(name) => file.assign(name, after, token.line),
                Kind::Name(name) if !is_member_or_declaration(&tokens[..at]) => {
                    file.name(name, &tokens[..at], after, token.line);
                }
                _ => {}
            }
        }
        file
    }

    pub(in crate::config) fn constant(&self, name: &str) -> Option<&Found> {
        self.constants.get(name)
    }

    pub(in crate::config) fn variable(&self, name: &str) -> Option<&Found> {
        self.variables.get(name)
    }

    fn name(&mut self, name: &str, before: &[Token], after: &[Token], line: usize) {
        let name = name.trim_start_matches('\\').to_ascii_lowercase();
        let kinds = |n: usize| after.get(n).map(|token| &token.kind);
        match name.as_str() {
            "define" => {
                if let (Some(Kind::Sign(b'(')), Some(Kind::Text(name)), Some(Kind::Sign(b','))) =
                    (kinds(0), kinds(1), kinds(2))
                {
                    let name = String::from_utf8_lossy(name).into_owned();
                    self.define(name, evaluate(expression(&after[3..])), line);
                }
            }
            "defined" => {
                if let (Some(Kind::Sign(b'(')), Some(Kind::Text(name))) = (kinds(0), kinds(1)) {
                    self.tested
                        .insert(String::from_utf8_lossy(name).into_owned());
                }
            }
            // `if (isset(…))` guards a change, only its negation a first value.
            "isset"
                if before
                    .last()
                    .is_some_and(|token| token.kind == Kind::Sign(b'!')) =>
            {
                if let (Some(Kind::Sign(b'(')), Some(Kind::Variable(name))) = (kinds(0), kinds(1)) {
                    self.tested.insert(format!("${name}"));
                }
            }
            // Inside braces a constant belongs to a class.
            "const" if self.depth == 0 => self.constant_list(after, line),
            "else" | "elseif" | "case" | "default" => self.turns += 1,
            "include" | "include_once" | "require" | "require_once" => {
                let settings = |token: &Token| matches!(&token.kind, Kind::Text(t) if t.ends_with(b"wp-settings.php"));
                if !expression(after).iter().any(settings) {
                    self.includes.push(line);
                }
            }
            _ => {}
        }
    }

    fn constant_list(&mut self, mut after: &[Token], line: usize) {
        while let [name, equals, rest @ ..] = after
            && let (Kind::Name(name), Kind::Sign(b'=')) = (&name.kind, &equals.kind)
        {
            let value = expression(rest);
            self.define(name.clone(), evaluate(value), line);
            after = match rest.get(value.len()).map(|token| &token.kind) {
                Some(Kind::Sign(b',')) => &rest[value.len() + 1..],
                _ => return,
            };
        }
    }

    fn define(&mut self, name: String, value: Value, line: usize) {
        if let Some(first) = self.constants.get_mut(&name) {
            // The first counts, unless PHP may never have come by it.
            let conditional = first.depth > 0 || self.turns > first.turns;
            let literal = !matches!(first.value, Value::Computed(_));
            if first.value != value && conditional && literal {
                first.value = Value::Several;
            }
            return;
        }
        let found = self.found(&name, value, line);
        self.constants.insert(name, found);
    }

    fn assign(&mut self, name: &str, after: &[Token], line: usize) {
        let sign = |n: usize| match after.get(n).map(|token| &token.kind) {
            Some(Kind::Sign(byte)) => *byte,
            _ => 0,
        };
        let tested = format!("${name}");
        let value = match (sign(0), sign(1), sign(2)) {
            (b'=', b'=' | b'>', _) => return,
            (b'=', ..) => evaluate(expression(&after[1..])),
            (b'?', b'?', b'=') => {
                self.tested.insert(tested.clone());
                evaluate(expression(&after[3..]))
            }
            (b'.', b'=', _) => Value::Computed(Vec::new()),
            _ => return,
        };
        match self.variables.get_mut(name) {
            Some(_) if self.tested.contains(&tested) => {}
            // Two values in one file mean a condition, braces or not.
            Some(earlier) if earlier.value != value => earlier.value = Value::Several,
            Some(_) => {}
            None => {
                let found = self.found(&tested, value, line);
                self.variables.insert(name.to_owned(), found);
            }
        }
    }

    fn found(&self, tested: &str, value: Value, line: usize) -> Found {
        let fallback = self.tested.contains(tested) && !self.includes.is_empty();
        Found {
            value: if fallback { Value::Fallback } else { value },
            line,
            depth: self.depth,
            turns: self.turns,
        }
    }
}

/// Whether the name after these tokens is a method or a declaration that shares a function's name.
fn is_member_or_declaration(before: &[Token]) -> bool {
    match before.last().map(|token| &token.kind) {
        Some(Kind::Member) => true,
        Some(Kind::Name(word)) => {
            word.eq_ignore_ascii_case("function") || word.eq_ignore_ascii_case("new")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(code: &str) -> Option<Value> {
        let file = PhpSource::read(format!("<?php {code}").as_bytes());
        file.constant("A").map(|found| found.value.clone())
    }

    fn prefix(code: &str) -> Option<Value> {
        let file = PhpSource::read(format!("<?php {code}").as_bytes());
        file.variable("p").map(|found| found.value.clone())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn literal_constants_are_read_in_every_spelling() {
        for (code, value) in [
            ("define('A', 'x');", text("x")),
            ("DEFINE( \"A\" , \"x\" ) ;", text("x")),
            (r"\define('A', 'x');", text("x")),
            ("define('A','x',true);", text("x")),
            ("define(\n'A' /* ' */,\n'q' . // x\n 'r');", text("qr")),
            ("define('A', 'x' . \"y\" . 1);", text("xy1")),
            ("define('A', TRUE);", Value::Bool(true)),
            (r"define('A', \false);", Value::Bool(false)),
            ("define('A', 0x800);", Value::Int(2048)),
            ("const A = 'x';", text("x")),
            ("const B = [1, 2], A = 'x';", text("x")),
            ("defined('A') || define('A', 'x');", text("x")),
            ("if ( ! defined('A') ) { define('A', 'x'); }", text("x")),
            ("if (!defined('A')) define('A', 'x')?>", text("x")),
            (
                "require_once ABSPATH . 'wp-settings.php'; define('A', 'x');",
                text("x"),
            ),
            ("if (1): define('A', 'x'); endif;", text("x")),
        ] {
            assert_eq!(constant(code), Some(value), "{code}");
        }
    }

    #[test]
    fn what_only_looks_like_a_definition_is_not_one() {
        for code in [
            "// define('A', 'x');",
            "# define('A', 'x');",
            "/* define('A', 'x'); */",
            "$x = \"define('A', 'x');\";",
            "$x = <<<E\ndefine('A', 'x');\nE;",
            "?> define('A', 'x'); <?php",
            "$x->define('A', 'x');",
            "X::define('A', 'x');",
            "function define($a) {}",
            "class X { const A = 'x'; }",
            "Other\\define('A', 'x');",
            "define($a, 'x');",
            "define('a', 'x');",
            "if (defined('A')) {}",
        ] {
            assert_eq!(constant(code), None, "{code}");
        }
    }

    #[test]
    fn the_first_constant_counts_unless_a_condition_chooses() {
        for (code, value) in [
            ("define('A', 'x'); define('A', 'y');", text("x")),
            (
                "define('A', 'x'); if (!defined('A')) { define('A', 'y'); }",
                text("x"),
            ),
            (
                "if ($l) { define('A', 'x'); } else { define('A', 'x'); }",
                text("x"),
            ),
            (
                "if ($l) { define('A', 'x'); } else { define('A', 'y'); }",
                Value::Several,
            ),
            (
                "if ($l) { define('A', 'x'); } define('A', 'y');",
                Value::Several,
            ),
            (
                "if ($l) define('A', 'x'); else define('A', 'y');",
                Value::Several,
            ),
            (
                "switch ($h): case 1: define('A', 'x'); break; case 2: define('A', 'y');",
                Value::Several,
            ),
            (
                "include 'b.php'; if (!defined('A')) define('A', 'x');",
                Value::Fallback,
            ),
            ("include 'b.php'; define('A', 'x');", text("x")),
        ] {
            assert_eq!(constant(code), Some(value), "{code}");
        }
    }

    #[test]
    fn variables_are_read_where_they_are_assigned() {
        for (code, value) in [
            ("$p = 'wp_';", Some(text("wp_"))),
            ("$p=\"wp_\" ?>", Some(text("wp_"))),
            ("$p = 'x'; $p = 'x';", Some(text("x"))),
            ("if (!isset($p)) { $p = 'x'; }", Some(text("x"))),
            ("$p = 'x'; if (!isset($p)) $p = 'y';", Some(text("x"))),
            ("$p = 'x'; $p ??= 'y';", Some(text("x"))),
            ("$p = 'x'; if ($l) $p = 'y';", Some(Value::Several)),
            ("$p = 'x'; $p .= 'y';", Some(Value::Several)),
            (
                "$p = 'x'; if (isset($p)) { $p = 'y'; }",
                Some(Value::Several),
            ),
            (
                "include 'b.php'; if (!isset($p)) $p = 'x';",
                Some(Value::Fallback),
            ),
            ("include 'b.php'; $p ??= 'x';", Some(Value::Fallback)),
            (
                "$p = getenv('P');",
                Some(Value::Computed(vec!["getenv".to_owned()])),
            ),
            ("if ($p == 'x') {} f($p); $q = [$p => 1];", None),
            ("// $p = 'x';", None),
        ] {
            assert_eq!(prefix(code), value, "{code}");
        }
    }

    #[test]
    fn definitions_and_includes_know_their_lines() {
        let file = PhpSource::read(b"x\n<?php\nrequire __DIR__ . '/a.php';\n\ndefine(\n'A', 1);");
        assert_eq!(file.includes, [3]);
        assert_eq!(file.constants["A"].line, 5);
    }
}
