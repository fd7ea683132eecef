//! Calls of functions: PHP's own, those of the code, and those of the libraries that configurations use.

use std::rc::Rc;

use super::evaluate::{Ended, Evaluator, Flow, Step};
use super::state::{Channel, Function};
use super::statements::variable_name;
use super::syntax::Node;
use super::value::Value;

/// The deepest recursion of the code's functions.
const MOST_FRAMES: usize = 12;

impl Evaluator<'_> {
    pub(super) fn call(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (function, arguments) = (node.field("function"), node.field("arguments"));
        let (Some(function), Some(arguments)) = (function, arguments) else {
            return self.not_followed(node);
        };
        if !matches!(function.kind(), "name" | "qualified_name") {
            return self.not_followed(node);
        }
        let name = last_segment(&function.name()).to_ascii_lowercase();
        let arguments = &arguments.children;
        match name.as_str() {
            "exit" | "die" => return Err(Ended),
            "isset" => return self.isset(arguments),
            "empty" => {
                let [argument] = arguments.as_slice() else {
                    return self.not_followed(node);
                };
                let value = self.only(argument)?;
                return Ok(value
                    .truth()
                    .map_or_else(Value::Unknown, |truth| Value::Bool(!truth)));
            }
            _ => {}
        }
        let Some(values) = self.arguments(arguments)? else {
            return self.not_followed(node);
        };
        if let Some(function) = self.state.functions.get(&name) {
            let function = Rc::clone(function);
            return self.call_own(node, &function, arguments, values);
        }
        self.call_named(node, &name, arguments, &values)
    }

    /// The values of arguments in their order; `None` if they are given in another way.
    pub(super) fn arguments(&mut self, arguments: &[Rc<Node>]) -> Step<Option<Vec<Value>>> {
        let mut values = Vec::new();
        for argument in arguments {
            match argument.children.as_slice() {
                [value]
                    if argument.kind() == "argument" && value.kind() != "variadic_unpacking" =>
                {
                    values.push(self.value(value)?);
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(values))
    }

    fn isset(&mut self, arguments: &[Rc<Node>]) -> Step<Value> {
        let mut unknown = None;
        for argument in arguments {
            match self.only(argument)? {
                Value::Null => return Ok(Value::Bool(false)),
                Value::Unknown(cause) => unknown = Some(cause),
                _ => {}
            }
        }
        Ok(unknown.map_or(Value::Bool(true), Value::Unknown))
    }

    fn call_named(
        &mut self,
        node: &Rc<Node>,
        name: &str,
        arguments: &[Rc<Node>],
        values: &[Value],
    ) -> Step<Value> {
        match (name, values) {
            ("define", [constant, value, ..]) => Ok(self.define(node, constant, value.clone())),
            ("defined", [constant]) => Ok(self.is_defined(node, constant)),
            ("constant", [Value::Text(constant)]) => {
                let constant = String::from_utf8_lossy(constant).into_owned();
                Ok(self.constant_named(node, constant.trim_start_matches('\\')))
            }
            ("function_exists", [Value::Text(function)]) => {
                let function = String::from_utf8_lossy(function).to_ascii_lowercase();
                Ok(self.is_function(node, &function))
            }
            ("getenv", [Value::Text(variable), ..]) => {
                let variable = String::from_utf8_lossy(variable).into_owned();
                let value = self.environment_element(node, Channel::Getenv, &variable);
                Ok(match value {
                    Value::Null => Value::Bool(false),
                    value => value,
                })
            }
            ("env", [Value::Text(variable), rest @ ..]) => {
                let variable = String::from_utf8_lossy(variable).into_owned();
                Ok(self.converted_environment(node, &variable, rest.first()))
            }
            ("putenv", [Value::Text(setting)]) => {
                self.put_environment(setting);
                Ok(Value::Bool(true))
            }
            ("eval", [Value::Text(code)]) => {
                let code = Rc::clone(code);
                self.evaluate_text(node, &code)
            }
            ("file_exists" | "is_file" | "is_readable" | "is_dir", [path]) => {
                Ok(self.file_test(node, name, path))
            }
            ("file_get_contents", [path]) => Ok(self.file_contents(node, path)),
            ("realpath", [path]) => Ok(self.real_path(node, path)),
            ("extract" | "parse_str" | "eval" | "putenv" | "define", _) => {
                let cause = self.cause(node, format!("{name}()"));
                self.state.forget(&cause);
                Ok(Value::Unknown(cause))
            }
            _ => self.call_php(node, name, arguments, values),
        }
    }

    /// A function of PHP, or one that is not known.
    fn call_php(
        &mut self,
        node: &Rc<Node>,
        name: &str,
        arguments: &[Rc<Node>],
        values: &[Value],
    ) -> Step<Value> {
        if super::builtins::is_computed(name) {
            if let Some(cause) = Self::first_unknown(values) {
                return Ok(Value::Unknown(cause));
            }
            if let Some(value) = super::builtins::compute(name, values) {
                return Ok(value);
            }
            return Ok(self.unknown(node, format!("{name}()")));
        }
        let cause = self.cause(node, format!("{name}()"));
        if !name.starts_with("ini_") && name != "error_reporting" {
            self.strangers += 1;
        }
        if !super::known::is_harmless(name) {
            self.state.forget_absent(&cause);
            if Self::first_unknown(values).is_some() {
                self.blur_functions(None, &cause)?;
            }
        }
        for (argument, value) in arguments.iter().zip(values) {
            self.blur_reference(argument, &cause);
            if let Value::Text(name) = value {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                self.blur_functions(Some(&name), &cause)?;
            }
        }
        Ok(Value::Unknown(cause))
    }

    fn define(&mut self, node: &Rc<Node>, constant: &Value, value: Value) -> Value {
        let place = self.place(node);
        if let Value::Text(name) = constant {
            let name = String::from_utf8_lossy(name).into_owned();
            self.state.define(&name, value, place);
        } else {
            let cause = self.cause(node, "a constant whose name is computed");
            self.state.forget_absent(&cause);
        }
        Value::Bool(true)
    }

    fn is_defined(&mut self, node: &Node, constant: &Value) -> Value {
        let Value::Text(name) = constant else {
            return self.not_a_text(node, constant.clone());
        };
        let name = String::from_utf8_lossy(name);
        let name = name.trim_start_matches('\\');
        if let Some(definition) = self.state.constants.get(name) {
            return match &definition.value {
                _ if definition.is_certain => Value::Bool(true),
                Value::Unknown(cause) => Value::Unknown(Rc::clone(cause)),
                _ => self.unknown(node, format!("the constant {name}")),
            };
        }
        if super::known::constant(name).is_some() {
            return Value::Bool(true);
        }
        if super::known::is_perhaps_defined(name) {
            return self.unknown(node, format!("the constant {name}"));
        }
        let unseen = self.state.unseen.as_ref();
        unseen.map_or(Value::Bool(false), |cause| Value::Unknown(Rc::clone(cause)))
    }

    fn is_function(&self, node: &Node, name: &str) -> Value {
        if self.state.functions.contains_key(name) || super::builtins::is_computed(name) {
            return Value::Bool(true);
        }
        // PHP has no function of a name that the file gives to one.
        if self.state.unseen.is_none() && declares(&self.code.root, name) {
            return Value::Bool(false);
        }
        self.unknown(node, format!("whether there is a function {name}()"))
    }

    /// A function that the code declares.
    fn call_own(
        &mut self,
        node: &Rc<Node>,
        function: &Function,
        arguments: &[Rc<Node>],
        values: Vec<Value>,
    ) -> Step<Value> {
        let Some(body) = function.node.field("body") else {
            return self.not_followed(node);
        };
        if self.frames.len() > MOST_FRAMES {
            let cause = self.cause(node, "deeply nested code");
            self.state.forget(&cause);
            return Ok(Value::Unknown(cause));
        }
        let caller = std::mem::replace(&mut self.code, Rc::clone(&function.code));
        self.state.enter();
        let bound = self.bind(&function.node, values);
        let value = match bound {
            Ok(()) => self.in_frame(|it| it.follow_all(&body.children)),
            Err(ended) => Err(ended),
        };
        self.state.leave();
        self.code = caller;
        let value = value?;
        let cause = self.cause(node, "an argument by reference");
        for (parameter, argument) in parameters(&function.node).zip(arguments) {
            if parameter.child("reference_modifier").is_some() {
                self.blur_reference(argument, &cause);
            }
        }
        Ok(value)
    }

    fn bind(&mut self, function: &Node, values: Vec<Value>) -> Step<()> {
        let mut values = values.into_iter();
        for parameter in parameters(function) {
            let Some(name) = parameter.field("name") else {
                continue;
            };
            let value = match (values.next(), parameter.field("default_value")) {
                _ if parameter.kind() != "simple_parameter" => self.unknown(parameter, "arguments"),
                // PHP may convert what it passes to a declared type.
                (Some(value), _) if parameter.field("type").is_none() => value,
                (Some(value), _) => self.declared(parameter, value),
                (None, Some(default)) => self.value(default)?,
                (None, None) => return Err(Ended),
            };
            let place = self.place(parameter);
            self.state.assign(&variable_name(name), value, place);
        }
        Ok(())
    }

    /// A value for a parameter with a type.
    fn declared(&self, parameter: &Node, value: Value) -> Value {
        let declared = parameter
            .field("type")
            .map(|declared| declared.text.clone());
        let declared = declared.unwrap_or_default().to_ascii_lowercase();
        match (&*declared, &value) {
            (b"string", Value::Text(_)) | (b"bool", Value::Bool(_)) | (b"int", Value::Int(_)) => {
                value
            }
            (b"array", Value::Array(_)) | (b"mixed", _) | (_, Value::Unknown(_)) => value,
            _ => self.unknown(parameter, "a value of a declared type"),
        }
    }

    /// Follows a text as PHP code.
    fn evaluate_text(&mut self, node: &Rc<Node>, code: &[u8]) -> Step<Value> {
        let path = Rc::clone(&self.code.path);
        if let Ok(code) = super::syntax::parse(&path, code, true) {
            self.follow_code(Rc::new(code))?;
            return Ok(self.unknown(node, "what eval() returns"));
        }
        let cause = self.cause(node, "eval() of code that is not understood");
        self.state.forget(&cause);
        Ok(Value::Unknown(cause))
    }

    /// Follows a file, or a text that is evaluated in one.
    pub(super) fn follow_code(&mut self, code: Rc<super::syntax::Code>) -> Step<Value> {
        let root = Rc::clone(&code.root);
        let caller = std::mem::replace(&mut self.code, code);
        let was_namespaced = std::mem::replace(&mut self.is_namespaced, false);
        for statement in &root.children {
            if statement.kind() == "function_definition" {
                self.declare_function(statement);
            }
        }
        let value = self.in_frame(|it| match it.follow_all(&root.children)? {
            Flow::Next => Ok(Flow::Return(Value::Int(1))),
            flow => Ok(flow),
        });
        self.code = caller;
        self.is_namespaced = was_namespaced;
        value
    }
}

/// Whether a function of this name, in small letters, is declared below a node.
fn declares(root: &Rc<Node>, name: &str) -> bool {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        let declared = node
            .field("name")
            .filter(|_| node.kind() == "function_definition");
        if declared.is_some_and(|declared| declared.name().eq_ignore_ascii_case(name)) {
            return true;
        }
        open.extend(&node.children);
    }
    false
}

fn parameters(function: &Node) -> impl Iterator<Item = &Rc<Node>> {
    let parameters = function.field("parameters").into_iter();
    parameters.flat_map(|parameters| &parameters.children)
}

/// A name without its namespace.
pub(super) fn last_segment(name: &str) -> &str {
    name.rsplit('\\').next().unwrap_or(name)
}
