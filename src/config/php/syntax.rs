//! Parses PHP with tree-sitter into nodes of our own: without comments, and with the text where it matters.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::rc::Rc;
use std::thread;

use tree_sitter::{Node as Parsed, ParseOptions, ParseState, Parser, Tree};

/// Larger files are not configuration.
pub(super) const LARGEST_FILE: usize = 256 * 1024;
/// The parser asks after every hundred operations whether to go on. The largest file takes a few thousand.
const MOST_PROGRESS: usize = 5_000;
/// The parser's own recursion goes as deep as the code is nested: about a hundred bytes for each level.
const STACK: usize = 64 * 1024 * 1024;
/// What is nested deeper is not written by hand.
const DEEPEST: usize = 200;

/// A part of a text in double quotes, with its escapes.
pub(super) const LITERAL: &str = "literal";
/// `"$a[key]"`, where the key needs no quotes.
pub(super) const SIMPLE_SUBSCRIPT: &str = "simple_subscript";

/// A parsed file.
pub(super) struct Code {
    pub(super) path: Rc<Path>,
    pub(super) root: Rc<Node>,
}

impl Code {
    /// A file in which nothing stands.
    pub(super) fn empty(path: Rc<Path>) -> Self {
        let root = Node {
            kind: "program".into(),
            field: None,
            line: 1,
            text: Box::default(),
            children: Vec::new(),
            operator: Box::default(),
        };
        Self {
            path,
            root: Rc::new(root),
        }
    }
}

/// A node of the syntax tree, named as in tree-sitter's grammar of PHP.
pub(super) struct Node {
    kind: Box<str>,
    field: Option<Box<str>>,
    /// From 1.
    pub(super) line: usize,
    /// The source of leaves.
    pub(super) text: Box<[u8]>,
    /// Named nodes; of a text in double quotes the [`LITERAL`] parts and what is between them.
    pub(super) children: Vec<Rc<Node>>,
    /// The operator of an expression, in small letters.
    pub(super) operator: Box<str>,
}

impl Node {
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn field(&self, name: &str) -> Option<&Rc<Self>> {
        let mut children = self.children.iter();
        children.find(|child| child.field.as_deref() == Some(name))
    }

    pub(super) fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Rc<Self>> {
        self.children
            .iter()
            .filter(move |child| child.field.as_deref() == Some(name))
    }

    pub(super) fn child(&self, kind: &str) -> Option<&Rc<Self>> {
        self.children.iter().find(|child| *child.kind == *kind)
    }

    /// The source of a name, without the backslash that makes it absolute.
    pub(super) fn name(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        text.strip_prefix('\\').unwrap_or(&text).to_owned()
    }
}

/// Why a file cannot be used.
pub(super) struct NotUnderstood {
    pub(super) line: usize,
}

/// Parses a file, or a text for `eval` if `is_open`, which begins inside PHP.
pub(super) fn parse(path: &Rc<Path>, source: &[u8], is_open: bool) -> Result<Code, NotUnderstood> {
    let refuse = |line| NotUnderstood { line };
    if source.len() > LARGEST_FILE {
        return Err(refuse(1));
    }
    let prefix: &[u8] = if is_open { b"<?php " } else { b"" };
    let source = [prefix, source].concat();
    // A text in Latin-1 would not be parsed: each byte becomes the character of its number, and back afterwards.
    let latin = std::str::from_utf8(&source).is_err();
    let readable: Vec<u8> = if latin {
        let characters = source.iter().map(|byte| char::from(*byte));
        characters.collect::<String>().into_bytes()
    } else {
        source
    };
    let tree = thread::scope(|scope| {
        let parsing = thread::Builder::new().stack_size(STACK);
        let parsing = parsing.spawn_scoped(scope, || tree(&readable)).ok()?;
        parsing.join().ok().flatten()
    });
    let tree = tree.ok_or_else(|| refuse(1))?;
    let root = tree.root_node();
    if root.has_error() {
        return Err(refuse(first_error(root)));
    }
    let reader = Reader {
        source: &readable,
        latin,
    };
    let root = reader.node(root, None, 0).ok_or_else(|| refuse(1))?;
    Ok(Code {
        path: Rc::clone(path),
        root: Rc::new(root),
    })
}

fn tree(source: &[u8]) -> Option<Tree> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_php::LANGUAGE_PHP.into())
        .expect("the grammar fits the library");
    let mut asked = 0_usize;
    let mut progress = |_: &ParseState| {
        asked += 1;
        if asked > MOST_PROGRESS {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let mut chunk = |at: usize, _| source.get(at..).unwrap_or_default();
    parser.parse_with_options(&mut chunk, None, Some(options))
}

fn first_error(root: Parsed) -> usize {
    let mut node = root;
    loop {
        let mut cursor = node.walk();
        let children: Vec<Parsed> = node.children(&mut cursor).collect();
        match children.into_iter().find(Parsed::has_error) {
            Some(child) if !node.is_error() => node = child,
            _ => return node.start_position().row + 1,
        }
    }
}

struct Reader<'a> {
    source: &'a [u8],
    latin: bool,
}

impl Reader<'_> {
    /// `None` if it is nested too deeply.
    fn node(&self, parsed: Parsed, field: Option<&str>, depth: usize) -> Option<Node> {
        if depth > DEEPEST {
            return None;
        }
        let (mut children, mut operator) = (Vec::new(), String::new());
        if parsed.kind() == "encapsed_string" {
            children = self.pieces(parsed, depth)?;
        } else if parsed.kind() != "string" {
            let mut cursor = parsed.walk();
            let mut more = cursor.goto_first_child();
            while more {
                let child = cursor.node();
                if cursor.field_name() == Some("operator") {
                    operator = self.source_of(child).to_ascii_lowercase();
                } else if child.is_named() && !is_output(child.kind()) {
                    let child = self.node(child, cursor.field_name(), depth + 1)?;
                    children.push(Rc::new(child));
                }
                more = cursor.goto_next_sibling();
            }
        }
        let is_leaf = children.is_empty() || parsed.kind().ends_with("_name");
        let text = if is_leaf {
            self.bytes(parsed.byte_range())
        } else {
            Vec::new()
        };
        Some(Node {
            kind: parsed.kind().into(),
            field: field.map(Into::into),
            line: parsed.start_position().row + 1,
            text: text.into_boxed_slice(),
            children,
            operator: operator.into_boxed_str(),
        })
    }

    /// What a text in double quotes consists of.
    fn pieces(&self, parsed: Parsed, depth: usize) -> Option<Vec<Rc<Node>>> {
        let mut pieces = Vec::new();
        let quote = parsed.child(0)?;
        let (mut from, mut in_braces) = (quote.end_byte(), false);
        for at in 1..parsed.child_count() {
            let child = parsed.child(at)?;
            if matches!(child.kind(), "string_content" | "escape_sequence") {
                continue;
            }
            if from < child.start_byte() {
                pieces.push(Rc::new(Node {
                    kind: LITERAL.into(),
                    field: None,
                    line: child.start_position().row + 1,
                    text: self.bytes(from..child.start_byte()).into_boxed_slice(),
                    children: Vec::new(),
                    operator: Box::default(),
                }));
            }
            from = child.end_byte();
            if child.is_named() {
                let mut node = self.node(child, None, depth + 1)?;
                if !in_braces && &*node.kind == "subscript_expression" {
                    node.kind = SIMPLE_SUBSCRIPT.into();
                }
                pieces.push(Rc::new(node));
            }
            in_braces = child.kind() == "{";
        }
        Some(pieces)
    }

    fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        let bytes = &self.source[range];
        if !self.latin {
            return bytes.to_vec();
        }
        let text = String::from_utf8_lossy(bytes);
        text.chars()
            .map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?'))
            .collect()
    }

    fn source_of(&self, parsed: Parsed) -> String {
        String::from_utf8_lossy(&self.source[parsed.byte_range()]).into_owned()
    }
}

/// What has no effect on values.
fn is_output(kind: &str) -> bool {
    matches!(
        kind,
        "comment" | "text" | "text_interpolation" | "php_tag" | "php_end_tag"
    )
}
