//! Expressions: literals, names, variables and what is assigned to them.

use std::rc::Rc;

use super::escapes::{double_quoted, integer, single_quoted};
use super::evaluate::{Ended, Evaluator, Step};
use super::statements::variable_name;
use super::syntax::{LITERAL, Node, SIMPLE_SUBSCRIPT};
use super::value::{Array, Key, Value};

impl Evaluator<'_> {
    /// The value of an expression, with its effects.
    pub(super) fn value(&mut self, node: &Rc<Node>) -> Step<Value> {
        self.deeper(node, |unknown| unknown, |it| it.value_of(node))
    }

    fn value_of(&mut self, node: &Rc<Node>) -> Step<Value> {
        match node.kind() {
            "parenthesized_expression" | "error_suppression_expression" => self.only(node),
            "string" => Ok(self.text(node, single_quoted(&node.text))),
            "encapsed_string" => self.interpolated(node),
            "integer" => Ok(integer(&node.text)
                .map_or_else(|| self.unknown(node, "a very large number"), Value::Int)),
            "boolean" => Ok(Value::Bool(node.text.eq_ignore_ascii_case(b"true"))),
            "null" => Ok(Value::Null),
            "name" | "qualified_name" => self.constant(node),
            "variable_name" => Ok(self.variable(node)),
            "subscript_expression" | SIMPLE_SUBSCRIPT => self.element(node),
            "member_access_expression" | "nullsafe_member_access_expression" => self.property(node),
            "assignment_expression" => self.assignment(node),
            "augmented_assignment_expression" => self.augmented_assignment(node),
            "binary_expression" => self.binary(node),
            "unary_op_expression" => self.unary(node),
            "conditional_expression" => self.conditional(node),
            "cast_expression" => self.cast(node),
            "array_creation_expression" => self.array(node),
            "function_call_expression" => self.call(node),
            "scoped_call_expression" => self.static_call(node),
            "member_call_expression" | "nullsafe_member_call_expression" => self.method_call(node),
            "object_creation_expression" => self.new_object(node),
            "include_expression"
            | "include_once_expression"
            | "require_expression"
            | "require_once_expression" => self.include(node),
            "print_intrinsic" => self.only(node).map(|_| Value::Int(1)),
            "throw_expression" => {
                // A `try` around it may go on.
                self.strangers += 1;
                Err(Ended)
            }
            "anonymous_function" | "arrow_function" => {
                // Whoever gets it may call it at any time.
                let cause = self.cause(node, "a function without a name");
                self.blur(node, &cause)?;
                Ok(Value::Unknown(cause))
            }
            "class_constant_access_expression" => Ok(self.unknown(node, "a constant of a class")),
            _ => self.not_followed(node),
        }
    }

    /// Code of a kind that is not followed.
    pub(super) fn not_followed(&mut self, node: &Rc<Node>) -> Step<Value> {
        let cause = self.cause(node, "code that the daemon does not follow");
        self.blur(node, &cause)?;
        Ok(Value::Unknown(cause))
    }

    pub(super) fn only(&mut self, node: &Rc<Node>) -> Step<Value> {
        match node.children.as_slice() {
            [child] => self.value(child),
            _ => self.not_followed(node),
        }
    }

    fn interpolated(&mut self, node: &Rc<Node>) -> Step<Value> {
        let mut text = Vec::new();
        let mut unknown = None;
        for piece in &node.children {
            if piece.kind() == LITERAL {
                text.extend(double_quoted(&piece.text));
                continue;
            }
            let value = self.value(piece)?;
            match value.to_text() {
                Some(more) => text.extend(more),
                None => {
                    unknown.get_or_insert_with(|| self.not_a_text(piece, value));
                }
            }
        }
        Ok(unknown.unwrap_or_else(|| self.text(node, text)))
    }

    /// The reason why a value is no text.
    pub(super) fn not_a_text(&self, node: &Node, value: Value) -> Value {
        match value {
            Value::Unknown(_) => value,
            _ => self.unknown(node, "a value that is not a text"),
        }
    }

    fn constant(&mut self, node: &Rc<Node>) -> Step<Value> {
        let name = node.name();
        if ["exit", "die"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Ended);
        }
        Ok(match name.to_ascii_uppercase().as_str() {
            "__DIR__" => self.text(node, self.folder().into_os_string().as_encoded_bytes()),
            "__FILE__" => self.text(node, self.code.path.as_os_str().as_encoded_bytes()),
            "TRUE" => Value::Bool(true),
            "FALSE" => Value::Bool(false),
            "NULL" => Value::Null,
            "__LINE__" => i64::try_from(node.line).map_or(Value::Null, Value::Int),
            _ => self.constant_named(node, &name),
        })
    }

    pub(super) fn constant_named(&mut self, node: &Node, name: &str) -> Value {
        if let Some(definition) = self.state.constants.get(name) {
            return definition.value.clone();
        }
        if let Some(value) = super::known::constant(name) {
            return value;
        }
        // PHP throws an exception.
        self.strangers += 1;
        self.unknown(node, format!("the constant {name}"))
    }

    fn variable(&mut self, node: &Node) -> Value {
        let name = variable_name(node);
        self.variable_named(node, &name)
    }

    pub(super) fn variable_named(&mut self, node: &Node, name: &str) -> Value {
        if is_from_outside(name) {
            return self.unknown(node, format!("${name}"));
        }
        if let Some(definition) = self.state.variable(name) {
            return definition.value.clone();
        }
        match &self.state.unseen {
            Some(cause) if self.state.is_global_scope() => Value::Unknown(Rc::clone(cause)),
            _ => Value::Null,
        }
    }

    fn element(&mut self, node: &Rc<Node>) -> Step<Value> {
        let [base, index] = node.children.as_slice() else {
            return self.not_followed(node);
        };
        let key = match index.kind() {
            "name" if node.kind() == SIMPLE_SUBSCRIPT => self.text(index, &index.text),
            _ => self.value(index)?,
        };
        if base.kind() == "variable_name" {
            let name = variable_name(base);
            if is_from_outside(&name) {
                return Ok(self.outside(node, &name, &key));
            }
        }
        let container = self.value(base)?;
        Ok(self.element_of(node, &container, &key))
    }

    /// An element of `$_SERVER` and the like.
    fn outside(&mut self, node: &Node, name: &str, key: &Value) -> Value {
        let Value::Text(text) = key else {
            return match key {
                Value::Unknown(_) => key.clone(),
                _ => self.unknown(node, format!("${name}")),
            };
        };
        let key = String::from_utf8_lossy(text).into_owned();
        match name {
            "_ENV" => self.environment_element(node, super::state::Channel::Env, &key),
            "_SERVER" => self.environment_element(node, super::state::Channel::Server, &key),
            "GLOBALS" => self.unknown(node, format!("$GLOBALS['{key}']")),
            _ => self.unknown(node, format!("${name}['{key}']")),
        }
    }

    fn element_of(&mut self, node: &Node, container: &Value, key: &Value) -> Value {
        match (container, key) {
            (Value::Unknown(_), _) => container.clone(),
            (_, Value::Unknown(_)) => key.clone(),
            (Value::Null, _) => Value::Null,
            (Value::Array(array), _) => {
                let found = key.to_key().map(|key| array.get(&key).cloned());
                found.map_or_else(
                    || self.unknown(node, "an element of an array"),
                    |value| value.unwrap_or(Value::Null),
                )
            }
            _ => self.unknown(node, "an element of a value that is no array"),
        }
    }

    fn property(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (object, name) = (node.field("object"), node.field("name"));
        let (Some(object), Some(name)) = (object, name) else {
            return self.not_followed(node);
        };
        let object = self.value(object)?;
        Ok(match &object {
            Value::Object(array) if name.kind() == "name" => {
                let key = Key::Text(name.text.as_ref().into());
                array.get(&key).cloned().unwrap_or(Value::Null)
            }
            Value::Unknown(_) => object,
            _ => self.unknown(node, "a property of an object"),
        })
    }

    fn assignment(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (Some(left), Some(right)) = (node.field("left"), node.field("right")) else {
            return self.not_followed(node);
        };
        let value = self.value(right)?;
        self.assign(left, value.clone())?;
        Ok(value)
    }

    fn augmented_assignment(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (Some(left), Some(right)) = (node.field("left"), node.field("right")) else {
            return self.not_followed(node);
        };
        if &*node.operator == "??=" {
            let earlier = self.value(left)?;
            let assign = |it: &mut Self| {
                let value = it.value(right)?;
                it.assign(left, value.clone())?;
                Ok(value)
            };
            return match earlier {
                Value::Null => assign(self),
                Value::Unknown(ref cause) => {
                    let cause = Rc::clone(cause);
                    self.either_value(&cause, |_| Ok(earlier.clone()), assign)
                }
                known => Ok(known),
            };
        }
        let earlier = self.value(left)?;
        let operand = self.value(right)?;
        let operator = node.operator.trim_end_matches('=');
        let value = self.operate(node, operator, earlier, operand);
        self.assign(left, value.clone())?;
        Ok(value)
    }

    /// Assigns to a variable, to an element of one, or to several in a list.
    pub(super) fn assign(&mut self, target: &Rc<Node>, value: Value) -> Step<()> {
        if target.kind() == "variable_name" {
            let name = variable_name(target);
            if !is_from_outside(&name) {
                let place = self.place(target);
                self.state.assign(&name, value, place);
                return Ok(());
            }
        }
        if target.kind() == "subscript_expression" {
            return self.assign_element(target, value);
        }
        let cause = match value {
            Value::Unknown(cause) => cause,
            _ => self.cause(target, "code that the daemon does not follow"),
        };
        self.blur_target(target, &cause);
        Ok(())
    }

    fn assign_element(&mut self, target: &Rc<Node>, value: Value) -> Step<()> {
        let base = target.children.first();
        let Some(base) = base.filter(|base| base.kind() == "variable_name") else {
            let cause = self.cause(target, "an element of an array");
            self.blur_target(target, &cause);
            return Ok(());
        };
        let name = variable_name(base);
        let key = match target.children.get(1) {
            Some(index) => Some(self.value(index)?),
            None => None,
        };
        if is_from_outside(&name) {
            self.assign_outside(target, &name, key.as_ref(), value);
            return Ok(());
        }
        let mut array = match self.variable_named(base, &name) {
            Value::Array(array) => (*array).clone(),
            Value::Null => Array::default(),
            _ => {
                let cause = self.cause(target, "an element of a value that is no array");
                self.blur_target(base, &cause);
                return Ok(());
            }
        };
        let is_set = match key {
            None => array.push(value),
            Some(key) => key.to_key().is_some_and(|key| array.set(key, value)),
        };
        let place = self.place(target);
        let value = if is_set {
            Value::Array(Rc::new(array))
        } else {
            self.unknown(target, "an element of an array")
        };
        self.state.assign(&name, value, place);
        Ok(())
    }

    fn array(&mut self, node: &Rc<Node>) -> Step<Value> {
        let mut array = Array::default();
        let mut is_known = true;
        for element in &node.children {
            match element.children.as_slice() {
                [value] if !matches!(value.kind(), "by_ref" | "variadic_unpacking") => {
                    let value = self.value(value)?;
                    is_known &= array.push(value);
                }
                [key, value] if value.kind() != "by_ref" => {
                    let key = self.value(key)?;
                    let value = self.value(value)?;
                    is_known &= key.to_key().is_some_and(|key| array.set(key, value));
                }
                _ => {
                    self.not_followed(element)?;
                    is_known = false;
                }
            }
        }
        Ok(if is_known {
            Value::Array(Rc::new(array))
        } else {
            self.unknown(node, "an array")
        })
    }
}

/// The variables that requests and the environment set.
pub(super) fn is_from_outside(name: &str) -> bool {
    let special = ["_ENV", "_SERVER", "_GET", "_POST", "_COOKIE", "_REQUEST"];
    special.contains(&name)
        || ["_FILES", "_SESSION", "GLOBALS", "argc", "argv", "this"].contains(&name)
}
