//! Finds the machine's resources for a private server: programs, a folder, a port.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use tempfile::TempDir;

/// Ports below the range from which kernels pick ports for outgoing connections, so that a server that is down for a
/// moment finds its port still free.
/// moment finds its port free when it returns.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port on 127.0.0.1 that is free at this moment, from below the range of outgoing connections. A process gets each
/// port only once, so that a server that is down for a moment finds its port still free.
///
/// # Panics
/// When all ports are in use or were already returned.
#[must_use]
pub fn free_port() -> u16 {
    static UNUSED: LazyLock<Mutex<Vec<u16>>> = LazyLock::new(|| {
        let mut ports: Vec<u16> = PORTS.collect();
        let start = random_number() % ports.len() as u64;
        ports.rotate_left(usize::try_from(start).unwrap_or_default());
        Mutex::new(ports)
    });
    let mut unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let port = unused.pop().expect("12,000 ports are enough");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Finds a program by the first of its names that exists: in the search path, and where Debian installs servers, which
/// is not in the search path of ordinary users.
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/libexec"].map(PathBuf::from))
        .collect();
    find_in(&folders, names)
}

/// The same within a folder that has the layout of a root file system.
pub(super) fn find_program_below(root: &Path, names: &[&str]) -> Option<PathBuf> {
    let folders = ["usr/sbin", "usr/bin"].map(|folder| root.join(folder));
    find_in(&folders, names)
}

fn find_in(folders: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// Creates a private folder: in the given one, or else in memory if there is room for a server, or else in the
/// machine's temporary folder.
pub(super) fn create_folder(prefix: &str, base: Option<&Path>) -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let base = match base {
        Some(base) => base.to_owned(),
        None if free_megabytes(memory).is_some_and(|free| free >= 1024) => memory.to_owned(),
        None => std::env::temp_dir(),
    };
    tempfile::Builder::new().prefix(prefix).tempdir_in(base)
}

fn free_megabytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pm").arg(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Uses the standard library's only source of random numbers. Good enough for names, ports and the password of a server
/// that lives for minutes on 127.0.0.1.
fn random_number() -> u64 {
    RandomState::new().hash_one(0)
}

/// 32 random hexadecimal digits.
pub(super) fn random_text() -> String {
    format!("{:016x}{:016x}", random_number(), random_number())
}
