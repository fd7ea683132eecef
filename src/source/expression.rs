//! Templates and conditions, which are expressions over the values of a body.

use std::sync::{Arc, LazyLock};

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::BadRule;
use super::language::{Blanks, CORRECT_IT, cut, environment};
use super::path::Path;
use super::rewriting;
use super::tree::Tree;

/// The longest expression or template, in bytes.
const LONGEST: usize = 1000;

/// A template, a text with expressions in double braces.
#[derive(Debug, Clone)]
pub(super) struct Template {
    text: String,
    /// As the engine reads it.
    read: String,
}

/// An expression that is true or false.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    /// As the engine reads it.
    read: String,
}

/// What expressions see: the body's values, `payload` (all of them, unless the body has a value of this name), `header('…')` and
/// `find('…')`.
pub(super) struct Scope {
    pub(super) tree: Arc<Tree>,
    pub(super) headers: Arc<[(String, String)]>,
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scope(..)")
    }
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, BadRule> {
        restrained(text)?;
        if text.contains("{%") {
            return Err(BadRule::new(
                "has a statement, {% … %}",
                "write expressions only: {{ … }}",
            ));
        }
        let read = rewriting::template(text)?;
        let parsed = VALUES.template_from_str(&read).map(|_| ());
        parsed.map_err(|error| flaw(&error))?;
        known_names(VALUES.render_str(&read, sample()))?;
        let text = text.to_owned();
        Ok(Self { text, read })
    }

    /// The text; `None` if one of its values is missing.
    pub(super) fn render(&self, scope: Scope, blanks: Blanks) -> Option<String> {
        let environment = match blanks {
            Blanks::Stay => &VALUES,
            Blanks::AreMissing => &NAMES,
        };
        let rendered = environment.render_str(&self.read, Value::from_object(scope));
        rendered.ok().map(|text| cut(&text).to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// It is no expression, or uses what there is not.
    pub fn parse(text: &str) -> Result<Self, BadRule> {
        restrained(text)?;
        let read = rewriting::expression(text)?;
        let compiled = CONDITIONS.compile_expression(&read);
        known_names(compiled.and_then(|compiled| compiled.eval(sample())))?;
        let text = text.to_owned();
        Ok(Self { text, read })
    }

    /// Whether it holds; one that cannot be evaluated for these values does not.
    pub(super) fn holds(&self, scope: Scope) -> bool {
        let compiled = CONDITIONS.compile_expression(&self.read);
        let value = compiled.and_then(|compiled| compiled.eval(Value::from_object(scope)));
        value.is_ok_and(|value| value.is_true())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn restrained(text: &str) -> Result<(), BadRule> {
    if text.len() > LONGEST {
        return Err(BadRule::new(
            "is too long",
            "write at most 1,000 characters",
        ));
    }
    if text.contains('*') {
        let what = "has a *, and expressions cannot multiply";
        return Err(BadRule::new(what, "write it without"));
    }
    Ok(())
}

/// What is no expression, or lacks an argument. Missing values are no mistake: this was tried without any.
fn known_names<T>(tried: Result<T, Error>) -> Result<(), BadRule> {
    match tried {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::SyntaxError
                    | ErrorKind::UnknownFilter
                    | ErrorKind::UnknownFunction
                    | ErrorKind::UnknownTest
                    | ErrorKind::UnknownMethod
                    | ErrorKind::TooManyArguments
                    | ErrorKind::MissingArgument
            ) =>
        {
            Err(flaw(&error))
        }
        _ => Ok(()),
    }
}

fn flaw(error: &Error) -> BadRule {
    let detail = error
        .detail()
        .map_or_else(String::new, |detail| format!(": {detail}"));
    BadRule::new(
        format!("is no expression that works ({}{detail})", error.kind()),
        CORRECT_IT,
    )
}

fn sample() -> Value {
    Value::from_object(Scope {
        tree: Arc::new(Tree::Map(Vec::new())),
        headers: [].into(),
    })
}

static VALUES: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Strict, Blanks::Stay));
static NAMES: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Strict, Blanks::AreMissing));
static CONDITIONS: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Chainable, Blanks::Stay));

fn value(tree: &Arc<Tree>) -> Value {
    match &**tree {
        // As good as missing.
        Tree::Null => Value::UNDEFINED,
        Tree::Flag(flag) => Value::from(*flag),
        Tree::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Value::from(number),
            (_, Some(number), _) => Value::from(number),
            (.., number) => Value::from(number.unwrap_or_default()),
        },
        Tree::Text(text) => Value::from(cut(text)),
        Tree::List(_) | Tree::Map(_) => Value::from_dyn_object(DynObject::new(Arc::clone(tree))),
    }
}

impl Object for Tree {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match **self {
            Self::List(_) => ObjectRepr::Seq,
            _ => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(name) => self.child(name).map(value),
            None => self.child(&key.to_string()).map(value),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &**self {
            Self::List(items) => Enumerator::Seq(items.len()),
            _ => Enumerator::NonEnumerable,
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.children().next().is_some()
    }

    /// Nothing: no field is a list or an object.
    fn render(self: &Arc<Self>, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            // As the two functions are called in what the engine reads.
            "_header" => {
                let headers = Arc::clone(&self.headers);
                Some(Value::from_function(move |wanted: String| {
                    let mut headers = headers.iter();
                    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(&wanted));
                    found.map_or(Value::UNDEFINED, |(_, value)| Value::from(cut(value)))
                }))
            }
            "_find" => {
                let tree = Arc::clone(&self.tree);
                Some(Value::from_function(move |path: String| {
                    let path = Path::parse(&path).ok();
                    let found = path.as_ref().and_then(|path| path.find(&tree));
                    found.map_or(Value::UNDEFINED, value)
                }))
            }
            name => match self.tree.child(name) {
                None if name == "payload" => Some(value(&self.tree)),
                found => found.map(value),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::language::LONGEST_TEXT;
    use super::*;

    fn scope(body: &str) -> Scope {
        Scope {
            tree: Arc::new(Tree::of_json(body.as_bytes()).unwrap()),
            headers: [("x-topic".to_owned(), "made".to_owned())].into(),
        }
    }

    const BODY: &str = r#"{"type":"order","id":7,"paid":true,"name":" Ann Mary  Lee ","tags":["a","b"],"a-b":{"c":null},"o":{"e":"x@y.z"},"total":"99.90","lines":[{"product":5},{"product":93}]}"#;

    #[test]
    fn templates_make_texts_of_values() {
        for (template, text) in [
            ("{{ name | first_word }}", Some("Ann")),
            ("{{ name | after_first_word }}", Some("Mary  Lee")),
            ("{{ id }}-{{ type|upper }}", Some("7-ORDER")),
            ("{{ o.e | before('@') | capitalize }}", Some("X")),
            ("{{ o.e | after('@') }}", Some("y.z")),
            ("{{ type | replace('or', '') }}", Some("der")),
            ("{{ missing | default('none') }}", Some("none")),
            ("{{ payload['a-b'].c | default('none') }}", Some("none")),
            ("{{ missing }}", None),
            ("{{ o }}", None),
            ("{{ paid }}", None),
            ("{{ name }} {{ payload['a-b'].c }}", None),
            ("{{ header('X-None') }}", None),
            ("{{ header('X-None') | default('-') }}", Some("-")),
            ("{{ o.missing | lower }}", None),
            ("{{ header('X-Topic') }}", Some("made")),
            ("{{ tags[1] }}", Some("b")),
            ("{{ tags | lower }}", None),
            ("{{ o.missing | lower | default('-') }}", Some("-")),
            ("{{ find('tags[1]') }}", Some("b")),
            (
                "{{ 'dear' if id >= 7 else 'new' }} friend",
                Some("dear friend"),
            ),
            ("{{- total | number }}", Some("99.9")),
        ] {
            let parsed = Template::parse(template).unwrap();
            let rendered = parsed.render(scope(BODY), Blanks::Stay);
            assert_eq!(rendered.as_deref(), text, "{template}");
        }
    }

    #[test]
    fn a_name_with_a_blank_in_it_is_none() {
        let scope = || scope(r#"{"id":7,"empty":"","blank":" ","none":null}"#);
        for (template, name) in [
            ("order {{ id }}", Some("order 7")),
            ("order {{ empty }}", None),
            ("order {{ id }} {{ blank }}", None),
            ("order {{ none }}", None),
            ("order {{ empty | default('new') }}", Some("order new")),
        ] {
            let rendered = Template::parse(template).unwrap();
            let rendered = rendered.render(scope(), Blanks::AreMissing);
            assert_eq!(rendered.as_deref(), name, "{template}");
        }
    }

    #[test]
    fn conditions_hold_or_not_and_never_fail() {
        for (condition, holds) in [
            ("type == 'order' and paid", true),
            ("type in ['order', 'offer']", true),
            ("'b' in tags", true),
            ("missing.deeper == 'x'", false),
            ("missing.deeper != 'x'", true),
            ("header('x-topic') == 'made'", true),
            ("header('X-None') != 'true'", true),
            ("id > 6", true),
            ("o.e", true),
            ("not o", false),
            ("missing is defined", false),
            ("tags | lower == 'a'", false),
            ("payload == o", false),
            ("payload < o", false),
            ("total > 99 and total < 100 and total != 99", true),
            ("total in [7, 99.9] and id in ['7', 9]", true),
            ("missing < 10 or missing >= 10 or missing in ['']", false),
            ("missing | lower == 'free' or type == 'order'", true),
            ("tags | lower == 'a' or paid", true),
            ("not missing > 1", true),
            ("find('lines[product=93].product') == 93", true),
            ("find('lines[product=94].product')", false),
            ("lines[1].product == 93 == 93", true),
        ] {
            let parsed = Condition::parse(condition).unwrap();
            assert_eq!(parsed.holds(scope(BODY)), holds, "{condition}");
        }
    }

    #[test]
    fn a_list_of_a_form_is_a_list_whether_its_values_are_numbered_or_not() {
        for names in [["tags[]", "tags[]"], ["tags[0]", "tags[1]"]] {
            let values = [b"vip".to_vec(), b"new".to_vec()];
            let pairs = names.map(|name| name.as_bytes().to_vec()).into_iter();
            let tree = Tree::of_form(pairs.zip(values).collect()).unwrap();
            let tree = Arc::new(tree);
            for condition in ["'vip' in tags", "tags[1] == 'new'", "'old' not in tags"] {
                let parsed = Condition::parse(condition).unwrap();
                let scope = Scope {
                    tree: Arc::clone(&tree),
                    headers: [].into(),
                };
                assert!(parsed.holds(scope), "{names:?}: {condition}");
            }
        }
    }

    #[test]
    fn a_field_of_the_body_goes_before_our_own_words() {
        let body = r#"{"payload":{"offer_id":8},"header":"h","find":"f","a":{"b":1}}"#;
        for condition in [
            "payload.offer_id == 8 and payload.a is not defined",
            "header == 'h' and header('x-topic') == 'made'",
            "find == 'f' and find('a.b') == 1",
        ] {
            let parsed = Condition::parse(condition).unwrap();
            assert!(parsed.holds(scope(body)), "{condition}");
        }
    }

    #[test]
    fn what_could_never_work_is_refused() {
        for template in [
            "{{ name",
            "{{ name | loewer }}",
            "{{ nofunction() }}",
            "{% for a in b %}{% endfor %}",
            "{{ 'a' * 9 }}",
            "{{ name is nothing }}",
            "{{ name | before }}",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
        for condition in [
            "",
            "type ==",
            "type = 'a'",
            "a * b",
            "lower(a)",
            "{{ a }}",
            "a and b == none",
            "a and find('[]') == 1",
        ] {
            assert!(Condition::parse(condition).is_err(), "{condition}");
        }
        assert!(Condition::parse(&"a".repeat(1001)).is_err());
        assert!(Condition::parse(&"(".repeat(1000)).is_err());
    }

    #[test]
    fn what_an_expression_makes_is_short() {
        let long = "x".repeat(300_000);
        let body = format!("{{\"a\":\"{long}\"}}");
        let template = "{{ a | replace('x', a) | replace('x', a) | replace('x', a) }}";
        let parsed = Template::parse(template).unwrap();
        let rendered = parsed.render(scope(&body), Blanks::Stay);
        assert_eq!(rendered.unwrap().len(), LONGEST_TEXT);
        let many = format!("{{{{ {} }}}}", ["payload"; 90].join("~"));
        let parsed = Template::parse(&many).unwrap();
        let rendered = parsed.render(scope(&body), Blanks::Stay);
        assert_eq!(rendered.unwrap(), "");
    }

    proptest! {
        #[test]
        fn no_expression_panics(text: String, body in "[{}\\[\\]\",:a-z0-9]{0,40}") {
            let tree = Arc::new(Tree::of_json(body.as_bytes()).unwrap_or(Tree::Null));
            let scope = || Scope { tree: Arc::clone(&tree), headers: [].into() };
            if let Ok(template) = Template::parse(&text) {
                let _ = template.render(scope(), Blanks::AreMissing);
            }
            if let Ok(condition) = Condition::parse(&text) {
                let _ = condition.holds(scope());
            }
        }
    }
}
