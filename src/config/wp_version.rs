//! Determines the WordPress version, from `wp-includes/version.php` or from the operator; mirrors how every WordPress
//! release sets `$wp_version`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::php::{Surroundings, Value, evaluate};
use super::problem::{Flaw, Problem};

/// Accepts `7.1`, `6.1.9` and pre-releases such as `7.1-beta2` or `6.9-alpha-60093-src`.
pub(super) fn parse(text: &str) -> Result<String, Flaw> {
    let (numbers, suffix) = match text.split_once('-') {
        Some((numbers, suffix)) => (numbers, Some(suffix)),
        None => (text, None),
    };
    let parts: Vec<&str> = numbers.split('.').collect();
    let numbers_fit = (2..=3).contains(&parts.len())
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let suffix_fits = suffix.is_none_or(|suffix| {
        !suffix.is_empty()
            && suffix
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    });
    if numbers_fit && suffix_fits {
        return Ok(text.to_owned());
    }
    Err(Flaw::new(
        "is not a WordPress version",
        "write it like \"7.1\" or \"6.8.3\"",
    ))
}

/// The current version in a `version.php`; `None` while the file is missing or being replaced.
pub fn read_file(path: &Path) -> Option<String> {
    let source = fs::read(path).ok()?;
    parse(&stated(path, &source)?).ok()
}

/// The value of `$wp_version`, if it is a text.
fn stated(path: &Path, source: &[u8]) -> Option<String> {
    let around = Surroundings {
        environment: &BTreeMap::new(),
        constants: Vec::new(),
        folder: PathBuf::new(),
        working_directory: PathBuf::new(),
        follows_files: false,
    };
    match &evaluate(path, source, &around)
        .variables
        .get("wp_version")?
        .value
    {
        Value::Text(text) => String::from_utf8(text.to_vec()).ok(),
        _ => None,
    }
}

/// The version of the WordPress in `root`, and the file it was read from.
pub(super) fn read(root: &Path) -> Result<(String, PathBuf), Problem> {
    let path = root.join("wp-includes/version.php");
    let refuse = |what: String| {
        let remedy =
            "let wordpress.root name the directory with wp-load.php, or set wordpress.version";
        Problem::new(
            "wordpress.root",
            format!("{} {what}", path.display()),
            remedy,
        )
    };
    let source = fs::read(&path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    match stated(&path, &source) {
        Some(text) => match parse(&text) {
            Ok(version) => Ok((version, path)),
            Err(flaw) => Err(refuse(format!("says {text:?}, which {}", flaw.what))),
        },
        None => Err(refuse("does not set $wp_version to a text".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_two_or_three_numbers_and_perhaps_a_suffix() {
        for text in [
            "7.1",
            "6.1.9",
            "5.9.16",
            "7.1-beta2",
            "6.9-RC1",
            "6.9-alpha-60093-src",
            "6.10",
        ] {
            assert_eq!(parse(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "7",
            "7.",
            ".1",
            "7.1.2.3",
            "7.1-",
            "v7.1",
            "7.1 ",
            "7.1-b\u{e9}",
            "7.x",
            "+7.1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_version_file_is_read_and_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("wp-includes")).unwrap();
        let path = root.path().join("wp-includes/version.php");
        assert!(
            read(root.path())
                .unwrap_err()
                .what
                .contains("cannot be read")
        );
        for (content, outcome) in [
            (
                "<?php\n/** $wp_version = '1.0'; */\n$wp_version = '6.1.9';\n$wp_db_version = 53496;",
                Ok("6.1.9"),
            ),
            (
                "<?php $wp_version = get();",
                Err("does not set $wp_version"),
            ),
            ("<?php $wp_version = 'new';", Err("says \"new\"")),
            ("", Err("does not set $wp_version")),
        ] {
            fs::write(&path, content).unwrap();
            match (read(root.path()), outcome) {
                (Ok((version, file)), Ok(expected)) => {
                    assert_eq!((version.as_str(), &file), (expected, &path));
                }
                (Err(problem), Err(what)) => assert!(problem.what.contains(what), "{problem}"),
                (other, _) => panic!("{content}: {other:?}"),
            }
        }
    }
}
