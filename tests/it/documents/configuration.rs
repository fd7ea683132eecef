//! Generates `docs/configuration.md`: every option, from the comments of `deploy/config.default.toml`. The accepted
//! values of an option come from the program's own error message.

use std::fmt::Write;

use fcom_sidecar::config::{Config, Sources};
use fcom_sidecar::reload::is_reloaded;

use super::read;

const INTRODUCTION: &str = "\
# Configuration reference

<!-- Written by \"make docs\" from deploy/config.default.toml. Change that file instead. -->

Options come from four layers, each of which overrides the one before:

1. the built-in defaults, [`deploy/config.default.toml`](../deploy/config.default.toml);
2. a TOML file: `--config FILE`, or `/etc/fcom-sidecar/config.toml` if it exists;
3. environment variables, `FCOM_SIDECAR__SECTION__KEY`; separate the items of a list with commas (a source’s secrets are one secret);
4. the command line: `--set section.key=value`.

With `wordpress.root`, database, table prefix, version and network come from the site's own files, unless an option sets them.
Unknown options and invalid values are errors. All of them are reported together, each with its remedy, and `serve` exits with
status 78. `fcom-sidecar check` validates the configuration and everything that depends on it.

Each secret can also be read from a file: `database.url_file` in place of `database.url`, and so on. A final newline in that
file is ignored. An empty string means \"not set\".

*Reload* says when a change takes effect: with `systemctl reload fcom-sidecar` (SIGHUP), or at the next restart.
";

struct Section {
    name: String,
    about: String,
    options: Vec<Setting>,
}

struct Setting {
    name: String,
    about: String,
    /// As in the file; an example where there is no default.
    value: String,
    has_default: bool,
}

/// The sections of the default file, in its order.
fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut comment = Vec::new();
    for line in read("deploy/config.default.toml").lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let name = bare.split(" = ").next().unwrap_or_default();
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b"_.".contains(&b));
        if let Some(name) = bare
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
        {
            sections.push(Section {
                name: name.replace(".shop", ".NAME"),
                about: comment.join(" "),
                options: Vec::new(),
            });
        } else if is_name && bare.contains(" = ") {
            sections.last_mut().unwrap().options.push(Setting {
                name: name.to_owned(),
                about: comment.join(" "),
                value: bare[name.len() + " = ".len()..].to_owned(),
                has_default: bare == line,
            });
        } else if let Some(text) = line.strip_prefix("# ") {
            comment.push(text.to_owned());
            continue;
        }
        comment.clear();
    }
    sections
}

/// The program's message about the values that an option accepts; empty if it accepts any text.
fn accepted(key: &str) -> Option<String> {
    let url = ("database.url", "mysql://user:password@localhost/database");
    let overrides = [url, (key, "?")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let refused = Config::load(Sources {
        overrides: overrides.into(),
        ..Sources::default()
    });
    let remedy = refused.err()?.problems.remove(0).remedy;
    let range = remedy.strip_prefix("write a whole number from ");
    let choices = remedy.strip_prefix("choose one of ");
    range
        .map(|range| range.replace(" to ", "–"))
        .or(choices.map(|choices| format!("`{}`", choices.replace(", ", "`, `").replace('"', ""))))
}

fn kind(value: &str) -> &'static str {
    match value.as_bytes()[0] {
        b'"' => "string",
        b'[' => "list of strings",
        b't' | b'f' => "boolean",
        _ if value.contains('.') => "number",
        _ => "integer",
    }
}

impl Setting {
    fn write(&self, section: &str, text: &mut String) {
        let key = format!("{section}.{}", self.name);
        let variable = key.to_uppercase().replace('.', "__");
        let accepted = accepted(&key).map_or_else(String::new, |accepted| format!(" ({accepted})"));
        let kind = format!("{}{accepted}", kind(&self.value));
        let given = if self.has_default {
            format!("default `{}`", self.value)
        } else {
            format!("no default; e.g. `{}`", self.value)
        };
        let reload = if is_reloaded(&key) { "yes" } else { "restart" };
        let about = &self.about;
        write!(
            text,
            "\n### `{key}`\n\n{about}\n\n* Type: {kind}; {given}\n* Environment: `FCOM_SIDECAR__{variable}`\n* Reload: {reload}\n"
        )
        .unwrap();
    }
}

pub(super) fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in sections() {
        write!(text, "\n## `[{}]`\n\n{}\n", section.name, section.about).unwrap();
        for option in &section.options {
            option.write(&section.name, &mut text);
        }
    }
    text
}

#[test]
fn every_option_is_described() {
    for section in sections() {
        assert!(!section.about.is_empty(), "[{}]", section.name);
        for option in &section.options {
            assert!(!option.about.is_empty(), "{}.{}", section.name, option.name);
        }
    }
}
