//! Finds programs and files of other packages for the tests and the benchmark. If one is missing, the failure names the
//! command that installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use fcom_sidecar::sample::machine::find_program;

/// The path of a program.
#[track_caller]
pub(crate) fn program(name: &str) -> Command {
    Command::new(find_program(&[name]).unwrap_or_else(|| missing(name)))
}

/// The newest php-fpm: Debian includes PHP's version in the program's name.
#[track_caller]
pub(crate) fn php_fpm() -> Command {
    let servers = Path::new("/usr/sbin").read_dir().into_iter().flatten();
    let servers = servers.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = servers
        .filter(|name| name.starts_with("php-fpm"))
        .max_by_key(|name| version(name));
    program(newest.as_deref().unwrap_or("php-fpm"))
}

/// The numbers in `php-fpm8.4`.
fn version(name: &str) -> Vec<u32> {
    let parts = name.trim_start_matches("php-fpm").split('.');
    parts.filter_map(|part| part.parse().ok()).collect()
}

/// A file of a package.
#[track_caller]
pub(crate) fn file(path: &str) -> PathBuf {
    let path = PathBuf::from(path);
    if !path.exists() {
        missing(&path.display().to_string());
    }
    path
}

/// Fails and names what is missing.
#[track_caller]
pub(crate) fn missing(what: &str) -> ! {
    panic!("{what} is not on this machine: `deploy/install-tools {what}` installs it")
}
