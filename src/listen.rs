//! The addresses that the daemon listens on: opens Unix sockets, tries whether an address can be had, and says what to do
//! where it cannot.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use tokio::net::TcpSocket;

use crate::config::Listen;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {key} = \"{listen}\": {}", self.remedy())]
pub struct ListenError {
    key: &'static str,
    listen: Listen,
    source: io::Error,
}

impl ListenError {
    /// `key` is the option with the address.
    pub fn new(key: &'static str, listen: &Listen, source: io::Error) -> Self {
        Self {
            key,
            listen: listen.clone(),
            source,
        }
    }

    /// What is wrong, without the remedy.
    pub fn found(&self) -> String {
        let Self {
            key,
            listen,
            source,
        } = self;
        format!("cannot listen on {key} = \"{listen}\": {source}")
    }

    /// Whether this says nothing about the daemon that a service manager starts: nobody else may write to `/run`, and the folders
    /// there come and go with their services.
    pub fn is_of_service_manager(&self) -> bool {
        let is_missing = matches!(
            self.source.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        );
        match &self.listen {
            Listen::Unix(path) => {
                is_missing && (path.starts_with("/run") || path.starts_with("/var/run"))
            }
            Listen::Tcp(_) => false,
        }
    }

    /// What the operator has to do.
    pub fn remedy(&self) -> String {
        let key = self.key;
        let is_socket = matches!(self.listen, Listen::Unix(_));
        match self.source.kind() {
            ErrorKind::AddrInUse => format!(
                "another process listens there. If it is the service manager, for the daemon (fcom-sidecar.socket), start the daemon \
                 through it; if the daemon runs, set server.admin_listen to the address in fcom-sidecar-admin.socket, where it can be \
                 asked. Otherwise end that process, or set {key} to another address"
            ),
            ErrorKind::AddrNotAvailable => format!("set {key} to an address of this machine"),
            ErrorKind::AlreadyExists => {
                format!(
                    "there is a file that is no socket: remove it, or set {key} to another path"
                )
            }
            _ if self.is_of_service_manager() => format!(
                "below /run the service manager makes what is needed: the socket (fcom-sidecar.socket) or, when it starts the daemon, \
                 a folder for it (RuntimeDirectory= in the unit makes /run/fcom-sidecar). If it does not, add that, or set {key} to \
                 a path in a folder of the daemon's user"
            ),
            ErrorKind::NotFound if is_socket => {
                format!("create the folder, or set {key} to a path in another one")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if is_socket => {
                format!(
                    "let the daemon's user write to the folder, or set {key} to a path in another one"
                )
            }
            ErrorKind::PermissionDenied => format!(
                "set {key} to a port from 1024 on, or let the daemon have the capability CAP_NET_BIND_SERVICE"
            ),
            _ => format!("set {key} to another address"),
        }
    }
}

/// Opens a Unix socket with these permissions. Replaces a socket that a dead process left behind, but not one that a
/// process still listens on, nor any other file.
///
/// # Errors
/// The path is taken or not allowed.
pub fn open_socket(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if is_left_behind(path)? {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Whether an address could be listened on now. Does not listen: a caller would be let in and get no answer.
///
/// # Errors
/// What listening would meet.
pub fn rehearse(listen: &Listen) -> io::Result<()> {
    match listen {
        Listen::Tcp(address) => rehearse_port(*address),
        Listen::Unix(path) => {
            is_left_behind(path)?;
            let folder = path.parent().unwrap_or(path);
            let trial = folder.join(format!(".fcom-sidecar-check-{}", std::process::id()));
            File::create_new(&trial)?;
            fs::remove_file(trial)
        }
    }
}

fn rehearse_port(address: SocketAddr) -> io::Result<()> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // As a listener does: connections of an earlier one that are still closing do not count.
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

/// Whether a dead process has left its socket at this path. Otherwise there is nothing.
fn is_left_behind(path: &Path) -> io::Result<bool> {
    let Ok(file) = fs::symlink_metadata(path) else {
        return Ok(false);
    };
    if !file.file_type().is_socket() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    if UnixStream::connect(path).is_ok() {
        return Err(ErrorKind::AddrInUse.into());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/run` must not become writable for the daemon's user.
    #[test]
    fn what_is_missing_below_run_is_the_service_managers() {
        for (path, kind, is_its) in [
            (
                "/run/fcom-sidecar-calls.sock",
                ErrorKind::PermissionDenied,
                true,
            ),
            ("/run/fcom-sidecar/calls.sock", ErrorKind::NotFound, true),
            // For the daemon itself, with ProtectSystem=strict.
            (
                "/run/fcom-sidecar-calls.sock",
                ErrorKind::ReadOnlyFilesystem,
                true,
            ),
            (
                "/srv/sidecar/calls.sock",
                ErrorKind::ReadOnlyFilesystem,
                false,
            ),
            (
                "/var/run/fcom-sidecar/calls.sock",
                ErrorKind::NotFound,
                true,
            ),
            ("/run/fcom-sidecar/calls.sock", ErrorKind::AddrInUse, false),
            ("/srv/sidecar/calls.sock", ErrorKind::NotFound, false),
            (
                "/srv/sidecar/calls.sock",
                ErrorKind::PermissionDenied,
                false,
            ),
        ] {
            let listen = Listen::Unix(path.into());
            let error = ListenError::new("server.listen", &listen, kind.into());
            assert_eq!(error.is_of_service_manager(), is_its, "{path} {kind}");
            let remedy = error.remedy();
            assert_eq!(remedy.contains("RuntimeDirectory="), is_its, "{remedy}");
            assert!(
                !is_its || !remedy.contains("write to the folder"),
                "{remedy}"
            );
        }
    }
}
