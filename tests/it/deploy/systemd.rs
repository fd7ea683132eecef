//! Checks the units in `deploy/systemd` with systemd's own tools, without starting them.

use std::path::Path;

use tempfile::TempDir;

use crate::harness::programs::program;

const UNITS: [(&str, &str); 3] = [
    (
        "fcom-sidecar.service",
        include_str!("../../../deploy/systemd/fcom-sidecar.service"),
    ),
    (
        "fcom-sidecar.socket",
        include_str!("../../../deploy/systemd/fcom-sidecar.socket"),
    ),
    (
        "fcom-sidecar-admin.socket",
        include_str!("../../../deploy/systemd/fcom-sidecar-admin.socket"),
    ),
];

/// The highest exposure level that `systemd-analyze security` may report, out of 100.
const EXPOSURE: &str = "--threshold=15";

/// A folder with the units, adapted to the program under test.
fn units() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in UNITS {
        let text = text.replace("/usr/bin/fcom-sidecar", env!("CARGO_BIN_EXE_fcom-sidecar"));
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn analyze(arguments: &[&str], folder: &Path, units: &[&str]) -> (bool, String) {
    let output = program("systemd-analyze")
        .args(arguments)
        .args(units.iter().map(|unit| folder.join(unit)))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn systemd_understands_every_line() {
    let folder = units();
    let arguments = ["verify", "--man=no"];
    let names = UNITS.map(|(name, _)| name);
    assert_eq!(
        analyze(&arguments, folder.path(), &names),
        (true, String::new())
    );
    // Proves that the tool complains, and not only about syntax.
    let service = folder.path().join(names[0]);
    let text = std::fs::read_to_string(&service).unwrap();
    std::fs::write(&service, text.replace("WatchdogSec", "WatchDogSec")).unwrap();
    let (_, said) = analyze(&arguments, folder.path(), &names);
    assert!(said.contains("WatchDogSec"), "{said}");
}

#[test]
fn the_service_may_do_little() {
    let folder = units();
    let arguments = ["security", "--offline=true", "--no-pager", EXPOSURE];
    let (good, said) = analyze(&arguments, folder.path(), &["fcom-sidecar.service"]);
    assert!(good, "{said}");
}
