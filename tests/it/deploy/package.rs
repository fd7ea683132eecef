//! The Debian package between releases: its version, and the documents' lines where packages of several commits lie side by side.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::harness::programs::program;

/// What a command prints, which has to succeed.
#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A folder with what the version is made of.
fn source(version: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(folder.path().join("deploy/deb")).unwrap();
    let script = "deploy/deb/version";
    fs::copy(root.join(script), folder.path().join(script)).unwrap();
    let manifest =
        format!("[package]\nversion = \"{version}\"\n[dependencies.x]\nversion = \"9.9\"\n");
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    folder
}

fn version(folder: &Path) -> String {
    // Its own folder counts, whatever the caller's is.
    output(program("sh").arg(folder.join("deploy/deb/version")))
}

#[test]
fn a_later_commit_is_an_upgrade_and_a_release_has_its_number() {
    let folder = source("1.2.0");
    let git = |date: &str, arguments: &[&str]| {
        let mut git = program("git");
        git.arg("-C").arg(folder.path());
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.com"]);
        git.env("GIT_COMMITTER_DATE", date);
        output(git.args(arguments))
    };
    let mut versions = vec![version(folder.path())];
    assert_eq!(versions, ["1.2.0-1"]);
    git("", &["init", "--quiet"]);
    git("", &["add", "."]);
    git(
        "2026-03-01T01:30:00+02:00",
        &["commit", "--quiet", "--message=a"],
    );
    git("", &["tag", "v1.2.0"]);
    assert_eq!(version(folder.path()), "1.2.0-1");
    // Later, although it was earlier in the day where it was made.
    for (date, expected) in [
        ("2026-02-28T20:00:00-05:00", "1.2.0+git20260301T010000."),
        ("2026-03-01T03:30:00+02:00", "1.2.0+git20260301T013000."),
    ] {
        git(date, &["commit", "--quiet", "--allow-empty", "--message=b"]);
        let version = version(folder.path());
        let name = version.strip_prefix(expected);
        let name = name.unwrap_or_else(|| panic!("{version}"));
        let commit = git("", &["rev-parse", "HEAD"]);
        assert!(commit.starts_with(name.strip_suffix("-1").unwrap()));
        versions.push(version);
    }
    versions.extend(["1.2.1~rc.1-1".to_owned(), "1.2.1-1".to_owned()]);
    assert_eq!(version(source("1.2.1-rc.1").path()), versions[3]);
    for pair in versions.windows(2) {
        let mut compare = program("dpkg");
        output(compare.args(["--compare-versions", &pair[0], "lt", &pair[1]]));
    }
}

#[test]
fn documented_lines_take_the_newest_of_several_packages() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    fs::create_dir_all(inside("target/debian")).unwrap();
    fs::create_dir_all(inside("bin")).unwrap();
    // A program that only a former upgrade had.
    fs::create_dir_all(inside("root/fcom-sidecar-new/usr/bin")).unwrap();
    fs::write(inside("root/fcom-sidecar-new/usr/bin/former"), "").unwrap();
    for (version, day) in [("9.0.0", 1), ("10.0.0", 3), ("9.5.0", 2)] {
        let tree = inside(version);
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        let control = format!(
            "Package: fcom-sidecar\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: a\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        let program_file = tree.join("usr/bin/fcom-sidecar");
        fs::write(&program_file, format!("#!/bin/sh\necho {version}\n")).unwrap();
        fs::set_permissions(&program_file, fs::Permissions::from_mode(0o755)).unwrap();
        let file = inside(&format!("target/debian/fcom-sidecar_{version}_all.deb"));
        let mut build = program("dpkg-deb");
        output(
            build
                .args(["--root-owner-group", "--build"])
                .arg(tree)
                .arg(&file),
        );
        let time = UNIX_EPOCH + Duration::from_hours(24 * day);
        fs::File::open(&file).unwrap().set_modified(time).unwrap();
    }
    let mut found = 0;
    for document in [
        include_str!("../../../deploy/README.md"),
        include_str!("../../../docs/operating.md"),
        include_str!("../../../README.md"),
    ] {
        assert!(!document.contains("_*.deb`"), "more than one file");
        for block in document.split("```sh\n").skip(1) {
            let block = block.split("```").next().unwrap();
            if !block.contains(".deb") {
                continue;
            }
            found += 1;
            let script = block
                .replace("make package", "true")
                .replace("apt install", "echo install")
                .replace("/root/", "root/");
            let mut shell = program("sh");
            shell.args(["-euc", &script]).current_dir(folder.path());
            let said = output(&mut shell);
            let expected = [
                "install ./target/debian/fcom-sidecar_10.0.0_all.deb",
                "10.0.0",
            ];
            assert!(expected.contains(&&*said), "{block}\n{said}");
        }
    }
    assert_eq!(found, 4);
    assert!(!inside("root/fcom-sidecar-new/usr/bin/former").exists());
}
