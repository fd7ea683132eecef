//! Runs PHP: its web server, and the scripts of `tests/data/php`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fcom_sidecar::sample::machine::free_port;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::harness::eventually::within;
use crate::harness::process::Process;
use crate::harness::programs::program;

/// How long a web server may take to listen before another port is tried.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file in which the scripts' `mail` stores what it would send.
pub(super) fn sent_mail(root: &Path) -> PathBuf {
    root.join("mail")
}

/// PHP's built-in web server on a folder. It ends on drop.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    _process: Process,
}

impl Server {
    /// Returns once it listens.
    pub(super) async fn start(root: &Path) -> Self {
        loop {
            let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let mut command = program("php");
            command
                .arg("-S")
                .arg(address.to_string())
                .arg("-t")
                .arg(root)
                // An answer is what the scripts print, not PHP's warnings.
                .args(["-d", "display_errors=0"])
                .args(mail_settings(root));
            let server = Self {
                address,
                _process: Process::start(&command, Stdio::null(), Stdio::null()),
            };
            let listens = async || TcpStream::connect(address).await.is_ok();
            if within(PATIENCE, listens).await {
                return server;
            }
            // Another process took the port, or the machine is very busy: try another one.
        }
    }
}

/// Runs a script in the WordPress of this folder, whose address has this host, and returns its answer.
pub(super) fn run(script: &str, root: &Path, host: &str, input: &Value) -> Value {
    let file = format!("{}/tests/data/php/{script}.php", env!("CARGO_MANIFEST_DIR"));
    let mut process = program("php")
        .args(mail_settings(root))
        .arg(file)
        .env("WORDPRESS_ROOT", root)
        .env("WORDPRESS_HOST", host)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The scripts read all input before they write.
    let mut pipe = process.stdin.take().unwrap();
    pipe.write_all(input.to_string().as_bytes()).unwrap();
    drop(pipe);
    let output = process.wait_with_output().unwrap();
    let [answer, errors] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{script}: {errors}{answer}");
    serde_json::from_str(&answer)
        .unwrap_or_else(|error| panic!("{script}: {error}: {errors}{answer}"))
}

/// Runs a script that is ended by a listener or an error.
pub(super) fn run_to_death(script: &str, root: &Path) {
    let file = format!("{}/tests/data/php/{script}.php", env!("CARGO_MANIFEST_DIR"));
    let mut process = program("php")
        .arg(file)
        .env("WORDPRESS_ROOT", root)
        .env("WORDPRESS_HOST", "localhost")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(b"{}").unwrap();
    process.wait().unwrap();
}

/// Mail goes into a file.
fn mail_settings(root: &Path) -> [String; 2] {
    let file = sent_mail(root);
    [
        "-d".to_owned(),
        format!("sendmail_path=\"cat > '{}'\"", file.display()),
    ]
}
