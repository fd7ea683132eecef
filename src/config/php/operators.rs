//! Operators and casts.

use std::rc::Rc;

use super::evaluate::{Evaluator, Step};
use super::syntax::Node;
use super::value::{Array, Cause, Value};

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (Some(left), Some(right)) = (node.field("left"), node.field("right")) else {
            return self.not_followed(node);
        };
        match &*node.operator {
            "&&" | "and" => self.shortcut(left, right, false),
            "||" | "or" => self.shortcut(left, right, true),
            "??" => {
                let value = self.value(left)?;
                let otherwise = |it: &mut Self| it.value(right);
                match value {
                    Value::Null => otherwise(self),
                    Value::Unknown(ref cause) => {
                        let cause = Rc::clone(cause);
                        self.either_value(&cause, |_| Ok(value), otherwise)
                    }
                    known => Ok(known),
                }
            }
            "instanceof" => {
                self.value(left)?;
                Ok(self.unknown(node, "the class of an object"))
            }
            operator => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                Ok(self.operate(node, operator, left, right))
            }
        }
    }

    /// `&&` and `||`: the right side counts, and is run, only if the left one is not `decisive`.
    fn shortcut(&mut self, left: &Rc<Node>, right: &Rc<Node>, decisive: bool) -> Step<Value> {
        let right = |it: &mut Self| {
            let value = it.value(right)?;
            Ok(value.truth().map_or_else(Value::Unknown, Value::Bool))
        };
        match self.value(left)?.truth() {
            Ok(truth) if truth == decisive => Ok(Value::Bool(decisive)),
            Ok(_) => right(self),
            Err(cause) => self.either_value(&cause, right, |_| Ok(Value::Bool(decisive))),
        }
    }

    pub(super) fn conditional(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (condition, body) = (node.field("condition"), node.field("body"));
        let (Some(condition), Some(alternative)) = (condition, node.field("alternative")) else {
            return self.not_followed(node);
        };
        let tested = self.value(condition)?;
        let truth = tested.truth();
        let yes = |it: &mut Self| match body {
            Some(body) => it.value(body),
            None => Ok(tested),
        };
        match truth {
            Ok(true) => yes(self),
            Ok(false) => self.value(alternative),
            Err(cause) => self.either_value(&cause, yes, |it| it.value(alternative)),
        }
    }

    pub(super) fn unary(&mut self, node: &Rc<Node>) -> Step<Value> {
        let Some(argument) = node.field("argument") else {
            return self.not_followed(node);
        };
        let value = self.value(argument)?;
        Ok(match (&*node.operator, &value) {
            ("!", _) => value
                .truth()
                .map_or_else(Value::Unknown, |yes| Value::Bool(!yes)),
            ("@", _) | (_, Value::Unknown(_)) | ("+", Value::Int(_)) => value,
            ("-", Value::Int(number)) => number
                .checked_neg()
                .map_or_else(|| self.unknown(node, "a very large number"), Value::Int),
            ("~", Value::Int(number)) => Value::Int(!number),
            _ => self.unknown(node, "a computation"),
        })
    }

    /// The value of an operator that has both of its sides.
    pub(super) fn operate(&self, node: &Node, operator: &str, left: Value, right: Value) -> Value {
        if !left.is_known() {
            return left;
        }
        if !right.is_known() {
            return right;
        }
        let value = match operator {
            "." => match (left.to_text(), right.to_text()) {
                (Some(one), Some(two)) => Value::text([one, two].concat()),
                _ => None,
            },
            "===" => left.is_identical(&right).map(Value::Bool),
            "!==" => left.is_identical(&right).map(|same| Value::Bool(!same)),
            "==" => left.is_equal(&right).map(Value::Bool),
            "!=" | "<>" => left.is_equal(&right).map(|same| Value::Bool(!same)),
            "xor" => match (left.truth(), right.truth()) {
                (Ok(one), Ok(two)) => Some(Value::Bool(one != two)),
                _ => None,
            },
            _ => match (left, right) {
                (Value::Int(one), Value::Int(two)) => of_integers(operator, one, two),
                _ => None,
            },
        };
        value.unwrap_or_else(|| self.unknown(node, "a computation"))
    }

    pub(super) fn cast(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (Some(cast), Some(value)) = (node.field("type"), node.field("value")) else {
            return self.not_followed(node);
        };
        let value = self.value(value)?;
        if !value.is_known() {
            return Ok(value);
        }
        let cast = String::from_utf8_lossy(&cast.text).to_ascii_lowercase();
        let made = match (cast.trim(), &value) {
            ("bool" | "boolean", _) => value.truth().ok().map(Value::Bool),
            ("string" | "binary", _) => value.to_text().and_then(Value::text),
            ("int" | "integer", _) => to_integer(&value).map(Value::Int),
            ("array", Value::Array(array) | Value::Object(array)) => {
                Some(Value::Array(Rc::clone(array)))
            }
            ("array", Value::Null) => Some(Value::Array(Rc::default())),
            ("array", Value::Bool(_) | Value::Int(_) | Value::Text(_)) => {
                let mut array = Array::default();
                let fits = array.push(value.clone());
                fits.then(|| Value::Array(Rc::new(array)))
            }
            ("object", Value::Array(array)) => Some(Value::Object(Rc::clone(array))),
            _ => None,
        };
        Ok(made.unwrap_or_else(|| self.unknown(node, "a cast")))
    }

    /// The first reason among values.
    pub(super) fn first_unknown(values: &[Value]) -> Option<Rc<Cause>> {
        values.iter().find_map(|value| match value {
            Value::Unknown(cause) => Some(Rc::clone(cause)),
            _ => None,
        })
    }
}

fn of_integers(operator: &str, one: i64, two: i64) -> Option<Value> {
    Some(match operator {
        "+" => Value::Int(one.checked_add(two)?),
        "-" => Value::Int(one.checked_sub(two)?),
        "*" => Value::Int(one.checked_mul(two)?),
        "|" => Value::Int(one | two),
        "&" => Value::Int(one & two),
        "^" => Value::Int(one ^ two),
        "<" => Value::Bool(one < two),
        ">" => Value::Bool(one > two),
        "<=" => Value::Bool(one <= two),
        ">=" => Value::Bool(one >= two),
        _ => return None,
    })
}

/// `(int)`, where the text is a plain number or has none at its beginning.
pub(super) fn to_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Null => Some(0),
        Value::Bool(yes) => Some(i64::from(*yes)),
        Value::Int(number) => Some(*number),
        Value::Text(text) => match text.first() {
            None => Some(0),
            Some(byte) if byte.is_ascii_alphabetic() => Some(0),
            _ => super::value::decimal(text),
        },
        _ => None,
    }
}
