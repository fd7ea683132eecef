//! What expressions can do, in Jinja's syntax. There are no statements, no functions that repeat and no multiplication, and each filter's
//! result is short: what an expression costs is bounded by its own length.

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::comparison;

/// The longest text that an expression sees or makes, in bytes; longer ones are cut.
pub(super) const LONGEST_TEXT: usize = 4096;
/// Steps that the engine may take.
const FUEL: u64 = 10_000;

/// The filters.
pub(super) const FILTERS: [&str; 11] = [
    "trim",
    "lower",
    "upper",
    "capitalize",
    "first_word",
    "after_first_word",
    "before",
    "after",
    "replace",
    "default",
    "number",
];
/// The functions.
pub(super) const FUNCTIONS: [&str; 2] = ["header", "find"];
/// The tests.
pub(super) const TESTS: [&str; 2] = ["defined", "none"];

/// What to do about an expression that does not work.
pub(super) const CORRECT_IT: &str = "write an expression such as type == 'order' and customer.email, with the filters trim, lower, upper, capitalize, \
     first_word, after_first_word, before, after, replace, default and number, the functions header and find, and the test is defined";

/// What a blank value in a template is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Blanks {
    /// A text like any other.
    Stay,
    /// As good as none.
    AreMissing,
}

pub(super) fn environment(undefined: UndefinedBehavior, blanks: Blanks) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(move |out, _, value| {
        let fits = |text: &str| blanks == Blanks::Stay || !text.trim().is_empty();
        // Whatever else there is would be a word of the engine's, such as None.
        if value.as_str().map_or(value.is_number(), fits) {
            write!(out, "{value}").map_err(Error::from)
        } else {
            let what = "neither a text nor a number";
            Err(Error::new(ErrorKind::InvalidOperation, what))
        }
    });
    environment.add_filter("trim", changed(|text| text.trim().to_owned()));
    environment.add_filter("lower", changed(str::to_lowercase));
    environment.add_filter("upper", changed(str::to_uppercase));
    environment.add_filter("capitalize", changed(capitalize));
    environment.add_filter("first_word", changed(|text| words(text).0.to_owned()));
    environment.add_filter("after_first_word", changed(|text| words(text).1.to_owned()));
    environment.add_filter("before", |text: Value, mark: String| {
        let before = |text: &str| {
            text.split_once(&mark)
                .map_or(text, |(before, _)| before)
                .to_owned()
        };
        on_text(&text, before)
    });
    environment.add_filter("after", |text: Value, mark: String| {
        on_text(&text, |text| {
            text.split_once(&mark)
                .map_or("", |(_, after)| after)
                .to_owned()
        })
    });
    environment.add_filter("replace", |text: Value, old: String, new: String| {
        on_text(&text, |text| replace(text, &old, &new))
    });
    environment.add_filter("default", |text: Value, other: Value| {
        let is_missing = text.is_undefined() || text.is_none() || text.as_str() == Some("");
        if is_missing { other } else { text }
    });
    environment.add_filter("number", |text: Value| match text.as_str() {
        Some(number) => comparison::number(number).unwrap_or_default(),
        None if text.is_number() => text,
        None => Value::UNDEFINED,
    });
    environment.add_filter(
        "_compared",
        |left: Value, operator: String, right: Value| comparison::holds(&left, &operator, &right),
    );
    environment.add_test("defined", |value: Value| !value.is_undefined());
    environment.add_test("none", |value: Value| {
        value.is_none() || value.is_undefined()
    });
    environment
}

/// A filter that changes a text.
fn changed(change: fn(&str) -> String) -> impl Fn(Value) -> Value {
    move |text| on_text(&text, change)
}

/// A filter's result: of a text or a number, and never longer than [`LONGEST_TEXT`]. Of anything else there is none, as of a value
/// that is missing.
fn on_text(value: &Value, change: impl Fn(&str) -> String) -> Value {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_number() => value.to_string(),
        None => return Value::UNDEFINED,
    };
    Value::from(cut(&change(cut(&text))))
}

fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first
        .chain(letters.as_str().to_lowercase().chars())
        .collect()
}

fn words(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn replace(text: &str, old: &str, new: &str) -> String {
    if old.is_empty() {
        return text.to_owned();
    }
    let mut made = String::new();
    for (index, piece) in text.split(old).enumerate() {
        if made.len() > LONGEST_TEXT {
            break;
        }
        if index > 0 {
            made.push_str(cut(new));
        }
        made.push_str(piece);
    }
    made
}

/// At most [`LONGEST_TEXT`] bytes, up to the end of a character.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}
