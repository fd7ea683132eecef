//! Whatever documents tell readers to type or to look for exists: commands, options, make targets, tests.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;
use fcom_sidecar::cli::Cli;
use fcom_sidecar::config::{Config, Sources};

use super::{blocks, documents, files, read};

/// The words of a shell command, without quotes, comments and the rest of a pipeline.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '|' | ';' | '&' | '>') => break,
            (None, '#') if words.last().is_some_and(String::is_empty) => break,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Commands of the program in a document: lines of its shell blocks, and inline code.
fn commands(text: &str) -> Vec<Vec<String>> {
    let blocks = blocks(text, "sh").join("\n").replace("\\\n", " ");
    let inline = text
        .split('`')
        .filter(|code| code.starts_with("fcom-sidecar "));
    let lines = blocks.lines().chain(inline).map(words);
    let lines = lines.filter_map(|words| {
        let program = words
            .iter()
            .position(|word| word.ends_with("fcom-sidecar"))?;
        let is_command =
            program == 0 || words[program - 1] == "--" || words[program - 1].contains('=');
        is_command.then(|| words[program..].to_vec())
    });
    // `fcom-sidecar.service` and the like are not commands.
    lines.filter(|words| words.len() > 1).collect()
}

#[test]
fn every_command_in_a_document_exists() {
    let mut found = 0;
    for document in documents() {
        for command in commands(&read(&document)) {
            found += 1;
            let command = command.iter().map(|word| match word.as_str() {
                "ID" => "7",
                other => other,
            });
            if let Err(error) = Cli::try_parse_from(command) {
                let is_help = !error.use_stderr();
                assert!(is_help, "{}: {error}", document.display());
            }
        }
    }
    assert!(found > 30, "{found}");
}

#[test]
fn every_option_in_a_document_exists() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let mut found = 0;
    for document in documents() {
        for block in blocks(&read(&document), "toml") {
            found += 1;
            std::fs::write(&file, &block).unwrap();
            let loaded = Config::load(Sources {
                file: Some(file.clone()),
                ..Sources::default()
            });
            let problems = loaded.err().map(|error| error.problems).unwrap_or_default();
            for problem in problems {
                let is_unknown = problem.what.contains("not an option");
                let is_broken = problem.key.ends_with("config.toml");
                assert!(
                    !is_unknown && !is_broken,
                    "{}: {problem}",
                    document.display()
                );
            }
        }
    }
    assert!(found > 5, "{found}");
}

#[test]
fn every_make_target_in_a_document_exists() {
    let makefile = read("Makefile");
    for document in documents() {
        let text = read(&document);
        let code = text.split('`').chain(text.lines());
        for line in code.filter_map(|code| code.trim_start().strip_prefix("make ")) {
            let target: String = line
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
                .collect();
            let is_there = makefile.contains(&format!("\n{target}:"));
            // Prose such as "make sure".
            let is_word = line.starts_with(&format!("{target} ")) && !line.contains("  #");
            assert!(is_there || is_word, "{}: make {target}", document.display());
        }
    }
}

/// The names of the tests in a file.
fn tests_in(file: impl AsRef<Path>) -> Vec<String> {
    let (mut names, mut is_next) = (Vec::new(), false);
    for line in read(file).lines().map(str::trim_start) {
        is_next |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
        if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_next) {
            names.push(rest.split('(').next().unwrap_or_default().to_owned());
            is_next = false;
        }
    }
    names
}

/// The last column of the list of differences contains names of tests, and those that exist for the list are in it.
#[test]
fn every_difference_names_tests_that_exist() {
    let files = files("src", ".rs")
        .into_iter()
        .chain(files("tests/it", ".rs"));
    let tests: BTreeSet<String> = files.flat_map(tests_in).collect();
    let deviations: serde_json::Value =
        serde_json::from_str(&read("tests/data/deviations.json")).unwrap();
    let text = read("docs/differences.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows
        .iter()
        .filter(|row| !row.contains("---") && !row.contains("| Test |"))
    {
        let column = row
            .trim_end_matches([' ', '|'])
            .rsplit(" | ")
            .next()
            .unwrap();
        let names: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in: {row}");
        for name in names {
            let is_there = tests.contains(name) || deviations.get(name).is_some();
            assert!(is_there, "there is no test {name}: {row}");
        }
    }
    let of_the_list = tests_in("tests/it/calls/differences.rs");
    assert!(of_the_list.len() > 4, "{of_the_list:?}");
    for case in deviations.as_object().unwrap().keys().chain(&of_the_list) {
        assert!(
            text.contains(&format!("`{case}`")),
            "{case} is missing in docs/differences.md"
        );
    }
}
