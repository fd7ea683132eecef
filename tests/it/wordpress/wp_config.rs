//! Has PHP confirm what `tests/data/wp-config` records: the constants and variables that each configuration defines for
//! several requests. A unit test compares the daemon's reading with the records.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::programs::program;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wp-config")
}

/// What a web server adds to `$_SERVER`.
fn requests() -> [Value; 3] {
    [
        json!({}),
        json!({
            "HTTP_HOST": "dev.example.org", "SERVER_NAME": "Dev.example.org", "HTTPS": "on",
            "HTTP_X_FORWARDED_PROTO": "https", "REQUEST_URI": "/",
        }),
        json!({"HTTP_HOST": "early.example.org", "SERVER_NAME": "a.example.org", "REQUEST_URI": "/x"}),
    ]
}

/// Copies a case, because `wp-settings.php` has to be there for PHP.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

fn run(folder: &Path, spec: &Value, request: &Value) -> Value {
    let text = |key: &str, default: &str| spec[key].as_str().unwrap_or(default).to_owned();
    let root: PathBuf = folder.join(text("root", "")).components().collect();
    fs::write(root.join("wp-settings.php"), "<?php\n").unwrap();
    let mut command = program("php");
    command
        .args(["-d", "variables_order=EGPCS"])
        .arg(corpus().join("judge.php"))
        .arg(folder.join(text("wp_config", "wp-config.php")))
        .arg(&root)
        .arg(request.to_string())
        .env_clear()
        .env("HOME", "/nowhere");
    let variables = spec["environment"].as_object().cloned().unwrap_or_default();
    for (name, value) in variables {
        let here = folder.display().to_string();
        command.env(name, value.as_str().unwrap().replace("{folder}", &here));
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The configuration may print something itself.
    let json = text.find("{\n").map(|start| &text[start..]);
    serde_json::from_str(json.unwrap_or_else(|| panic!("{}: {text}", folder.display()))).unwrap()
}

#[test]
fn the_records_are_what_php_defines() {
    for entry in fs::read_dir(corpus()).unwrap() {
        let source = entry.unwrap().path();
        if !source.is_dir() {
            continue;
        }
        let name = source.file_name().unwrap().to_string_lossy().into_owned();
        let above = tempfile::tempdir().unwrap();
        let above_path = above.path().canonicalize().unwrap();
        let folder = above_path.join("site");
        copy(&source, &folder);
        let spec = fs::read_to_string(source.join("case.json")).unwrap();
        let spec: Value = serde_json::from_str(&spec).unwrap();
        let found: Vec<Value> = requests()
            .iter()
            .map(|request| run(&folder, &spec, request))
            .collect();
        let found = serde_json::to_string(&found)
            .unwrap()
            .replace(&folder.display().to_string(), "{folder}")
            .replace(&above_path.display().to_string(), "{above}");
        let found: Value = serde_json::from_str(&found).unwrap();
        let recorded = fs::read_to_string(source.join("php.json")).unwrap_or_default();
        let recorded: Value = serde_json::from_str(&recorded).unwrap_or_default();
        if found != recorded {
            let written = format!("{}/target/wp-config/{name}", env!("CARGO_MANIFEST_DIR"));
            fs::create_dir_all(&written).unwrap();
            let text = serde_json::to_string_pretty(&found).unwrap();
            fs::write(format!("{written}/php.json"), text + "\n").unwrap();
            panic!("PHP makes something else of {name}: see {written}/php.json");
        }
    }
}
