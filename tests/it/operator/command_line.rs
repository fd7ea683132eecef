//! Behaviour common to all commands.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitStatus, Stdio};

/// A command without configuration, whose answer goes to `output`.
fn check(output: impl Into<Stdio>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"));
    command
        .args(["check", "--config", "/dev/null"])
        .env_clear()
        .stdout(output);
    command
}

/// A daemon without configuration, whose errors go to `errors`.
fn serve(errors: impl Into<Stdio>) -> ExitStatus {
    Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"))
        .args(["serve", "--config", "/dev/null"])
        .env_clear()
        .stderr(errors)
        .status()
        .unwrap()
}

#[test]
fn a_reader_that_has_seen_enough_ends_no_command() {
    let (reader, output) = std::io::pipe().unwrap();
    drop(reader);
    let ended = check(output).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.code(), Some(1));
    // The same for a closed standard error.
    let (reader, output) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(serve(output).code(), Some(78));
}

#[test]
fn a_refused_configuration_is_told_from_a_daemon_that_failed() {
    let refused = serve(Stdio::null()).code().unwrap();
    let unit = include_str!("../../../deploy/systemd/fcom-sidecar.service");
    let prevented = format!("\nRestartPreventExitStatus={refused}\n");
    assert!(unit.contains(&prevented), "{prevented}");
}

#[test]
fn a_variable_that_is_no_text_matters_only_as_an_option() {
    let latin = OsStr::from_bytes(b"gr\xfcn");
    let with = |name: &OsStr| {
        let ended = check(Stdio::piped()).env(name, latin).output().unwrap();
        (
            ended.status.code(),
            String::from_utf8(ended.stdout).unwrap(),
        )
    };
    let without = check(Stdio::piped()).output().unwrap();
    let without = (
        without.status.code(),
        String::from_utf8(without.stdout).unwrap(),
    );
    for name in [OsStr::new("LATIN"), OsStr::from_bytes(b"L\xe4tin")] {
        assert_eq!(with(name), without);
    }
    let (code, report) = with(OsStr::new("FCOM_SIDECAR__SMTP__URL"));
    assert_eq!(code, Some(1));
    assert!(report.contains("is not UTF-8"), "{report}");
}
