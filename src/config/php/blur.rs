//! What becomes of the values that code may change which is not followed.

use std::rc::Rc;

use super::evaluate::{Evaluator, Step};
use super::state::Channel;
use super::statements::variable_name;
use super::syntax::Node;
use super::value::{Cause, Value};

impl Evaluator<'_> {
    /// Makes unknown what the code below a node may define or assign.
    pub(super) fn blur(&mut self, node: &Rc<Node>, cause: &Rc<Cause>) -> Step<()> {
        let mut bodies = vec![Rc::clone(node)];
        let mut seen: Vec<Rc<Node>> = Vec::new();
        let mut may_return = false;
        while let Some(body) = bodies.pop() {
            if seen.iter().any(|other| Rc::ptr_eq(other, &body)) {
                continue;
            }
            let is_function = matches!(
                body.kind(),
                "anonymous_function" | "arrow_function" | "function_definition"
            );
            let returns = self.blur_body(&body, cause, &mut bodies)?;
            may_return |= returns && seen.is_empty() && !is_function;
            seen.push(body);
        }
        if may_return {
            let state = self.state.clone();
            self.spend(state.size())?;
            self.note_return(state, Value::Unknown(Rc::clone(cause)), cause);
        }
        Ok(())
    }

    /// Adds the bodies of the functions that are called to `bodies`; true if this one may return.
    fn blur_body(
        &mut self,
        body: &Rc<Node>,
        cause: &Rc<Cause>,
        bodies: &mut Vec<Rc<Node>>,
    ) -> Step<bool> {
        let mut open = vec![Rc::clone(body)];
        let mut may_return = false;
        while let Some(node) = open.pop() {
            self.spend(1)?;
            match node.kind() {
                "class_declaration"
                | "trait_declaration"
                | "interface_declaration"
                | "enum_declaration" => {
                    self.state.has_hidden_code = true;
                    continue;
                }
                "anonymous_function" | "arrow_function" if !Rc::ptr_eq(&node, body) => {
                    bodies.push(node);
                    continue;
                }
                "function_definition" if !Rc::ptr_eq(&node, body) => {
                    // Whoever calls it from now on calls something that is not known.
                    if let Some(name) = node.field("name") {
                        let name = name.name().to_ascii_lowercase();
                        self.state.functions.remove(&name);
                        self.state.has_hidden_code = true;
                    }
                    continue;
                }
                "function_call_expression" => self.blur_call(&node, cause, bodies),
                "return_statement" => may_return = true,
                "break_statement" | "continue_statement" if !node.children.is_empty() => {
                    self.is_broken_apart = true;
                }
                _ => self.blur_node(&node, cause),
            }
            open.extend(node.children.iter().cloned());
        }
        Ok(may_return)
    }

    fn blur_node(&mut self, node: &Rc<Node>, cause: &Rc<Cause>) {
        match node.kind() {
            "assignment_expression" | "augmented_assignment_expression" => {
                if let Some(left) = node.field("left") {
                    self.blur_target(left, cause);
                }
            }
            "by_ref" | "global_declaration" | "reference_assignment_expression" => {
                self.alias_all(node, cause);
            }
            "update_expression"
            | "foreach_statement"
            | "catch_clause"
            | "unset_statement"
            | "static_variable_declaration"
            | "pair"
            | "list_literal" => {
                for target in &node.children {
                    self.blur_target(target, cause);
                }
            }
            "include_expression"
            | "include_once_expression"
            | "require_expression"
            | "require_once_expression" => self.state.forget(cause),
            "scoped_call_expression"
            | "member_call_expression"
            | "object_creation_expression"
            | "nullsafe_member_call_expression" => {
                self.state.forget_absent(cause);
                self.state.forget_settings(cause);
            }
            "const_element" => {
                if let Some(name) = node.children.first() {
                    let place = self.place(node);
                    self.state.may_define(&name.name(), cause, place);
                }
            }
            _ => {}
        }
    }

    /// Variables that from now on may change under another name.
    fn alias_all(&mut self, node: &Rc<Node>, cause: &Rc<Cause>) {
        let mut open: Vec<&Rc<Node>> = node.children.iter().collect();
        while let Some(node) = open.pop() {
            if node.kind() == "variable_name" {
                let place = self.place(node);
                self.state.alias(&variable_name(node), cause, place);
            }
            open.extend(&node.children);
        }
    }

    /// A variable, an element of one, or several in a list.
    pub(super) fn blur_target(&mut self, target: &Rc<Node>, cause: &Rc<Cause>) {
        let mut open = vec![Rc::clone(target)];
        while let Some(node) = open.pop() {
            match node.kind() {
                "variable_name" => {
                    let name = variable_name(&node);
                    if matches!(name.as_str(), "_ENV" | "_SERVER") {
                        self.state.forget_environment(cause);
                    } else if name == "GLOBALS" {
                        self.state.forget(cause);
                    }
                    let place = self.place(&node);
                    let value = Value::Unknown(Rc::clone(cause));
                    self.state.assign(&name, value, place);
                }
                "dynamic_variable_name" => self.state.forget(cause),
                "compound_statement" | "colon_block" | "scoped_property_access_expression" => {}
                _ => open.extend(node.children.iter().cloned()),
            }
        }
    }

    fn blur_call(&mut self, node: &Rc<Node>, cause: &Rc<Cause>, bodies: &mut Vec<Rc<Node>>) {
        let (function, arguments) = (node.field("function"), node.field("arguments"));
        let (Some(function), Some(arguments)) = (function, arguments) else {
            return;
        };
        if !matches!(function.kind(), "name" | "qualified_name") {
            self.state.forget(cause);
            return;
        }
        let name = super::calls::last_segment(&function.name()).to_ascii_lowercase();
        let place = self.place(node);
        for argument in &arguments.children {
            self.blur_reference(argument, cause);
        }
        if let Some(known) = self.state.functions.get(&name) {
            bodies.push(Rc::clone(&known.node));
        } else if name == "define" {
            let first = arguments.children.first();
            let first = first.and_then(|argument| argument.children.last());
            match first.filter(|name| name.kind() == "string") {
                Some(name) => {
                    let name = super::escapes::single_quoted(&name.text);
                    let name = String::from_utf8_lossy(&name).into_owned();
                    self.state.may_define(&name, cause, place);
                }
                None => self.state.forget(cause),
            }
        } else if matches!(name.as_str(), "putenv" | "env") {
            self.state.forget_environment(cause);
            for channel in [Channel::Getenv, Channel::Env, Channel::Server] {
                self.state.forget_variables_of(channel, cause);
            }
        } else if !super::known::is_harmless(&name) {
            // It may call those of the code.
            let functions = self.state.functions.values();
            bodies.extend(functions.map(|function| Rc::clone(&function.node)));
            self.state.forget_absent(cause);
        }
    }

    /// Any function of the code, or one of a name, may be called.
    pub(super) fn blur_functions(&mut self, name: Option<&str>, cause: &Rc<Cause>) -> Step<()> {
        let functions = self.state.functions.iter();
        let functions = functions.filter(|(other, _)| name.is_none_or(|name| name == *other));
        let nodes: Vec<Rc<Node>> = functions
            .map(|(_, function)| Rc::clone(&function.node))
            .collect();
        for node in nodes {
            self.state.forget(cause);
            self.blur(&node, cause)?;
        }
        Ok(())
    }

    /// A function may take a variable by reference and change it.
    pub(super) fn blur_reference(&mut self, argument: &Rc<Node>, cause: &Rc<Cause>) {
        if let Some(target) = argument.children.last()
            && matches!(target.kind(), "variable_name" | "subscript_expression")
        {
            self.blur_target(target, cause);
        }
    }
}
