//! The values of a body, whether it came as JSON or as a form, with a bound on their number.

use std::cell::Cell;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use encoding_rs::WINDOWS_1252;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::leniency;

/// A value of a body with all that is in it. Of equal keys the last one counts, as in PHP.
pub enum Tree {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// Values in a row.
    List(Vec<Arc<Tree>>),
    /// Values by name.
    Map(Vec<(String, Arc<Tree>)>),
}

/// Values include addresses and passwords, so none is ever printed.
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tree(..)")
    }
}

/// Why a body is none that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON.
    #[error("The body is no valid JSON")]
    NoJson,
    /// JSON, but neither an object nor a list.
    #[error("The body is JSON, but neither an object nor a list")]
    Scalar,
    /// More values than [`Tree::MOST`].
    #[error("The body has too many values")]
    TooMany,
}

/// Pairs of a form: names are looked for one by one.
const MOST_PAIRS: usize = 2_000;

impl Tree {
    /// The most values that are read.
    pub const MOST: u32 = 20_000;

    /// Reads JSON.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn of_json(body: &[u8]) -> Result<Self, Malformed> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let left = Cell::new(Self::MOST);
        let body = leniency::readable(body);
        let mut reader = serde_json::Deserializer::from_slice(&body);
        let read = Seed(&left).deserialize(&mut reader);
        let read = read.and_then(|tree| reader.end().map(|()| tree));
        match read {
            Ok(tree @ (Self::List(_) | Self::Map(_))) => Ok(tree),
            Ok(_) => Err(Malformed::Scalar),
            Err(_) if left.get() == 0 => Err(Malformed::TooMany),
            Err(_) => Err(Malformed::NoJson),
        }
    }

    /// Reads the decoded pairs of a form. Brackets in a name open what is inside: `customer[email]` is the same as
    /// `{"customer": {"email": …}}`, and values whose brackets are empty, or numbered from 0 on, are a list. A name or value that is not UTF-8 is read as
    /// Windows-1252, in which any bytes are a text, and different ones different texts; one that was cut within its last letter
    /// remains UTF-8.
    ///
    /// # Errors
    /// [`Malformed::TooMany`].
    pub fn of_form(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, Malformed> {
        if pairs.len() > MOST_PAIRS {
            return Err(Malformed::TooMany);
        }
        let mut root = Branch::default();
        for (name, value) in pairs {
            root.put(&parts(&text(name)), text(value));
        }
        Ok(Self::Map(root.into_entries()))
    }

    /// What has this name, or this number in a list.
    pub fn child(&self, name: &str) -> Option<&Arc<Self>> {
        match self {
            Self::Map(entries) => {
                let mut entries = entries.iter().rev();
                entries.find(|(key, _)| key == name).map(|(_, value)| value)
            }
            Self::List(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// What is in it, in its order.
    pub fn children(&self) -> Box<dyn Iterator<Item = &Arc<Self>> + '_> {
        match self {
            Self::Map(entries) => Box::new(entries.iter().map(|(_, value)| value)),
            Self::List(items) => Box::new(items.iter()),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// A text or a number, as text; nothing else is one.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Hands the path of each value that contains no others to `note`.
    pub fn each_path(&self, note: &mut impl FnMut(&str)) {
        self.paths_below(&mut String::new(), note);
    }

    fn paths_below(&self, path: &mut String, note: &mut impl FnMut(&str)) {
        let length = path.len();
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    let stop = if length == 0 { "" } else { "." };
                    let _ = write!(path, "{stop}{key}");
                    value.paths_below(path, note);
                    path.truncate(length);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for (index, value) in items.iter().enumerate() {
                    let _ = write!(path, "[{index}]");
                    value.paths_below(path, note);
                    path.truncate(length);
                }
            }
            _ if length > 0 => note(path),
            _ => {}
        }
    }
}

/// Reads one value and counts it.
#[derive(Clone, Copy)]
struct Seed<'a>(&'a Cell<u32>);

impl Seed<'_> {
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.0.get().checked_sub(1);
        let left = left.filter(|left| *left > 0);
        self.0.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| E::custom("too many values"))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Tree, D::Error> {
        self.count()?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Number::from_f64(number).map_or(Tree::Null, Tree::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(Arc::new(item));
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.push((key, Arc::new(entries.next_value_seed(self)?)));
        }
        Ok(Tree::Map(map))
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let (valid, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        if error.utf8_error().error_len().is_none() && !valid.is_ascii() {
            return String::from_utf8_lossy(error.as_bytes()).into_owned();
        }
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(error.as_bytes());
        text.into_owned()
    })
}

/// The parts of a form's name. A name whose brackets are not closed is one part.
fn parts(name: &str) -> Vec<&str> {
    let whole = || vec![name];
    let Some((base, mut rest)) = name.split_once('[') else {
        return whole();
    };
    if base.is_empty() {
        return whole();
    }
    let mut parts = vec![base];
    loop {
        let Some((inside, after)) = rest.split_once(']') else {
            return whole();
        };
        parts.push(inside);
        match after.strip_prefix('[') {
            Some(next) if parts.len() <= MOST_PARTS => rest = next,
            Some(_) => return whole(),
            None => return parts,
        }
    }
}

/// PHP's default `max_input_nesting_level`.
const MOST_PARTS: usize = 64;

/// What a form's names have opened so far.
#[derive(Default)]
struct Branch {
    text: Option<String>,
    inside: Vec<(String, Branch)>,
    /// One more than the largest number in brackets.
    next: Option<i128>,
}

impl Branch {
    fn put(&mut self, parts: &[&str], value: String) {
        let Some((first, rest)) = parts.split_first() else {
            *self = Self::default();
            self.text = Some(value);
            return;
        };
        self.text = None;
        let name = if first.is_empty() {
            self.next.unwrap_or_default().to_string()
        } else {
            (*first).to_owned()
        };
        if let Some(number) = number(&name) {
            let next = i128::from(number) + 1;
            self.next = self.next.max(Some(next));
        } else if first.is_empty() {
            // PHP has no larger number, either.
            return;
        }
        let at = self.inside.iter().position(|(key, _)| *key == name);
        let at = at.unwrap_or_else(|| {
            self.inside.push((name, Self::default()));
            self.inside.len() - 1
        });
        self.inside[at].1.put(rest, value);
    }

    fn into_tree(self) -> Tree {
        if let Some(text) = self.text {
            return Tree::Text(text);
        }
        let mut keys = self.inside.iter().enumerate();
        let is_list = keys.all(|(at, (key, _))| *key == at.to_string());
        let inside = self.into_entries();
        if is_list {
            Tree::List(inside.into_iter().map(|(_, item)| item).collect())
        } else {
            Tree::Map(inside)
        }
    }

    fn into_entries(self) -> Vec<(String, Arc<Tree>)> {
        let inside = self.inside.into_iter();
        let inside = inside.map(|(key, branch)| (key, Arc::new(branch.into_tree())));
        inside.collect()
    }
}

/// The number that a name in brackets is to PHP.
fn number(name: &str) -> Option<i64> {
    let number = name.parse::<i64>().ok()?;
    (number.to_string() == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn paths(tree: &Tree) -> Vec<String> {
        let mut paths = Vec::new();
        tree.each_path(&mut |path| paths.push(path.to_owned()));
        paths
    }

    #[test]
    fn json_and_a_form_with_brackets_are_one_tree() {
        let json = br#"{"a":{"b":["x",7]},"c":null,"a ":{}}"#;
        let json = Tree::of_json(json).unwrap();
        assert_eq!(paths(&json), ["a.b[0]", "a.b[1]", "c", "a "]);
        let pair = |name: &str, value: &str| (name.into(), value.into());
        let form = Tree::of_form(vec![
            pair("a[b][]", "x"),
            pair("a[b][]", "7"),
            pair("c[", "1"),
            pair("[d]", "2"),
            pair("a.b", "3"),
        ])
        .unwrap();
        assert_eq!(paths(&form), ["a.b[0]", "a.b[1]", "c[", "[d]", "a.b"]);
        let numbered = Tree::of_form(vec![
            pair("a[b][0]", "x"),
            pair("a[b][]", "7"),
            pair("0", "y"),
        ])
        .unwrap();
        assert_eq!(paths(&numbered), ["a.b[0]", "a.b[1]", "0"]);
        let lenient = Tree::of_json(br#"{"cut":"\ud83d","much":1e999,"a":7}"#).unwrap();
        for (name, text) in [("cut", "\u{fffd}"), ("much", "1e999"), ("a", "7")] {
            let found = lenient.child(name).and_then(|value| value.text());
            assert_eq!(found.as_deref(), Some(text));
        }
        for tree in [json, form, numbered] {
            let seventh = tree.child("a").and_then(|a| a.child("b"));
            let seventh = seventh.and_then(|b| b.child("1"));
            assert_eq!(seventh.and_then(|one| one.text()).unwrap(), "7");
            assert_eq!(format!("{tree:?}"), "Tree(..)");
        }
    }

    /// As PHP's `parse_str` numbers them.
    #[test]
    fn empty_brackets_get_the_number_after_the_largest() {
        for (names, numbered) in [
            (&["a[0]", "a[]"][..], &["a[0]", "a[1]"][..]),
            (&["a[0]", "a[1]", "a[0]"], &["a[0]", "a[1]"]),
            (&["a[1]", "a[0]"], &["a.1", "a.0"]),
            (&["a[5]", "a[]"], &["a.5", "a.6"]),
            (
                &["a[-5]", "a[]", "a[0]", "a[]"],
                &["a.-5", "a.-4", "a.0", "a.1"],
            ),
            (&["a[05]", "a[]"], &["a.05", "a.0"]),
            (&["a[-0]", "a[]"], &["a.-0", "a.0"]),
            (&["a[x]", "a[]"], &["a.x", "a.0"]),
            (&["a[]", "a", "a[]"], &["a[0]"]),
            (
                &["a[9223372036854775807]", "a[]"],
                &["a.9223372036854775807"],
            ),
        ] {
            let pairs = names.iter().map(|name| ((*name).into(), "x".into()));
            let tree = Tree::of_form(pairs.collect()).unwrap();
            assert_eq!(paths(&tree), numbered, "{names:?}");
        }
    }

    #[test]
    fn every_byte_of_a_form_that_is_not_utf_8_is_a_letter_of_its_own() {
        let texts = (0x80..=0xff).map(|byte| {
            let pair = (b"Stra\xdfe".to_vec(), vec![b'x', byte]);
            let tree = Tree::of_form(vec![pair]).unwrap();
            tree.child("Straße").unwrap().text().unwrap()
        });
        let texts: BTreeSet<String> = texts.collect();
        assert_eq!(texts.len(), 128);
        assert!(texts.contains("xö") && texts.contains("x€"));
        let utf8 = Tree::of_form(vec![(b"a".to_vec(), "ö€".into())]).unwrap();
        assert_eq!(utf8.child("a").unwrap().text().unwrap(), "ö€");
        // As PHP's substr cuts it.
        let cut = [
            (&b"Stra\xc3\x9fe M\xc3"[..], "Straße M\u{fffd}"),
            (b"M\xc3", "MÃ"),
            (b"Stra\xc3\x9fe M\xfcller", "StraÃŸe Müller"),
        ];
        for (bytes, expected) in cut {
            let tree = Tree::of_form(vec![(b"a".to_vec(), bytes.to_vec())]).unwrap();
            assert_eq!(tree.child("a").unwrap().text().unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_json_or_too_much_is_refused() {
        for (body, why) in [
            ("", Malformed::NoJson),
            ("{", Malformed::NoJson),
            ("{} x", Malformed::NoJson),
            ("\"a\"", Malformed::Scalar),
            ("email=a", Malformed::NoJson),
        ] {
            assert_eq!(Tree::of_json(body.as_bytes()).unwrap_err(), why, "{body}");
        }
        let many = format!("[{}0]", "0,".repeat(30_000));
        let error = Tree::of_json(many.as_bytes()).unwrap_err();
        assert_eq!(error, Malformed::TooMany);
        assert!(Tree::of_json("[".repeat(5000).as_bytes()).is_err());
        assert!(
            Tree::of_json(b"\xef\xbb\xbf{\"a\":1,\"a\":2}").is_ok_and(|tree| {
                tree.child("a").and_then(|last| last.text()).as_deref() == Some("2")
            })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>, pairs: Vec<(Vec<u8>, Vec<u8>)>) {
            let _ = Tree::of_json(&body);
            Tree::of_form(pairs).unwrap().each_path(&mut |path| assert!(!path.is_empty()));
        }
    }
}
