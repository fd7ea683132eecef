//! Runs the daemon's release binary with its default configuration, as far as there are defaults.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use fcom_sidecar::sample::machine::free_port;
use tempfile::TempDir;

use crate::http::Connection;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon, killed on drop.
pub(crate) struct Sidecar {
    pub(crate) address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Sidecar {
    /// Starts it on the database of this URL and waits until it is ready.
    pub(crate) async fn start(database: &str) -> anyhow::Result<Self> {
        Self::start_with(database, "").await
    }

    /// The same with more settings in the section `[database]`.
    pub(crate) async fn start_with(database: &str, more: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [address, admin] =
            [free_port(), free_port()].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let file = folder.path().join("config.toml");
        fs::write(
            &file,
            format!(
                "[server]\nlisten = \"{address}\"\nadmin_listen = \"{admin}\"\n\
                 [database]\nurl = \"{database}\"\n{more}\n[wordpress]\nversion = \"7.1\"\n"
            ),
        )?;
        let log = folder.path().join("log");
        let process = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"))
            .arg("serve")
            .arg("--config")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("the daemon cannot be started")?;
        let sidecar = Self {
            address,
            process,
            _folder: folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(admin).await {
            let log = || fs::read_to_string(&log).unwrap_or_default();
            anyhow::ensure!(Instant::now() < deadline, "the daemon's log:\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(sidecar)
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // Fails only for a process that has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    let ask = async {
        let mut connection = Connection::open(admin).await?;
        let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        anyhow::Ok(connection.exchange(request).await?.0)
    };
    ask.await.is_ok_and(|status| status == 200)
}
