//! The processes of a private server: the installer, the server itself, and the watchdog that kills it when its owner
//! is gone.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::error::{ServerError, system};
use super::options::Options;
use super::programs::Programs;

/// Reads the server's process id after each start and an empty line after each stop; the end of the input means that
/// the owner is gone. `rm` is run twice because a dying server may still be finishing a file.
const WATCHDOG: &str = r#"server=
while read -r line; do server=$line; done
if [ -n "$server" ]; then kill -9 "$server" 2>/dev/null; fi
rm -rf "$1" 2>/dev/null || { sleep 1; rm -rf "$1"; }"#;

/// Starts the server in a folder.
pub(super) fn spawn_server(
    programs: &Programs,
    folder: &Path,
    port: u16,
    options: &Options,
) -> Result<Child, ServerError> {
    // A new log for each start, so that an error does not quote an earlier one. It is also the server's standard error,
    // where it reports problems with its arguments.
    let log = folder.join("error.log");
    let _ = std::fs::remove_file(&log);
    let log = File::options().append(true).create(true).open(log);
    let log = log.map_err(system("create the server's log"))?;
    let option_file = folder.join("my.cnf");
    let common = programs.family.option_file();
    let set = format!("{common}{}\n", options.option_file);
    std::fs::write(&option_file, set).map_err(system("write the server's option file"))?;
    let (is_root, folder) = (is_root(folder), folder.display());
    let mut command = programs.serve(&option_file);
    command
        .arg(format!("--datadir={folder}/data"))
        .arg(format!("--tmpdir={folder}"))
        .arg(format!("--socket={folder}/socket"))
        .arg(format!("--pid-file={folder}/pid"))
        .arg(format!("--log-error={folder}/error.log"))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
        .args(["--max-connections=500"])
        .arg(format!(
            "--innodb-flush-log-at-trx-commit={}",
            options.flush_log_at_commit
        ));
    if is_root {
        command.arg("--user=root");
    }
    if let Some(zone) = &options.default_time_zone {
        command.arg(format!("--default-time-zone={zone}"));
    }
    command.args(&options.arguments);
    let environment = options.environment.iter();
    command.envs(environment.map(|(name, value)| (name, value)));
    // A process group of its own: an interrupt from the terminal reaches only the owner, and the watchdog does the
    // rest.
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().map_err(system("start the server"))
}

/// Creates the system tables in the folder.
pub(super) fn install(mut command: Command, folder: &Path) -> Result<(), ServerError> {
    command
        .arg(format!("--datadir={}/data", folder.display()))
        // A server deletes all temporary tables that it finds in this folder at startup, including those of other
        // servers.
        .env("TMPDIR", folder)
        .stdin(Stdio::null());
    if is_root(folder) {
        command.arg("--user=root");
    }
    let output = command.output().map_err(system("run the installer"))?;
    if output.status.success() {
        return Ok(());
    }
    // The standard output is general advice; the server's own messages are on standard error, if it got that far.
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    Err(ServerError::Install(
        String::from_utf8_lossy(said).into_owned(),
    ))
}

/// Starts the shell that outlives the owner.
pub(super) fn spawn_watchdog(folder: &Path) -> Result<Child, ServerError> {
    Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(system("start the watchdog"))
}

/// Whether we are `root`, judged by the owner of a folder that we created: servers refuse to run as `root` unless told
/// to.
fn is_root(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

/// The last lines of a log.
pub(super) fn last_lines(log: &Path) -> String {
    let text = File::open(log).and_then(io::read_to_string);
    let text = text.unwrap_or_else(|error| format!("(no log: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
