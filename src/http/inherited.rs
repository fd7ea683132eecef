//! Takes over sockets that the service manager opened and keeps open (systemd's socket activation). Connections that
//! arrive while one process exits and the next one starts wait there, so that a restart loses none.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// The inherited sockets, by purpose.
#[derive(Debug, Default)]
pub struct Inherited {
    pub(super) calls: Option<Socket>,
    pub(super) admin: Option<Socket>,
}

/// Why the passed sockets cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InheritedError {
    /// More than two sockets, or two of a kind.
    #[error(
        "the service manager passes more sockets than one for calls and one for operators: name them \"calls\" and \
         \"admin\" (FileDescriptorName=), one each"
    )]
    TooMany,
    /// A file descriptor is not a stream socket.
    #[error("the service manager passes something that is no stream socket: use ListenStream=")]
    NoStream,
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Inherited {
    /// Takes the sockets that `LISTEN_FDS` announces. Call it once, before any thread is started. `names` is
    /// `LISTEN_FDNAMES`: `calls` and `admin` name a socket's purpose; the first socket with another name is for calls.
    ///
    /// # Errors
    /// See [`InheritedError`].
    pub fn receive(names: Option<&str>) -> Result<Self, InheritedError> {
        let mut given = ListenFd::from_env();
        let names: Vec<&str> = names.unwrap_or_default().split(':').collect();
        let mut inherited = Self::default();
        for (index, purpose) in purposes(&names, given.len()).into_iter().enumerate() {
            let place = match purpose {
                Purpose::Calls => &mut inherited.calls,
                Purpose::Admin => &mut inherited.admin,
            };
            if place.is_some() || index >= 2 {
                return Err(InheritedError::TooMany);
            }
            let socket = match given.take_tcp_listener(index) {
                Ok(Some(socket)) => Socket::Tcp(socket),
                _ => given
                    .take_unix_listener(index)
                    .ok()
                    .flatten()
                    .map(Socket::Unix)
                    .ok_or(InheritedError::NoStream)?,
            };
            *place = Some(socket);
        }
        Ok(inherited)
    }

    /// Whether the public listener's socket is among them.
    pub fn has_calls(&self) -> bool {
        self.calls.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Calls,
    Admin,
}

fn purposes(names: &[&str], count: usize) -> Vec<Purpose> {
    let said = |index: usize| match names.get(index) {
        Some(&"calls") => Some(Purpose::Calls),
        Some(&"admin") => Some(Purpose::Admin),
        _ => None,
    };
    let is_named = |purpose| (0..count).any(|index| said(index) == Some(purpose));
    let mut free = [Purpose::Calls, Purpose::Admin]
        .into_iter()
        .filter(|purpose| !is_named(*purpose));
    let mut purpose_of = |index| {
        said(index)
            .or_else(|| free.next())
            .unwrap_or(Purpose::Calls)
    };
    (0..count).map(&mut purpose_of).collect()
}

#[cfg(test)]
mod tests {
    use super::Purpose::{Admin, Calls};
    use super::*;

    #[test]
    fn sockets_are_told_apart_by_name_and_then_by_order() {
        for (names, purposes_of_them) in [
            (&["calls"][..], &[Calls][..]),
            (&["admin", "calls"], &[Admin, Calls]),
            (&["fcom-sidecar.socket"], &[Calls]),
            (&["a.socket", "a.socket"], &[Calls, Admin]),
            (&["a.socket", "calls"], &[Admin, Calls]),
            (&["admin", "unknown"], &[Admin, Calls]),
        ] {
            assert_eq!(purposes(names, names.len()), purposes_of_them, "{names:?}");
        }
        assert_eq!(purposes(&[], 2), [Calls, Admin]);
    }
}
