//! Child processes that end with their test.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

/// Runs a program and kills it when the input ends, even if the test itself is killed.
const GUARD: &str = r#""$@" & read -r line; kill $!; wait"#;

/// A process that ends on drop.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &Command, stdout: Stdio, stderr: Stdio) -> Self {
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD, "guard"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        Self(guard.spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Passes the socket with this name as the service manager does: as the first file descriptor after the standard ones.
pub(crate) fn pass(command: &Command, socket: &TcpListener, name: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES="$0" exec "$@""#,
            name,
        ])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
}
