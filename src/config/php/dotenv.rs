//! `.env` files as vlucas/phpdotenv reads them, where its versions agree.

use std::rc::Rc;

use super::evaluate::{Evaluator, Step};
use super::files::{Found, read};
use super::reader::Reader;
use super::state::Channel;
use super::syntax::Node;
use super::value::{Cause, Value};

/// An entry of a file: the value, or why it is not known.
type Entry = (String, Result<Vec<u8>, &'static str>);

impl Evaluator<'_> {
    /// Sets the variables of the files; `is_safe` if they need not be there.
    pub(super) fn load(&mut self, node: &Rc<Node>, reader: &Reader, is_safe: bool) -> Step<Value> {
        let mut loaded: Vec<(String, Value)> = Vec::new();
        let mut is_found = false;
        for path in &reader.files {
            let source = match self.find(path) {
                Found::File(path) => read(&path).map(|source| (path, source)),
                Found::Nothing => continue,
                _ => None,
            };
            let Some((path, source)) = source else {
                return Ok(self.not_loaded(node, format!("the file {}", path.display())));
            };
            is_found = true;
            self.files.push(path.clone());
            self.spend(source.len() / 16)?;
            let Some(entries) = entries(&source) else {
                return Ok(self.not_loaded(node, format!("the file {}", path.display())));
            };
            for (name, value) in entries {
                let value = value.map(|value| self.expanded(&loaded, &value));
                let value = match value {
                    Ok(Some(value)) => self.text(node, value),
                    _ => self.unknown(node, format!("{name} in {}", path.display())),
                };
                loaded.retain(|(other, _)| *other != name);
                loaded.push((name, value));
            }
            if reader.is_first_only {
                break;
            }
        }
        if !is_found && !is_safe {
            return Ok(self.not_loaded(node, "an .env file that is not there".to_owned()));
        }
        for (name, value) in loaded {
            self.set_loaded(node, reader, &name, value);
        }
        Ok(self.unknown(node, "what a reader of .env files returns"))
    }

    fn not_loaded(&mut self, node: &Rc<Node>, what: String) -> Value {
        let cause = self.cause(node, what);
        self.strangers += 1;
        self.state.forget_environment(&cause);
        Value::Unknown(cause)
    }

    fn set_loaded(&mut self, node: &Node, reader: &Reader, name: &str, value: Value) {
        let outside = self.around.environment.get(name);
        let value = match outside.filter(|_| !reader.overrides) {
            Some(outside) => self.text(node, outside),
            None => value,
        };
        self.loaded.insert(name.to_owned());
        for channel in [Channel::Getenv, Channel::Env, Channel::Server] {
            let value = match channel {
                Channel::Getenv if !reader.reaches_getenv => {
                    let cause = Cause {
                        what: format!("getenv('{name}'), which an .env file may not reach"),
                        place: self.place(node),
                    };
                    Value::Unknown(Rc::new(cause))
                }
                _ => value.clone(),
            };
            let earlier = self.state.environment(channel, name);
            if earlier.is_none() || reader.overrides {
                self.state.set_environment(channel, name, value);
            }
        }
    }

    /// Replaces `${NAME}`; `None` if a name is not known.
    fn expanded(&self, loaded: &[(String, Value)], value: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(value);
        let Some(first) = text.find("\u{0}{") else {
            return Some(value.to_vec());
        };
        let (before, rest) = text.split_at(first);
        let (name, rest) = rest[2..].split_once('}')?;
        let earlier = loaded.iter().find(|(other, _)| other == name);
        let inner = match (earlier, self.around.environment.get(name)) {
            (Some((_, Value::Text(inner))), None) => inner.to_vec(),
            (None, Some(inner)) => inner.clone().into_bytes(),
            _ => return None,
        };
        let rest = self.expanded(loaded, rest.as_bytes())?;
        Some([before.as_bytes(), &inner, &rest].concat())
    }
}

/// The entries of a file; `None` if it has lines that not all versions read alike.
fn entries(source: &[u8]) -> Option<Vec<Entry>> {
    let source = std::str::from_utf8(source).ok()?;
    let mut entries = Vec::new();
    for line in source.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=')?;
        let name = name.trim().trim_matches(['\'', '"']);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        let value = value.trim();
        // A text that goes on in the next line.
        if value.starts_with(['"', '\'']) && !is_closed(value) {
            return None;
        }
        entries.push((name.to_owned(), entry(value)));
    }
    Some(entries)
}

fn is_closed(value: &str) -> bool {
    let quote = value.chars().next().unwrap_or_default();
    let mut is_escaped = false;
    value.chars().skip(1).any(|letter| {
        let closes = letter == quote && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        closes
    })
}

/// The value of one line. A NUL byte before a brace marks what is to be replaced.
fn entry(value: &str) -> Result<Vec<u8>, &'static str> {
    const UNLIKE: &str = "a spelling that is read in several ways";
    let quote = value
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''));
    let (inner, rest) = if let Some(quote) = quote {
        value[1..].split_once(quote).ok_or(UNLIKE)?
    } else {
        let end = value.find(" #").unwrap_or(value.len());
        (value[..end].trim_end(), "")
    };
    let rest = rest.trim_start();
    let is_single = value.starts_with('\'');
    let is_plain = !value.starts_with(['"', '\'']);
    if inner.contains('\\')
        || inner.contains('\0')
        || !(rest.is_empty() || rest.starts_with('#'))
        || (is_plain && inner.contains(['#', ' ', '\t', '"', '\'']))
    {
        return Err(UNLIKE);
    }
    if is_single {
        return Ok(inner.as_bytes().to_vec());
    }
    let marked = inner.replace("${", "\0{");
    Ok(marked.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_where_all_versions_agree() {
        let source = b"# c\nA=x\nexport B = 'it # $x'\nC=\"${A}y\" # c\nD=\nE=a#b\nF=a b\nG=\"a\\nb\"\nH=a # b";
        let found = entries(source).unwrap();
        let values: Vec<_> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone().ok()))
            .collect();
        let known = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(
            values,
            [
                ("A", known("x")),
                ("B", known("it # $x")),
                ("C", known("\0{A}y")),
                ("D", known("")),
                ("E", None),
                ("F", None),
                ("G", None),
                ("H", known("a")),
            ]
        );
        for unlike in ["A", "A=\"x\ny\"", "A B=c"] {
            assert!(entries(unlike.as_bytes()).is_none(), "{unlike}");
        }
    }
}
