//! Compares what is read from the configurations in `tests/data/wp-config` with what PHP makes of them for several
//! requests. `tests/it/wordpress/wp_config.rs` has PHP confirm the recorded `php.json`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::value::Key;
use super::{Definition, Outcome, Surroundings, Value, evaluate};

struct Case {
    folder: PathBuf,
    spec: Json,
    /// What PHP has defined, for each request.
    recorded: Vec<Json>,
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let spec = serde_json::from_str(&text("case.json")).unwrap();
        let here = folder.display().to_string();
        let above = folder.parent().unwrap().display().to_string();
        let recorded = text("php.json")
            .replace("{folder}", &here)
            .replace("{above}", &above);
        Self {
            recorded: serde_json::from_str(&recorded).unwrap(),
            folder,
            spec,
        }
    }

    fn path(&self, key: &str, default: &str) -> PathBuf {
        self.folder.join(self.spec[key].as_str().unwrap_or(default))
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let here = self.folder.display().to_string();
        let variables = self.spec["environment"].as_object().cloned();
        let variables = variables.unwrap_or_default().into_iter();
        let text = |value: &Json| value.as_str().unwrap().replace("{folder}", &here);
        variables
            .map(|(name, value)| (name, text(&value)))
            .collect()
    }

    fn evaluate(&self) -> Outcome {
        let path = self.path("wp_config", "wp-config.php");
        let root = self.path("root", "");
        let around = Surroundings {
            environment: &self.environment(),
            constants: vec![(
                "ABSPATH",
                root.join("").as_os_str().as_encoded_bytes().to_vec(),
            )],
            folder: self.folder.clone(),
            working_directory: root.components().collect(),
            follows_files: true,
        };
        let mut outcome = evaluate(&path, &fs::read(&path).unwrap(), &around);
        outcome.constants.remove("ABSPATH");
        outcome
    }

    /// Compares one kind of definitions; returns the names of those that are not known.
    fn compare(
        &self,
        kind: &str,
        found: &HashMap<String, Definition>,
        has_unseen: bool,
    ) -> BTreeSet<String> {
        let sign = if kind == "variables" { "$" } else { "" };
        let mut unknown = BTreeSet::new();
        for recorded in &self.recorded {
            let recorded: &Map<String, Json> = recorded[kind].as_object().unwrap();
            for (name, definition) in found {
                match json(&definition.value) {
                    None => _ = unknown.insert(format!("{sign}{name}")),
                    Some(value) => assert_eq!(
                        Some(&value),
                        recorded.get(name),
                        "{sign}{name} of {}",
                        self.folder.display()
                    ),
                }
            }
            for name in recorded.keys().filter(|name| !found.contains_key(*name)) {
                assert!(has_unseen, "{sign}{name} of {}", self.folder.display());
                unknown.insert(format!("{sign}{name}"));
            }
        }
        unknown
    }
}

/// As PHP's `json_encode` writes it; `None` if something in it is not known.
fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Int(number) => (*number).into(),
        Value::Text(text) => String::from_utf8_lossy(text).into(),
        Value::Array(array) if array.is_list() => {
            Json::Array(array.values().map(json).collect::<Option<_>>()?)
        }
        Value::Array(array) => {
            let mut map = Map::new();
            for (key, value) in array.iter() {
                let key = match key {
                    Key::Int(number) => number.to_string(),
                    Key::Text(text) => String::from_utf8_lossy(text).into_owned(),
                };
                map.insert(key, json(value)?);
            }
            Json::Object(map)
        }
        // The records have no objects.
        Value::Object(_) | Value::Dotenv(_) | Value::Unknown(_) => return None,
    })
}

#[test]
fn what_is_known_is_what_php_defines() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wp-config");
    let folders = fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let cases: Vec<Case> = folders
        .filter(|path| path.is_dir())
        .map(Case::read)
        .collect();
    assert!(cases.len() >= 10);
    let mut differing = Vec::new();
    for case in cases {
        let outcome = case.evaluate();
        let has_unseen = outcome.unseen.is_some();
        let mut unknown = case.compare("constants", &outcome.constants, has_unseen);
        unknown.extend(case.compare("variables", &outcome.variables, has_unseen));
        let expected = case.spec["unknown"].as_array().unwrap();
        let expected: BTreeSet<_> = expected
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        if unknown != expected {
            let name = case.folder.display().to_string();
            differing.push((name, unknown, expected));
        }
    }
    assert_eq!(differing, []);
}
