//! Checks the documents against the program: generated ones are up to date, links resolve, commands and options exist,
//! and every alert and warning is explained. `make docs` writes the generated ones, and the must-use plugin's edition.

mod configuration;
mod explained;
mod links;
mod metrics;
mod said;

use std::fs;
use std::path::{Path, PathBuf};

use fcom_sidecar::events::plugin_digest;

/// A document's path, and the function that generates its text.
type Generated = (&'static str, fn() -> String);

/// What `make docs` writes.
const GENERATED: [Generated; 3] = [
    ("docs/configuration.md", configuration::reference),
    ("docs/metrics.md", metrics::reference),
    (PLUGIN, plugin),
];

const PLUGIN: &str = "deploy/mu-plugin/fcom-sidecar.php";

/// The must-use plugin, with the edition that its code is.
fn plugin() -> String {
    let text = read(PLUGIN);
    let lines = text.split_inclusive('\n').map(|line| {
        if line.starts_with("const EDITION = ") {
            format!("const EDITION = '{}';\n", plugin_digest())
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder with this suffix, as paths from the root.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if root().join(&path).is_dir() {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path.into());
        }
    }
    found.sort();
    found
}

/// All documents for readers of the project.
fn documents() -> Vec<PathBuf> {
    let top = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];
    let top = top.map(PathBuf::from).into_iter();
    top.chain(files("docs", ".md"))
        .chain(files("deploy", ".md"))
        .collect()
}

/// The fenced blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<(bool, String)> = None;
    for line in text.lines().map(str::trim_start) {
        match (line.strip_prefix("```"), &mut block) {
            (Some(_), Some((wanted, text))) => {
                if *wanted {
                    blocks.push(std::mem::take(text));
                }
                block = None;
            }
            (Some(info), None) => block = Some((info == language, String::new())),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn generated_documents_are_up_to_date() {
    for (path, text) in GENERATED {
        assert!(
            read(path) == text(),
            "{path} is out of date: run \"make docs\""
        );
    }
}

#[test]
#[ignore = "changes files: make docs"]
fn write_generated_documents() {
    for (path, text) in GENERATED {
        fs::write(root().join(path), text()).unwrap();
    }
}
