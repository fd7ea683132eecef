//! `docs/troubleshooting.md` explains every alert, and every message at the levels WARN and ERROR.

use super::{files, read};

/// A shorter text could match by chance.
const SHORTEST: usize = 10;

/// The text of a string literal that begins after its first quote.
fn literal(code: &str) -> String {
    let mut text = String::new();
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('\n') => characters = characters.as_str().trim_start().chars(),
                Some(escaped) => text.push(escaped),
                None => break,
            },
            other => text.push(other),
        }
    }
    text
}

/// The beginning of a message, up to the first part that varies.
fn beginning(message: &str) -> &str {
    let parts = message
        .split('{')
        .map(|part| part.rsplit('}').next().unwrap_or_default());
    let first = parts.map(str::trim).find(|part| part.len() >= SHORTEST);
    let first = first.unwrap_or_else(|| panic!("no text to look for in \"{message}\""));
    first.split("; ").next().unwrap_or_default()
}

#[test]
fn every_warning_and_error_is_explained() {
    let explained = read("docs/troubleshooting.md").replace("\\|", "|");
    let mut found = 0;
    for file in files("src", ".rs") {
        let code = read(&file);
        // Unit tests are at the end of a file.
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["warn!(", "error!("] {
            for rest in code.split(&format!("tracing::{call}")).skip(1) {
                let Some((_, rest)) = rest.split_once('"') else {
                    continue;
                };
                let message = literal(rest);
                let part = beginning(&message);
                found += 1;
                assert!(
                    explained.contains(part),
                    "docs/troubleshooting.md does not explain \"{message}\" of {}: it has to contain \"{part}\"",
                    file.display()
                );
            }
        }
    }
    assert!(found > 25, "{found}");
}

#[test]
fn every_alert_is_explained() {
    let explained = read("docs/troubleshooting.md");
    let alerts = read("deploy/prometheus/alerts.yml");
    let names = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for name in names {
        let heading = format!("\n### {name}\n");
        assert!(
            explained.contains(&heading),
            "docs/troubleshooting.md has no heading {name}"
        );
    }
}
