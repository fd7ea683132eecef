//! Reads the crate's modules, and the paths that they refer to, from the tokens of the source files, so that comments
//! and string literals do not count. Code behind `#[cfg(test)]` is skipped: tests may import anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, iter};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path from the crate root: `["db", "pool", "Pool"]`.
pub(super) type Names = Vec<String>;

/// Modules by path; the path of the root is empty.
#[derive(Default)]
pub(super) struct Tree {
    modules: BTreeMap<Names, Module>,
}

#[derive(Default)]
struct Module {
    /// Relative to `src`.
    file: String,
    children: BTreeSet<String>,
    /// Names that `use` declarations bring into scope, re-exports included, with their paths.
    brought: BTreeMap<String, Names>,
    /// Every path in the code, as written.
    named: Vec<Names>,
}

/// A path in one file to an item in another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) from: Place,
    pub(super) to: Place,
    /// From the crate root.
    pub(super) path: String,
}

/// A file and its room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) room: String,
    pub(super) file: String,
}

impl Tree {
    /// Reads all files below a folder except `main.rs`, which is another crate.
    pub(super) fn of_folder(folder: &Path) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                if path.extension().is_some_and(|ending| ending == "rs") && name != "main.rs" {
                    files.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
        Self::of_files(&files)
    }

    /// Reads files given as path and content.
    pub(super) fn of_files(files: &[(String, String)]) -> Self {
        let mut tree = Self::default();
        let mut tests = BTreeSet::new();
        for (file, text) in files {
            let tokens: TokenStream = text.parse().expect(file);
            let mut reader = Reader {
                file,
                tests: BTreeSet::new(),
                modules: BTreeMap::new(),
            };
            let path = module_of(file);
            reader.read(&path, tokens);
            tests.extend(reader.tests);
            tree.modules.extend(reader.modules);
        }
        tree.modules
            .retain(|path, _| !(0..=path.len()).any(|end| tests.contains(&path[..end])));
        let paths: Vec<Names> = tree.modules.keys().cloned().collect();
        for path in paths {
            if let Some((name, parent)) = path.split_last()
                && let Some(parent) = tree.modules.get_mut(parent)
            {
                parent.children.insert(name.clone());
            }
        }
        tree
    }

    /// The top-level modules.
    pub(super) fn rooms(&self) -> BTreeSet<String> {
        self.modules[&Vec::new()].children.clone()
    }

    /// All references between files, except those in `lib.rs`.
    pub(super) fn references(&self) -> BTreeSet<Reference> {
        let mut references = BTreeSet::new();
        for (path, module) in self.modules.iter().filter(|(path, _)| !path.is_empty()) {
            let from = self.place(path);
            for named in &module.named {
                let Some(absolute) = self.absolute(path, named) else {
                    continue;
                };
                let Some(to) = self.defining(&absolute, 0) else {
                    continue;
                };
                let to = self.place(&to);
                if to.file != from.file {
                    references.insert(Reference {
                        from: from.clone(),
                        to,
                        path: absolute.join("::"),
                    });
                }
            }
        }
        references
    }

    fn place(&self, module: &[String]) -> Place {
        Place {
            room: module.first().cloned().unwrap_or_default(),
            file: self.modules[module].file.clone(),
        }
    }

    /// Resolves a path as written in a module; `None` for paths into other crates.
    fn absolute(&self, module: &[String], named: &[String]) -> Option<Names> {
        let mut base = module.to_vec();
        let mut rest = named;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            child if self.modules[module].children.contains(child) => {}
            brought => {
                let target = self.modules[module].brought.get(brought)?;
                // `use url;` would resolve to itself.
                if target.first().map(String::as_str) == Some(brought) {
                    return None;
                }
                let mut absolute = self.absolute(module, target)?;
                absolute.extend_from_slice(&rest[1..]);
                return Some(absolute);
            }
        }
        while let Some("super") = rest.first().map(String::as_str) {
            base.pop()?;
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The module that defines the item, following re-exports; `None` if these lead into another crate.
    fn defining(&self, absolute: &[String], depth: usize) -> Option<Names> {
        let end = (0..=absolute.len())
            .rev()
            .find(|&end| self.modules.contains_key(&absolute[..end]))?;
        let (module, rest) = absolute.split_at(end);
        let brought = |name| self.modules[module].brought.get(name);
        match rest.first().and_then(brought) {
            Some(target) if depth < 8 => {
                let mut path = self.absolute(module, target)?;
                path.extend_from_slice(&rest[1..]);
                self.defining(&path, depth + 1)
            }
            _ => Some(module.to_vec()),
        }
    }
}

/// `db/pool.rs` is `db::pool`, `db/mod.rs` is `db`, `lib.rs` is the root.
fn module_of(file: &str) -> Names {
    let mut names: Names = file
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib")) {
        names.pop();
    }
    names
}

struct Reader<'a> {
    file: &'a str,
    /// Modules behind `#[cfg(test)]`.
    tests: BTreeSet<Names>,
    modules: BTreeMap<Names, Module>,
}

impl Reader<'_> {
    fn read(&mut self, path: &Names, tokens: TokenStream) {
        let module = self.modules.entry(path.clone()).or_default();
        self.file.clone_into(&mut module.file);
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let (mut at, mut is_test, mut is_public) = (0, false, false);
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at + 1..];
            match token {
                TokenTree::Punct(sign) if sign.as_char() == '#' => {
                    let attribute = rest.first().map(ToString::to_string).unwrap_or_default();
                    is_test |= attribute.replace(' ', "") == "[cfg(test)]";
                    at += 2;
                }
                TokenTree::Ident(word) if word == "pub" => {
                    is_public = true;
                    at += 1 + usize::from(is_group(rest.first(), Delimiter::Parenthesis));
                }
                TokenTree::Ident(word) if word == "mod" && is_word(rest.first()) => {
                    let mut inner = path.clone();
                    inner.push(rest[0].to_string());
                    if is_test {
                        self.tests.insert(inner.clone());
                    }
                    if let Some(TokenTree::Group(body)) = rest.get(1) {
                        self.read(&inner, body.stream());
                    }
                    (at, is_test, is_public) = (at + 3, false, false);
                }
                TokenTree::Ident(word) if word == "use" => {
                    let length = rest.iter().take_while(|token| !is_sign(token, ';')).count();
                    if !is_test {
                        self.bring(path, &rest[..length], is_public);
                    }
                    (at, is_test, is_public) = (at + length + 2, false, false);
                }
                // Any other item for tests ends with its body or a semicolon.
                _ if is_test => {
                    let is_last = |token: &&TokenTree| {
                        is_sign(token, ';') || is_group(Some(token), Delimiter::Brace)
                    };
                    let skipped = tokens[at..].iter().position(|token| is_last(&token));
                    (at, is_test, is_public) = (at + skipped.unwrap_or(0) + 1, false, false);
                }
                TokenTree::Group(group) => {
                    self.read(path, group.stream());
                    (at, is_public) = (at + 1, false);
                }
                TokenTree::Ident(word) => {
                    let follows_path = at > 0 && is_sign(&tokens[at - 1], ':');
                    let mut names = vec![word.to_string()];
                    at += 1;
                    while let [colon, second, TokenTree::Ident(name), ..] = &tokens[at..]
                        && is_sign(colon, ':')
                        && is_sign(second, ':')
                    {
                        names.push(name.to_string());
                        at += 3;
                    }
                    if names.len() > 1 && !follows_path {
                        self.module(path).named.push(names);
                    }
                    is_public = false;
                }
                _ => at += 1,
            }
        }
    }

    /// Records a `use` declaration. A re-export from a child module is not a dependency: references to it resolve to the
    /// module that defines the item.
    fn bring(&mut self, path: &Names, tree: &[TokenTree], is_public: bool) {
        let mut brought = Vec::new();
        if !tree.first().is_some_and(|token| is_sign(token, ':')) {
            leaves(&[], tree, &mut brought);
        }
        let module = self.module(path);
        for (target, name) in brought {
            if !is_public || matches!(target[0].as_str(), "crate" | "super") {
                module.named.push(target.clone());
            }
            module.brought.insert(name, target);
        }
    }

    fn module(&mut self, path: &Names) -> &mut Module {
        self.modules.get_mut(path).expect("it is being read")
    }
}

/// The paths of a `use` tree with the names that they declare; `a::*` is the path `a` with the name `*`.
fn leaves(prefix: &[String], tree: &[TokenTree], found: &mut Vec<(Names, String)>) {
    for branch in tree.split(|token| is_sign(token, ',')) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut tokens = branch.iter();
        let mut has_branches = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => alias = tokens.next(),
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    leaves(&path, &inner, found);
                    has_branches = true;
                }
                _ => {}
            }
        }
        if !branch.is_empty() && !has_branches {
            let is_all = branch.last().is_some_and(|token| is_sign(token, '*'));
            let own = iter::once("*").chain(path.last().map(String::as_str));
            let name = alias.map(ToString::to_string);
            let name = name.or_else(|| own.map(str::to_owned).nth(usize::from(!is_all)));
            found.extend(name.map(|name| (path, name)));
        }
    }
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_word(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Ident(_)))
}

fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}
