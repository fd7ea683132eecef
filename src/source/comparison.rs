//! What comparisons of values say. The engine orders values of unlike kinds by their kind, so that the text `"0.00"` is more than any number
//! and a missing value less; here, a text that is a number compares with a number as that number, as in PHP, and what is missing
//! compares with nothing.

use std::cmp::Ordering;

use minijinja::value::{Value, ValueKind};

/// Whether `left` is to `right` as the operator says: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`.
pub(super) fn holds(left: &Value, operator: &str, right: &Value) -> bool {
    let order = || order(left, right);
    match operator {
        "==" => order() == Some(Ordering::Equal),
        "!=" => order() != Some(Ordering::Equal),
        "<" => order().is_some_and(Ordering::is_lt),
        "<=" => order().is_some_and(Ordering::is_le),
        ">" => order().is_some_and(Ordering::is_gt),
        ">=" => order().is_some_and(Ordering::is_ge),
        "in" => contains(right, left),
        _ => !contains(right, left),
    }
}

/// `None` for values that do not compare.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    if is_missing(left) || is_missing(right) {
        return None;
    }
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => Some(left.cmp(right)),
        (Some(left), None) if counts(right) => Some(number(left)?.cmp(right)),
        (None, Some(right)) if counts(left) => Some(left.cmp(&number(right)?)),
        (None, None) if counts(left) && counts(right) => Some(left.cmp(right)),
        (None, None) => (left == right).then_some(Ordering::Equal),
        _ => None,
    }
}

fn contains(container: &Value, item: &Value) -> bool {
    if is_missing(item) {
        return false;
    }
    if let Some(text) = container.as_str() {
        return match item.as_str() {
            Some(item) => text.contains(item),
            None => item.is_number() && text.contains(&item.to_string()),
        };
    }
    match container.kind() {
        ValueKind::Seq | ValueKind::Iterable => container
            .try_iter()
            .is_ok_and(|mut items| items.any(|other| order(item, &other) == Some(Ordering::Equal))),
        ValueKind::Map => {
            let map = container.as_object();
            map.is_some_and(|map| map.get_value(item).is_some())
        }
        _ => false,
    }
}

fn is_missing(value: &Value) -> bool {
    value.is_undefined() || value.is_none()
}

/// Numbers, and `true` and `false`, which are 1 and 0.
fn counts(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
}

/// The number that a text is in decimal digits, with or without sign and fraction.
pub(super) fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let exact = text.parse::<i128>().map(Value::from);
    exact.or_else(|_| text.parse::<f64>().map(Value::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_numbers_compare_with_numbers_and_as_texts_with_texts() {
        let text = |text: &str| Value::from(text);
        for (left, operator, right, expected) in [
            (text("0.00"), ">", Value::from(0), false),
            (text("0.00"), "==", Value::from(0), true),
            (text("99.90"), "<", Value::from(100), true),
            (Value::from(99.5), "<", text("99.90"), true),
            (text("-1"), "<", Value::from(0), true),
            (text("007"), "==", Value::from(7), true),
            (text("007"), "==", text("7"), false),
            (text("1e3"), "==", Value::from(1000), false),
            (text("7 days"), ">=", Value::from(7), false),
            (text("inf"), ">", Value::from(0), false),
            (text(""), "==", Value::from(0), false),
            (text("x"), "!=", Value::from(7), true),
            (
                text("9007199254740993"),
                "==",
                Value::from(9_007_199_254_740_992_i64),
                false,
            ),
            (Value::UNDEFINED, "<", Value::from(10), false),
            (Value::UNDEFINED, ">=", Value::from(10), false),
            (Value::UNDEFINED, "==", Value::UNDEFINED, false),
            (Value::UNDEFINED, "!=", text("x"), true),
            (text("1"), "==", Value::from(true), true),
            (text("7"), "in", Value::from(vec![7, 9]), true),
            (text("8"), "not in", Value::from(vec![7, 9]), true),
            (Value::UNDEFINED, "in", text("None"), false),
            (Value::UNDEFINED, "not in", Value::from(vec![7]), true),
            (Value::from(7), "in", text("a7"), true),
            (text("a"), "in", Value::from(7), false),
        ] {
            let held = holds(&left, operator, &right);
            assert_eq!(held, expected, "{left:?} {operator} {right:?}");
        }
    }
}
