//! Child processes that end with their test.

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
