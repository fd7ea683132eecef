//! Where a value is in a body: `data.object.id`, `items[0].name`, `form_fields[email]`, `answers[type=email].email`.

use std::sync::Arc;

use super::BadRule;
use super::tree::Tree;

/// The longest path, in bytes, and the most steps of one.
const LONGEST: usize = 300;
const MOST_STEPS: usize = 32;

const WRITE_A_PATH: &str = "write a path such as customer.email, items[0].email, form_fields[email] or answers[type=email].email; a fixed text \
     in single quotes: \"'Member'\"";

/// A path into a body.
#[derive(Debug, Clone)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// To what has this name or number.
    Into(String),
    /// To the first one in which the value at these names is this text.
    Where(Vec<String>, String),
}

impl Path {
    /// Parses a path.
    ///
    /// # Errors
    /// No body could have a value there.
    pub fn parse(text: &str) -> Result<Self, BadRule> {
        let bad = |what: &str| BadRule::new(what, WRITE_A_PATH);
        if text.len() > LONGEST {
            return Err(bad("is too long for a path"));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(bad(
                "begins or ends with a blank, or has a control character",
            ));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() && !(steps.is_empty() && after.starts_with('[')) {
                return Err(bad("has a step without a name, which can never match"));
            }
            if name.contains(']') {
                return Err(bad("closes a bracket that is not open"));
            }
            if !name.is_empty() {
                steps.push(Step::Into(name.to_owned()));
            }
            rest = after;
            while let Some(opened) = rest.strip_prefix('[') {
                let (inside, after) = opened
                    .split_once(']')
                    .ok_or_else(|| bad("has a bracket that is not closed"))?;
                steps.push(step(inside).ok_or_else(|| {
                    bad("has brackets with nothing to look for, or another comparison than with =")
                })?);
                rest = after;
            }
            if steps.len() > MOST_STEPS {
                return Err(bad("has more steps than any body"));
            }
            if rest.is_empty() {
                break;
            }
            rest = rest
                .strip_prefix('.')
                .ok_or_else(|| bad("has neither a full stop nor a bracket after a bracket"))?;
        }
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// The path of a plain name.
    pub(super) fn named(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            steps: vec![Step::Into(name.to_owned())],
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value there. A name at the top that is spelled like the whole path goes first: some senders have full stops in names.
    pub fn find<'a>(&self, root: &'a Arc<Tree>) -> Option<&'a Arc<Tree>> {
        if let Some(found) = root.child(&self.text) {
            return Some(found);
        }
        let mut steps = self.steps.iter();
        steps.try_fold(root, |tree, step| match step {
            Step::Into(name) => tree.child(name),
            Step::Where(names, wanted) => tree.children().find(|item| {
                let mut names = names.iter();
                let found = names.try_fold(*item, |tree, name| tree.child(name));
                found.and_then(|tree| tree.text()).as_ref() == Some(wanted)
            }),
        })
    }
}

/// What brackets lead to. A comparison may be written as in conditions, with quotation marks, blanks around the sign, and two signs.
fn step(inside: &str) -> Option<Step> {
    let is_quoted = unquoted(inside).is_some();
    let comparison = inside.split_once('=');
    let comparison = comparison.filter(|(names, _)| !is_quoted || unquoted(names.trim()).is_some());
    let Some((names, wanted)) = comparison else {
        let name = unquoted(inside).unwrap_or(inside);
        return (!name.is_empty()).then(|| Step::Into(name.to_owned()));
    };
    let (bare, text) = (names.trim(), wanted.trim());
    // Others than for equality.
    if bare.ends_with(['!', '<', '>', '~']) {
        return None;
    }
    // Without blanks around the sign, those at the ends are the name's and the text's, as form builders have them.
    let is_tight = !names.ends_with(' ') && !wanted.starts_with([' ', '=']);
    let is_bare = unquoted(bare).is_none() && unquoted(text).is_none();
    let (names, wanted) = if is_tight && is_bare {
        (names, wanted)
    } else {
        (bare, text)
    };
    let names: Vec<String> = match unquoted(names) {
        Some(name) => vec![name.to_owned()],
        None => names.split('.').map(str::to_owned).collect(),
    };
    let wanted = wanted.strip_prefix('=').map_or(wanted, str::trim);
    let wanted = unquoted(wanted).unwrap_or(wanted);
    let is_whole = names.iter().all(|name| !name.is_empty()) && !wanted.is_empty();
    is_whole.then(|| Step::Where(names, wanted.to_owned()))
}

/// What is between two quotation marks.
fn unquoted(text: &str) -> Option<&str> {
    let mut quotes = ['\'', '"'].into_iter();
    quotes.find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_leads_to_its_value() {
        let body = br#"{"a":{"b":[{"t":"x","v":1},{"t":"y","f":{"r":"z"},"v":2},{"l":"E-mail ","v":3}]},"1.3":"dotted","f":{"1":"form","e f":"blank"}}"#;
        let tree = Arc::new(Tree::of_json(body).unwrap());
        for (path, value) in [
            ("a.b[1].v", Some("2")),
            ("a[b][0][v]", Some("1")),
            ("a.b[t=y].v", Some("2")),
            ("a.b[f.r=z].v", Some("2")),
            ("a.b[t='y'].v", Some("2")),
            ("a.b[t==\"y\"].v", Some("2")),
            ("a.b[ 't' == 'y' ].v", Some("2")),
            ("a.b[t='=y'].v", None),
            ("a.b[l=E-mail ].v", Some("3")),
            ("a.b[l = 'E-mail '].v", Some("3")),
            ("a.b[l = E-mail ].v", None),
            ("f[\"e f\"]", Some("blank")),
            ("a.b[t=none].v", None),
            ("1.3", Some("dotted")),
            ("f[1]", Some("form")),
            ("f['e f']", Some("blank")),
            ("f.e f", Some("blank")),
            ("a", None),
            ("a.b[3].v", None),
            ("x.y", None),
        ] {
            let found = Path::parse(path).unwrap();
            let found = found.find(&tree).and_then(|tree| tree.text());
            assert_eq!(found.as_deref(), value, "{path}");
        }
        let list = Arc::new(Tree::of_json(br#"[{"email":"a"}]"#).unwrap());
        let path = Path::parse("[0].email").unwrap();
        assert_eq!(path.find(&list).unwrap().text().unwrap(), "a");
    }

    #[test]
    fn paths_that_can_never_match_are_refused() {
        for path in [
            "",
            " a",
            "a ",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a[]",
            "a[b",
            "a]b",
            "a[b]c",
            "a[=x]",
            "a[x=]",
            "a[x==]",
            "a[x='']",
            "a[.=x]",
            "a[b].",
            "a\nb",
            "a[b!='c']",
            "a[b != c]",
            "a[b>=5]",
            "a[b <= 5]",
            "a['']",
            "a[\"\"]",
        ] {
            assert!(Path::parse(path).is_err(), "{path:?}");
        }
        assert!(Path::parse(&"a.".repeat(200)).is_err());
        assert!(Path::parse(&["a"; 33].join(".")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text: String) {
            if let Ok(path) = Path::parse(&text) {
                let tree = Arc::new(Tree::of_json(b"{\"a\":[1]}").unwrap());
                let _ = path.find(&tree);
            }
        }
    }
}
