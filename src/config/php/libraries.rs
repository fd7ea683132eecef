//! The classes that configurations use: Bedrock's `Config`, and the readers of `.env` files. Any other call may do
//! anything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::calls::last_segment;
use super::evaluate::{Evaluator, Step};
use super::reader::Reader;
use super::state::Definition;
use super::syntax::Node;
use super::value::Value;

/// Methods by which readers of `.env` files are set up and check what they have read.
const WITHOUT_EFFECT: [&str; 13] = [
    "addadapter",
    "addreader",
    "addwriter",
    "allowedregexvalues",
    "allowedvalues",
    "allowlist",
    "ifpresent",
    "immutable",
    "isboolean",
    "isinteger",
    "make",
    "notempty",
    "required",
];

impl Evaluator<'_> {
    pub(super) fn static_call(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (scope, name) = (node.field("scope"), node.field("name"));
        let (Some(scope), Some(name), Some(arguments)) = (scope, name, node.field("arguments"))
        else {
            return self.not_followed(node);
        };
        let Some(values) = self.arguments(&arguments.children)? else {
            return self.not_followed(node);
        };
        let class = last_segment(&scope.name()).to_ascii_lowercase();
        let method = name.name().to_ascii_lowercase();
        match (class.as_str(), method.as_str(), values.as_slice()) {
            ("config", "define", [Value::Text(name), value]) => {
                let definition = Definition {
                    value: value.clone(),
                    place: self.place(node),
                    is_certain: true,
                };
                let name = String::from_utf8_lossy(name).into_owned();
                self.state.settings.insert(name, definition);
                Ok(Value::Null)
            }
            ("config", "get", [Value::Text(name)]) => Ok(self.setting(node, name)),
            ("config", "remove", [Value::Text(name)]) => {
                let name = String::from_utf8_lossy(name).into_owned();
                self.state.settings.remove(&name);
                Ok(Value::Null)
            }
            ("config", "apply", []) => {
                self.apply_settings();
                Ok(Value::Null)
            }
            ("env", "init", []) => Ok(Value::Null),
            ("env", "get", [Value::Text(name), rest @ ..]) => {
                let name = String::from_utf8_lossy(name).into_owned();
                Ok(self.converted_environment(node, &name, rest.first()))
            }
            ("repositorybuilder", ..) => Ok(self.unknown(node, "a repository of variables")),
            ("dotenv", _, values) => match reader(&method, values) {
                Some(reader) => Ok(Value::Dotenv(Rc::new(reader))),
                None => Ok(self.stranger(node, &method)),
            },
            _ => Ok(self.stranger(node, &method)),
        }
    }

    fn setting(&mut self, node: &Node, name: &[u8]) -> Value {
        let name = String::from_utf8_lossy(name);
        let found = self.state.settings.get(&*name);
        let found = found.map(|definition| definition.value.clone());
        found.unwrap_or_else(|| self.unknown(node, format!("Config::get('{name}')")))
    }

    fn apply_settings(&mut self) {
        let settings: Vec<_> = self
            .state
            .settings
            .iter()
            .map(|(name, definition)| (name.clone(), definition.clone()))
            .collect();
        for (name, definition) in settings {
            match &definition.value {
                Value::Unknown(cause) if !definition.is_certain => {
                    self.state.may_define(&name, cause, definition.place);
                }
                _ => self.state.define(&name, definition.value, definition.place),
            }
        }
    }

    pub(super) fn method_call(&mut self, node: &Rc<Node>) -> Step<Value> {
        let (object, name) = (node.field("object"), node.field("name"));
        let (Some(object), Some(name), Some(arguments)) = (object, name, node.field("arguments"))
        else {
            return self.not_followed(node);
        };
        let object = self.value(object)?;
        if self.arguments(&arguments.children)?.is_none() {
            return self.not_followed(node);
        }
        let method = name.name().to_ascii_lowercase();
        match (&object, method.as_str()) {
            (Value::Dotenv(reader), "load" | "safeload" | "overload") => {
                let mut reader = (**reader).clone();
                reader.overrides |= method == "overload";
                self.load(node, &reader, method == "safeload")
            }
            (Value::Dotenv(_) | Value::Unknown(_), method) if WITHOUT_EFFECT.contains(&method) => {
                Ok(self.unknown(node, "a reader of .env files"))
            }
            _ => Ok(self.stranger(node, &method)),
        }
    }

    pub(super) fn new_object(&mut self, node: &Rc<Node>) -> Step<Value> {
        let class = node
            .child("name")
            .or_else(|| node.child("qualified_name"))
            .map(|class| last_segment(&class.name()).to_ascii_lowercase());
        let mut values = Some(Vec::new());
        if let Some(arguments) = node.child("arguments") {
            values = self.arguments(&arguments.children)?;
        }
        let (Some(class), Some(values)) = (class, values) else {
            return self.not_followed(node);
        };
        match class.as_str() {
            "dotenv" => {
                if let Some(reader) = reader("new", &values) {
                    return Ok(Value::Dotenv(Rc::new(reader)));
                }
            }
            name if name.ends_with("exception") || name == "error" => {
                return Ok(self.unknown(node, "an exception"));
            }
            _ => {}
        }
        Ok(self.stranger(node, "new"))
    }

    /// A call of code that is not known.
    fn stranger(&mut self, node: &Rc<Node>, method: &str) -> Value {
        let cause = self.cause(node, format!("{method}()"));
        self.strangers += 1;
        self.state.forget_absent(&cause);
        if let Some(arguments) = node.field("arguments").or(node.child("arguments")) {
            for argument in &arguments.children {
                self.blur_reference(argument, &cause);
            }
        }
        Value::Unknown(cause)
    }
}

/// The reader that a constructor makes; its arguments are one or several folders and file names.
fn reader(constructor: &str, values: &[Value]) -> Option<Reader> {
    let (values, reaches_getenv, overrides) = match (constructor, values) {
        ("createimmutable", _) => (values, false, false),
        ("createmutable", _) => (values, false, true),
        ("createunsafemutable", _) => (values, true, true),
        // With a repository first, since version 4.
        ("create", [Value::Unknown(_), rest @ ..]) => (rest, false, false),
        ("create" | "createunsafeimmutable" | "new", _) => (values, true, false),
        _ => return None,
    };
    let folders = paths(values.first()?)?;
    let names = match values.get(1) {
        None | Some(Value::Null) => vec![PathBuf::from(".env")],
        Some(names) => paths(names)?,
    };
    let is_first_only = match values.get(2) {
        None | Some(Value::Bool(true)) => true,
        Some(Value::Bool(false)) => false,
        Some(_) => return None,
    };
    let files = folders
        .iter()
        .flat_map(|folder| names.iter().map(|name| folder.join(name)));
    Some(Reader {
        files: files.collect(),
        is_first_only,
        overrides,
        reaches_getenv,
    })
}

fn paths(value: &Value) -> Option<Vec<PathBuf>> {
    let path = |value: &Value| match value {
        Value::Text(path) => Some(Path::new(OsStr::from_bytes(path)).to_path_buf()),
        _ => None,
    };
    match value {
        Value::Array(array) => array.values().map(path).collect(),
        value => Some(vec![path(value)?]),
    }
}
