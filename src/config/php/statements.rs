//! Statements.

use std::rc::Rc;

use super::evaluate::{Evaluator, Flow, Step};
use super::state::Function;
use super::syntax::Node;
use super::value::{Cause, Value};

impl Evaluator<'_> {
    /// Follows statements up to the one that leaves them.
    pub(super) fn follow_all(&mut self, statements: &[Rc<Node>]) -> Step<Flow> {
        for statement in statements {
            match self.follow(statement)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn follow(&mut self, node: &Rc<Node>) -> Step<Flow> {
        self.deeper(node, |_| Flow::Next, |evaluator| evaluator.statement(node))
    }

    fn statement(&mut self, node: &Rc<Node>) -> Step<Flow> {
        match node.kind() {
            "compound_statement" | "colon_block" | "else_clause" | "declare_statement" => {
                return self.follow_all(&node.children);
            }
            "if_statement" => return self.follow_if(node),
            "switch_statement" => return self.follow_switch(node),
            "try_statement" => return self.follow_try(node),
            "return_statement" => {
                let value = match node.children.first() {
                    Some(value) => self.value(value)?,
                    None => Value::Null,
                };
                return Ok(Flow::Return(value));
            }
            "break_statement" | "continue_statement" => return Ok(Flow::Break),
            "exit_statement" => return Err(super::evaluate::Ended),
            "expression_statement" | "echo_statement" | "sequence_expression" => {
                for expression in &node.children {
                    self.value(expression)?;
                }
            }
            "const_declaration" => self.declare_constants(node)?,
            "function_definition" => self.declare_function(node),
            "global_declaration" => self.declare_globals(node),
            "unset_statement" => self.unset(node)?,
            "namespace_definition" => {
                self.is_namespaced = true;
                if let Some(body) = node.field("body") {
                    return self.follow_all(&body.children);
                }
            }
            "for_statement" | "foreach_statement" | "while_statement" | "do_statement" => {
                let cause = self.cause(node, "a loop");
                self.blur(node, &cause)?;
            }
            "function_static_declaration" => {
                let cause = self.cause(node, "a variable that outlives its function");
                self.blur(node, &cause)?;
            }
            "goto_statement" => return self.give_up(),
            "class_declaration"
            | "trait_declaration"
            | "interface_declaration"
            | "enum_declaration" => self.state.has_hidden_code = true,
            // Declarations, and what only prints.
            _ => {}
        }
        Ok(Flow::Next)
    }

    fn follow_if(&mut self, node: &Node) -> Step<Flow> {
        let alternatives: Vec<Rc<Node>> = node.fields("alternative").cloned().collect();
        self.follow_branch(node, &alternatives)
    }

    /// An `if` or `elseif` and what comes after it.
    fn follow_branch(&mut self, node: &Node, alternatives: &[Rc<Node>]) -> Step<Flow> {
        if node.kind() == "else_clause" {
            return self.follow_all(&node.children);
        }
        let (Some(condition), Some(body)) = (node.field("condition"), node.field("body")) else {
            return Ok(Flow::Next);
        };
        let otherwise = |evaluator: &mut Self| match alternatives {
            [] => Ok(Flow::Next),
            [next, rest @ ..] => evaluator.deeper(
                next,
                |_| Flow::Next,
                |evaluator| evaluator.follow_branch(next, rest),
            ),
        };
        match self.value(condition)?.truth() {
            Ok(true) => self.follow(body),
            Ok(false) => otherwise(self),
            Err(cause) => self.either_flow(&cause, |it| it.follow(body), otherwise),
        }
    }

    /// Only where the case is known, and no way leaves it half-way.
    fn follow_switch(&mut self, node: &Rc<Node>) -> Step<Flow> {
        let (Some(condition), Some(body)) = (node.field("condition"), node.field("body")) else {
            return Ok(Flow::Next);
        };
        let subject = self.value(condition)?;
        let before = self.state.clone();
        let was_broken = std::mem::replace(&mut self.is_broken_apart, false);
        let found = self.matching_case(&subject, body)?;
        let flow = match &found {
            Ok(None) => Flow::Next,
            Ok(Some(first)) => self.follow_cases(&body.children[*first..])?,
            Err(_) => Flow::Break,
        };
        let is_broken = std::mem::replace(&mut self.is_broken_apart, was_broken);
        if is_broken || found.is_err() {
            self.state = before;
            let cause = match found {
                Err(cause) => cause,
                Ok(_) => self.cause(node, "code that the daemon does not follow"),
            };
            self.blur(body, &cause)?;
            return Ok(Flow::Next);
        }
        Ok(match flow {
            Flow::Return(value) => Flow::Return(value),
            _ => Flow::Next,
        })
    }

    /// The index of the case that is taken.
    fn matching_case(
        &mut self,
        subject: &Value,
        body: &Node,
    ) -> Step<Result<Option<usize>, Rc<Cause>>> {
        for (at, case) in body.children.iter().enumerate() {
            let Some(value) = case.field("value") else {
                continue;
            };
            let value = self.value(value)?;
            match subject.is_equal(&value) {
                Some(true) => return Ok(Ok(Some(at))),
                Some(false) => {}
                None => {
                    let cause = match subject {
                        Value::Unknown(cause) => Rc::clone(cause),
                        _ => self.cause(case, "a comparison"),
                    };
                    return Ok(Err(cause));
                }
            }
        }
        let mut cases = body.children.iter();
        Ok(Ok(cases.position(|case| case.kind() == "default_statement")))
    }

    fn follow_cases(&mut self, cases: &[Rc<Node>]) -> Step<Flow> {
        for case in cases {
            let value = usize::from(case.field("value").is_some());
            match self.follow_all(&case.children[value..])? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    /// Nothing throws but what is not known.
    fn follow_try(&mut self, node: &Rc<Node>) -> Step<Flow> {
        let Some(body) = node.field("body") else {
            return Ok(Flow::Next);
        };
        let (before, strangers) = (self.state.clone(), self.strangers);
        let ended = self.follow(body);
        let after: Vec<Rc<Node>> = node
            .children
            .iter()
            .filter(|child| child.kind() == "finally_clause")
            .flat_map(|clause| clause.children.clone())
            .collect();
        if self.strangers == strangers
            && let Ok(flow) = ended
        {
            return Ok(match self.follow_all(&after)? {
                Flow::Next => flow,
                instead => instead,
            });
        }
        self.spend(before.size())?;
        self.state = before;
        let cause = self.cause(node, "an exception that may be thrown");
        self.blur(node, &cause)?;
        Ok(Flow::Next)
    }

    fn declare_constants(&mut self, node: &Node) -> Step<()> {
        for element in &node.children {
            if let [name, value] = element.children.as_slice() {
                let value = self.value(value)?;
                // Others have the namespace in their names.
                if !self.is_namespaced {
                    let place = self.place(element);
                    self.state.define(&name.name(), value, place);
                }
            }
        }
        Ok(())
    }

    pub(super) fn declare_function(&mut self, node: &Rc<Node>) {
        let Some(name) = node.field("name") else {
            return;
        };
        let function = Function {
            code: Rc::clone(&self.code),
            node: Rc::clone(node),
        };
        let name = name.name().to_ascii_lowercase();
        let functions = &mut self.state.functions;
        functions.entry(name).or_insert_with(|| Rc::new(function));
    }

    fn declare_globals(&mut self, node: &Node) {
        for variable in &node.children {
            if variable.kind() == "variable_name" {
                self.state.make_global(&variable_name(variable));
            }
        }
    }

    fn unset(&mut self, node: &Node) -> Step<()> {
        for target in &node.children {
            if target.kind() == "variable_name" {
                self.state.unset(&variable_name(target));
            } else {
                let value = self.unknown(target, "an element that is unset");
                self.assign(target, value)?;
            }
        }
        Ok(())
    }
}

/// The name of a variable, without its dollar.
pub(super) fn variable_name(node: &Node) -> String {
    let text = String::from_utf8_lossy(&node.text);
    text.trim_start_matches('$').to_owned()
}
