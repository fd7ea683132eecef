//! The variables of the environment: the daemon's own, which stand for PHP's, and those that the code sets.

use std::rc::Rc;

use super::evaluate::Evaluator;
use super::state::Channel;
use super::syntax::Node;
use super::value::Value;

/// Variables that every process has its own of.
const OF_PROCESSES: [&str; 16] = [
    "HOME", "USER", "LOGNAME", "PATH", "PWD", "OLDPWD", "SHELL", "TERM", "HOSTNAME", "LANG", "TZ",
    "TMPDIR", "TEMP", "TMP", "SHLVL", "_",
];

/// What web servers and PHP put into `$_SERVER` for each request.
const OF_REQUESTS: [&str; 8] = [
    "HTTP_",
    "SERVER_",
    "REQUEST_",
    "REMOTE_",
    "SCRIPT_",
    "REDIRECT_",
    "SSL_",
    "PHP_",
];

const MORE_OF_REQUESTS: [&str; 10] = [
    "HTTPS",
    "DOCUMENT_ROOT",
    "QUERY_STRING",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "GATEWAY_INTERFACE",
    "AUTH_TYPE",
    "argv",
];

impl Evaluator<'_> {
    /// A variable; `Null` if it is not set.
    pub(super) fn environment_element(
        &mut self,
        node: &Node,
        channel: Channel,
        name: &str,
    ) -> Value {
        if let Some(value) = self.state.environment(channel, name) {
            // What the code itself has set says nothing about the environment.
            self.has_met |= self.loaded.contains(name);
            return value.clone();
        }
        if channel == Channel::Server && is_of_requests(name) {
            return self.unknown(node, format!("$_SERVER['{name}']"));
        }
        if OF_PROCESSES.contains(&name) || name.starts_with("LC_") {
            return self.unknown(node, format!("the variable {name} of the environment"));
        }
        if let Some(value) = self.around.environment.get(name) {
            self.has_met = true;
            return self.text(node, value);
        }
        self.has_missed = true;
        if let Some(cause) = &self.state.unseen_environment {
            return Value::Unknown(Rc::clone(cause));
        }
        if self.trusts_absence {
            return Value::Null;
        }
        let what = format!("the variable {name}, which the daemon's environment does not have");
        self.unknown(node, what)
    }

    /// `env()` of the libraries that Bedrock and others use, where they agree.
    pub(super) fn converted_environment(
        &mut self,
        node: &Node,
        name: &str,
        default: Option<&Value>,
    ) -> Value {
        let value = self.environment_element(node, Channel::Env, name);
        let Value::Text(text) = &value else {
            return match value {
                Value::Null => default.cloned().unwrap_or(Value::Null),
                value => value,
            };
        };
        let word = String::from_utf8_lossy(text).to_ascii_lowercase();
        match word.as_str() {
            "true" => return Value::Bool(true),
            "false" => return Value::Bool(false),
            "null" => return Value::Null,
            _ => {}
        }
        // oscarotero's, which WordPress sites use, makes integers of digits; Laravel's leaves them as texts.
        if let Some(number) = super::value::decimal(text).filter(|number| *number >= 0) {
            return Value::Int(number);
        }
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_converted = word == "empty" || word.starts_with(['(', '"', '\'']) || is_number;
        if is_converted {
            return self.unknown(node, format!("env('{name}')"));
        }
        value
    }

    /// `putenv`, which `$_ENV` and `$_SERVER` do not show.
    pub(super) fn put_environment(&mut self, setting: &[u8]) {
        let setting = String::from_utf8_lossy(setting).into_owned();
        let (name, value) = match setting.split_once('=') {
            Some((name, value)) => (name, Value::Text(value.as_bytes().into())),
            None => (setting.as_str(), Value::Null),
        };
        self.state.set_environment(Channel::Getenv, name, value);
    }

    /// An assignment to an element of `$_SERVER`, `$_ENV` or another such variable.
    pub(super) fn assign_outside(
        &mut self,
        node: &Node,
        variable: &str,
        key: Option<&Value>,
        value: Value,
    ) {
        let channel = match variable {
            "_ENV" => Some(Channel::Env),
            "_SERVER" => Some(Channel::Server),
            _ => None,
        };
        let cause = self.cause(node, format!("${variable}"));
        match (channel, key) {
            (Some(channel), Some(Value::Text(name))) => {
                let name = String::from_utf8_lossy(name).into_owned();
                self.state.set_environment(channel, &name, value);
            }
            (Some(channel), _) => {
                self.state.forget_environment(&cause);
                self.state.forget_variables_of(channel, &cause);
            }
            (None, _) if variable == "GLOBALS" => self.state.forget(&cause),
            (None, _) => {}
        }
    }
}

fn is_of_requests(name: &str) -> bool {
    MORE_OF_REQUESTS.contains(&name) || OF_REQUESTS.iter().any(|prefix| name.starts_with(prefix))
}
