//! Runs the daemon's release binary with its default configuration, as far as there are defaults.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use fcom_sidecar::sample::machine::free_port;
use tempfile::TempDir;

use crate::http::Connection;

const PATIENCE: Duration = Duration::from_mins(1);

/// A running daemon, killed on drop.
pub(crate) struct Sidecar {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
    process: Child,
    folder: TempDir,
}

/// Opens the admin listener's guarded pages.
pub(crate) const TOKEN: &str = "a-token-of-more-than-thirty-two-characters";

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
                 [admin]\ntoken = \"{TOKEN}\"\n\
                 [database]\nurl = \"{database}\"\n{more}\n[wordpress]\nversion = \"7.1\"\n"
            ),
        )?;
        let log = folder.path().join("log");
        let began = Instant::now();
        let process = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"))
            .arg("serve")
            .arg("--config")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("the daemon cannot be started")?;
        let mut sidecar = Self {
            address,
            admin,
            ready_after: Duration::ZERO,
            process,
            folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(admin).await {
            let log = || fs::read_to_string(&log).unwrap_or_default();
            anyhow::ensure!(Instant::now() < deadline, "the daemon's log:\n{}", log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        sidecar.ready_after = began.elapsed();
        Ok(sidecar)
    }

    /// Runs a command that needs nothing but the database.
    pub(crate) fn run(database: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        let command = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"))
            .args(arguments)
            .args(["--config", "/dev/null", "--set"])
            .arg(format!("database.url={database}"))
            .stdin(Stdio::null())
            .output();
        command.context("the daemon's program cannot be started")
    }

    /// A command of the daemon's program with the same configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .stdin(Stdio::null());
        command
    }

    /// Status and body of a page of the admin listener.
    pub(crate) async fn page(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut connection = Connection::open(self.admin).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        );
        let (status, body) = connection.exchange(&request).await?;
        Ok((status, String::from_utf8_lossy(body).into_owned()))
    }

    /// The value of a metric, without labels.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let (_, metrics) = self.page("/metrics").await?;
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value
            .with_context(|| format!("there is no metric {name}"))?
            .parse()?)
    }

    /// Waits until it is ready, as it is not for a while after tables have been changed.
    pub(crate) async fn wait(&self) -> anyhow::Result<()> {
        // It looks twice a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(self.admin).await {
            anyhow::ensure!(Instant::now() < deadline, "the daemon is not ready again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
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
