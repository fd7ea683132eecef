//! Checks the links in documents, and that the package installs documents where their links still work.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{documents, files, read, root};

/// The targets of all links that stay within the project.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://")).collect()
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

/// The target of a link, relative to the root.
fn target(from: &Path, link: &str) -> PathBuf {
    match link.split('#').next() {
        Some("") | None => from.to_owned(),
        Some(path) => plain(&from.parent().unwrap().join(path)),
    }
}

/// A heading's anchor, as GitHub generates it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for document in documents() {
        let text = read(&document);
        for link in links(&text) {
            let file = target(&document, link);
            let name = document.display();
            assert!(root().join(&file).exists(), "{name} links to {link}");
            if let Some((_, heading)) = link.split_once('#') {
                let text = read(&file);
                let is_there = text
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(
                    is_there,
                    "{name} links to {link}, which has no such heading"
                );
            }
        }
    }
}

/// Files and folders whose names documents set as code.
#[test]
fn every_path_in_a_document_exists() {
    let folders = ["src/", "sql/", "tests/", "deploy/", "docs/"];
    let is_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    let mut found = 0;
    for document in documents()
        .iter()
        .filter(|one| !one.ends_with("CHANGELOG.md"))
    {
        let text = read(document);
        let code = text.split('`').skip(1).step_by(2);
        let paths = code.filter(|code| folders.iter().any(|folder| code.starts_with(folder)));
        for path in paths.filter(|path| path.chars().all(is_a_name)) {
            found += 1;
            let name = document.display();
            assert!(root().join(path).exists(), "{name} names {path}");
        }
    }
    assert!(found > 40, "{found}");
}

#[test]
fn the_readme_leads_to_every_document() {
    let readme = read("README.md");
    for document in files("docs", ".md").iter().chain(&files("deploy", ".md")) {
        let link = format!("]({}", document.display());
        assert!(readme.contains(&link), "the README does not link to {link}");
    }
    assert!(readme.lines().count() <= 150, "the README is to be short");
}

/// The files that the Debian package installs below `/usr/share/doc/fcom-sidecar`, each at its own path.
fn packaged() -> BTreeSet<PathBuf> {
    let manifest = read("Cargo.toml");
    let assets = manifest.split_once("assets = [").unwrap().1;
    let mut packaged = BTreeSet::new();
    let is_document = |line: &&str| line.contains("usr/share/doc/") && !line.contains("target/");
    for line in assets.lines().filter(is_document) {
        let parts: Vec<&str> = line.split('"').collect();
        let (source, place) = (Path::new(parts[1]), parts[3]);
        let folder = source.parent().unwrap().display();
        let expected = format!("usr/share/doc/fcom-sidecar/{folder}");
        assert_eq!(
            place.trim_end_matches('/'),
            expected.trim_end_matches('/'),
            "{line}"
        );
        if let Some((folder, ending)) = parts[1].split_once("/*") {
            packaged.extend(files(folder, ending));
        } else {
            assert!(root().join(source).exists(), "{line}");
            packaged.insert(source.to_owned());
        }
    }
    packaged
}

#[test]
fn the_package_holds_what_its_documents_link_to() {
    let packaged = packaged();
    for document in documents().iter().filter(|one| packaged.contains(*one)) {
        for link in links(&read(document)) {
            let file = target(document, link);
            let is_for_developers = document.ends_with("contributing.md");
            assert!(
                packaged.contains(&file) || root().join(&file).is_dir() || is_for_developers,
                "{} is packaged and links to {link}, which is not",
                document.display()
            );
        }
    }
}
