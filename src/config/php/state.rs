//! What is defined at a point of the code, and what two ways to this point have in common.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use super::syntax::{Code, Node};
use super::value::{Cause, Place, Value};

/// A constant or variable.
#[derive(Debug, Clone)]
pub(in crate::config) struct Definition {
    pub(in crate::config) value: Value,
    pub(in crate::config) place: Place,
    /// Whether it is defined whichever way the code takes.
    pub(super) is_certain: bool,
}

/// A function of the code.
pub(super) struct Function {
    pub(super) code: Rc<Code>,
    pub(super) node: Rc<Node>,
}

/// How code asks for a variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    Getenv,
    Env,
    Server,
}

/// The variables of a function, or those outside of functions.
#[derive(Clone, Default)]
pub(super) struct Scope {
    variables: HashMap<String, Definition>,
    globals: HashSet<String>,
    /// Variables that have a second name, or that a function may change at any time: never known again.
    aliases: HashMap<String, Rc<Cause>>,
}

const PREFIX: &str = "table_prefix";

#[derive(Clone)]
pub(super) struct State {
    pub(super) constants: HashMap<String, Definition>,
    scopes: Vec<Scope>,
    pub(super) functions: HashMap<String, Rc<Function>>,
    /// Variables of the environment that the code has set; `Null` for those that are not there.
    environment: HashMap<(Channel, String), Value>,
    /// What Bedrock's `Config` will define.
    pub(super) settings: HashMap<String, Definition>,
    /// Whether the code has functions or classes that are not followed when they are called.
    pub(super) has_hidden_code: bool,
    /// Files that were included, and whether on every way.
    pub(super) included: BTreeMap<Rc<Path>, bool>,
    /// `$table_prefix` as it was when WordPress began, which goes by no later value.
    prefix: Option<Definition>,
    /// Set once other constants and variables may be defined than those that are known.
    pub(super) unseen: Option<Rc<Cause>>,
    /// Set once other variables of the environment may be set than those that are known.
    pub(super) unseen_environment: Option<Rc<Cause>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            constants: HashMap::new(),
            scopes: vec![Scope::default()],
            functions: HashMap::new(),
            environment: HashMap::new(),
            settings: HashMap::new(),
            has_hidden_code: false,
            included: BTreeMap::new(),
            prefix: None,
            unseen: None,
            unseen_environment: None,
        }
    }
}

impl State {
    /// How much a copy costs.
    pub(super) fn size(&self) -> usize {
        let variables = self.scopes.iter().map(|scope| scope.variables.len());
        variables.sum::<usize>()
            + self.constants.len()
            + self.functions.len()
            + self.environment.len()
            + self.settings.len()
    }

    fn scope(&mut self, name: &str) -> &mut Scope {
        let last = self.scopes.len() - 1;
        let is_global = self.scopes[last].globals.contains(name);
        &mut self.scopes[if is_global { 0 } else { last }]
    }

    pub(super) fn variable(&mut self, name: &str) -> Option<&Definition> {
        self.scope(name).variables.get(name)
    }

    pub(super) fn assign(&mut self, name: &str, value: Value, place: Place) {
        let scope = self.scope(name);
        let alias = scope.aliases.get(name);
        let value = alias.map_or(value, |cause| Value::Unknown(Rc::clone(cause)));
        let definition = Definition {
            value,
            place,
            is_certain: true,
        };
        scope.variables.insert(name.to_owned(), definition);
    }

    /// Gives a variable a second name, which is not followed.
    pub(super) fn alias(&mut self, name: &str, cause: &Rc<Cause>, place: Place) {
        let scope = self.scope(name);
        scope.aliases.insert(name.to_owned(), Rc::clone(cause));
        self.assign(name, Value::Unknown(Rc::clone(cause)), place);
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.scope(name).variables.remove(name);
    }

    pub(super) fn is_global_scope(&self) -> bool {
        self.scopes.len() == 1
    }

    /// Lets a name stand for the variable outside of functions.
    pub(super) fn make_global(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.globals.insert(name.to_owned());
        }
    }

    pub(super) fn enter(&mut self) {
        self.scopes.push(Scope::default());
    }

    pub(super) fn leave(&mut self) {
        if self.scopes.len() > 1 {
            self.scopes.pop();
        }
    }

    /// WordPress begins with what is defined by now.
    pub(super) fn start(&mut self) {
        if self.prefix.is_none() {
            self.prefix = self.scopes[0].variables.get(PREFIX).cloned();
        }
    }

    /// The constants, and the variables outside of functions.
    pub(super) fn into_globals(self) -> (HashMap<String, Definition>, HashMap<String, Definition>) {
        let globals = self.scopes.into_iter().next().unwrap_or_default();
        let mut variables = globals.variables;
        if let Some(prefix) = self.prefix {
            variables.insert(PREFIX.to_owned(), prefix);
        }
        (self.constants, variables)
    }

    /// Defines a constant, of which the first definition counts.
    pub(super) fn define(&mut self, name: &str, value: Value, place: Place) {
        match self.constants.entry(name.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(Definition {
                    value,
                    place,
                    is_certain: true,
                });
            }
            Entry::Occupied(mut entry) => {
                // Otherwise it has been defined on some ways only, so its value depends on the way.
                entry.get_mut().is_certain = true;
            }
        }
    }

    /// Notes that a constant may be defined here, as something.
    pub(super) fn may_define(&mut self, name: &str, cause: &Rc<Cause>, place: Place) {
        self.constants
            .entry(name.to_owned())
            .or_insert_with(|| Definition {
                value: Value::Unknown(Rc::clone(cause)),
                place,
                is_certain: false,
            });
    }

    /// Notes that code which is not known may have defined and changed anything.
    pub(super) fn forget(&mut self, cause: &Rc<Cause>) {
        self.unseen.get_or_insert_with(|| Rc::clone(cause));
        self.forget_environment(cause);
        let variables = self.scopes.iter_mut();
        let variables = variables.flat_map(|scope| scope.variables.values_mut());
        for definition in variables.chain(self.settings.values_mut()) {
            make_unknown(definition, cause);
        }
        for value in self.environment.values_mut() {
            *value = Value::Unknown(Rc::clone(cause));
        }
    }

    /// Notes that the constants may be other ones: the code was not followed to its end.
    pub(super) fn forget_constants(&mut self, cause: &Rc<Cause>) {
        for definition in self.constants.values_mut() {
            make_unknown(definition, cause);
        }
    }

    pub(super) fn forget_settings(&mut self, cause: &Rc<Cause>) {
        for definition in self.settings.values_mut() {
            make_unknown(definition, cause);
        }
    }

    /// Notes that variables which the code has set may have changed.
    pub(super) fn forget_variables_of(&mut self, channel: Channel, cause: &Rc<Cause>) {
        for ((of, _), value) in &mut self.environment {
            if *of == channel {
                *value = Value::Unknown(Rc::clone(cause));
            }
        }
    }

    /// Notes a call of code that is not known. Only code of the site's own configuration is thought to change variables.
    pub(super) fn forget_absent(&mut self, cause: &Rc<Cause>) {
        if self.has_hidden_code {
            self.forget(cause);
        }
        self.unseen.get_or_insert_with(|| Rc::clone(cause));
        self.forget_environment(cause);
    }

    pub(super) fn forget_environment(&mut self, cause: &Rc<Cause>) {
        self.unseen_environment
            .get_or_insert_with(|| Rc::clone(cause));
    }

    pub(super) fn environment(&self, channel: Channel, name: &str) -> Option<&Value> {
        self.environment.get(&(channel, name.to_owned()))
    }

    pub(super) fn set_environment(&mut self, channel: Channel, name: &str, value: Value) {
        self.environment.insert((channel, name.to_owned()), value);
    }

    /// Keeps what both ways have in common; the rest depends on `cause`.
    pub(super) fn merge(&mut self, other: Self, cause: &Rc<Cause>) {
        merge_definitions(&mut self.constants, other.constants, cause);
        merge_definitions(&mut self.settings, other.settings, cause);
        for (scope, other) in self.scopes.iter_mut().zip(other.scopes) {
            merge_definitions(&mut scope.variables, other.variables, cause);
            scope.globals.extend(other.globals);
            scope.aliases.extend(other.aliases);
        }
        let same = |name: &String, function: &Rc<Function>| {
            let other = other.functions.get(name);
            other.is_some_and(|other| Rc::ptr_eq(&other.node, &function.node))
        };
        let before = self.functions.len().max(other.functions.len());
        self.functions.retain(|name, function| same(name, function));
        self.has_hidden_code |= other.has_hidden_code || self.functions.len() < before;
        for (key, value) in &mut self.environment {
            if other.environment.get(key) != Some(value) {
                *value = Value::Unknown(Rc::clone(cause));
            }
        }
        for key in other.environment.into_keys() {
            let unknown = || Value::Unknown(Rc::clone(cause));
            self.environment.entry(key).or_insert_with(unknown);
        }
        for (file, is_certain) in &mut self.included {
            *is_certain &= other.included.get(file).copied().unwrap_or(false);
        }
        for file in other.included.into_keys() {
            self.included.entry(file).or_insert(false);
        }
        self.prefix = match (self.prefix.take(), other.prefix) {
            (Some(one), Some(other)) if one.value == other.value => Some(one),
            // The variable tells what is known whichever way the code takes.
            _ => None,
        };
        self.unseen = self.unseen.take().or(other.unseen);
        self.unseen_environment = self.unseen_environment.take().or(other.unseen_environment);
    }
}

fn merge_definitions(
    into: &mut HashMap<String, Definition>,
    mut other: HashMap<String, Definition>,
    cause: &Rc<Cause>,
) {
    for (name, definition) in &mut *into {
        if let Some(other) = other.remove(name) {
            definition.is_certain &= other.is_certain;
            if definition.value != other.value {
                make_unknown(definition, cause);
            }
        } else {
            definition.is_certain = false;
            make_unknown(definition, cause);
        }
    }
    for (name, mut definition) in other {
        definition.is_certain = false;
        make_unknown(&mut definition, cause);
        into.insert(name, definition);
    }
}

fn make_unknown(definition: &mut Definition, cause: &Rc<Cause>) {
    if definition.value.is_known() {
        definition.value = Value::Unknown(Rc::clone(cause));
    }
}
