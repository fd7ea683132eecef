//! Runs the daemon and watches its output.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fcom_sidecar::sample::machine::free_port;
use fcom_sidecar::sample::server::PrivateServer;
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::harness::claims;
use crate::harness::client::Client;
use crate::harness::eventually::{blocks_until, eventually, within};
use crate::harness::leaks;
use crate::harness::site::Site;

/// The most verbose level, so that a secret in any line is found.
const LOG_FILTER: &str = "trace";

/// How long the daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon. Dropping it stops it and asserts that no claim is left and no secret reached its log.
pub(crate) struct Sidecar {
    pub(crate) client: Client,
    process: Option<Child>,
    folder: TempDir,
    environment: Vec<(String, String)>,
    server: Arc<PrivateServer>,
    database: String,
    claims_table: String,
    /// Bound but not listening, so that mail connections are refused.
    _mail_port: TcpSocket,
}

impl Sidecar {
    /// Migrates the site's database and serves it.
    pub(crate) async fn start(site: &Site) -> Self {
        Self::start_with(site, &[]).await
    }

    /// The same with variables in its environment, which override the configuration file.
    pub(crate) async fn start_with(site: &Site, environment: &[(&str, &str)]) -> Self {
        Self::start_configured(site, &sections(site), environment).await
    }

    /// The same with these sections beside `[server]` in its configuration file.
    pub(crate) async fn start_configured(
        site: &Site,
        sections: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        loop {
            let mut sidecar = Self::prepare(site, sections, environment).await;
            sidecar.migrate();
            sidecar.spawn();
            if sidecar.becomes_ready().await {
                return sidecar;
            }
            let log = sidecar.log();
            // Another process took a port: try others.
            assert!(
                log.to_lowercase().contains("address already in use"),
                "the daemon does not become ready; its log:\n{log}"
            );
        }
    }

    /// Serves a database that cannot be written to, and returns once the daemon has reported it.
    pub(crate) async fn start_unready(site: &Site) -> Self {
        Self::start_unready_with(site, &[]).await
    }

    /// The same with variables in its environment.
    pub(crate) async fn start_unready_with(site: &Site, environment: &[(&str, &str)]) -> Self {
        let mut sidecar = Self::unstarted(site, environment).await;
        sidecar.client.record(&webhook_keys(site).await);
        sidecar.spawn();
        sidecar.says("not ready: ").await;
        sidecar
    }

    /// A daemon that is not running yet; nothing is migrated.
    pub(crate) async fn unstarted(site: &Site, environment: &[(&str, &str)]) -> Self {
        Self::prepare(site, &sections(site), environment).await
    }

    /// The same with these sections beside `[server]` in its configuration file.
    pub(crate) async fn unstarted_with(site: &Site, sections: &str) -> Self {
        Self::prepare(site, sections, &[]).await
    }

    async fn prepare(site: &Site, sections: &str, environment: &[(&str, &str)]) -> Self {
        let mail_port = TcpSocket::new_v4().unwrap();
        mail_port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mail = mail_port.local_addr().unwrap();
        let [public, admin] =
            [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let client = Client::new(public, admin);
        client.record(&[site.server.password().to_owned()]);
        client.record(&webhook_keys(site).await);
        let folder = tempfile::tempdir().unwrap();
        let configuration = format!(
            r#"[server]
listen = "{public}"
admin_listen = "{admin}"
{sections}
[smtp]
url = "smtp://{mail}"
[log]
filter = "{LOG_FILTER}"
"#
        );
        fs::write(folder.path().join("c.toml"), configuration).unwrap();
        Self {
            client,
            process: None,
            folder,
            environment: environment
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            server: site.server.clone(),
            database: site.database.clone(),
            claims_table: format!("{}fcom_sidecar_claims", site.prefix),
            _mail_port: mail_port,
        }
    }

    /// Runs a subcommand to its end; its output goes to the log, too.
    pub(crate) fn run(&self, arguments: &[&str]) -> ExitStatus {
        self.command(arguments).status().unwrap()
    }

    /// Runs a subcommand to its end: whether it succeeded, its answer, and its error output. Answers may contain
    /// secrets, so they do not go to the log.
    pub(crate) fn output(&self, arguments: &[&str]) -> (bool, String, String) {
        let (code, said, complained) = self.outcome(arguments);
        (code == 0, said, complained)
    }

    /// The same with the exit status.
    pub(crate) fn outcome(&self, arguments: &[&str]) -> (i32, String, String) {
        ended(&mut self.command(arguments))
    }

    /// The same through a wrapper command that ends up as this one.
    pub(crate) fn outcome_as(
        &self,
        arguments: &[&str],
        wrap: impl FnOnce(&Command) -> Command,
    ) -> (i32, String, String) {
        ended(&mut wrap(&self.command(arguments)))
    }

    /// The same with a file as standard input.
    pub(crate) fn piped(&self, arguments: &[&str], input: File) -> Output {
        let mut command = self.command(arguments);
        let piped = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        piped.output().unwrap()
    }

    /// The exit status of a subcommand whose output goes to a full disk.
    pub(crate) fn outcome_on_full_disk(&self, arguments: &[&str]) -> i32 {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let status = self.command(arguments).stdout(full).status();
        status.unwrap().code().unwrap()
    }

    /// Starts a subcommand, to be killed.
    pub(crate) fn background(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn migrate(&self) {
        let status = self.run(&["migrate"]);
        assert!(status.success(), "migrate: {status}\n{}", self.log());
    }

    pub(crate) fn spawn(&mut self) {
        self.process = Some(self.command(&["serve"]).spawn().unwrap());
    }

    /// The same through a wrapper command that ends up as this one, with its output in the log.
    pub(crate) fn spawn_as(&mut self, wrap: impl FnOnce(&Command) -> Command) {
        let log = || self.open_log();
        let mut command = wrap(&self.command(&["serve"]));
        let started = command.stdout(log()).stderr(log()).spawn();
        self.process = Some(started.unwrap());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let log = self.open_log();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("c.toml"))
            // Tests replace tables under the running daemon.
            .env("FCOM_SIDECAR__DATABASE__RESTORE_PAUSE_SECONDS", "0")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    /// Sets a variable of what is started from now on.
    pub(crate) fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Appends to the configuration file without notifying the daemon.
    pub(crate) fn append_configuration(&mut self, sections: &str) {
        let file = self.folder.path().join("c.toml");
        let configuration = fs::read_to_string(&file).unwrap() + sections;
        fs::write(file, configuration).unwrap();
    }

    /// Sets another mail server in the configuration file.
    pub(crate) fn set_mail_server(&mut self, url: &str) {
        self.replace_line("url = \"smtp:", &format!("url = \"{url}\""));
    }

    /// Sets another log filter in the configuration file.
    pub(crate) fn set_log_filter(&mut self, filter: &str) {
        self.replace_line("filter = ", &format!("filter = \"{filter}\""));
    }

    /// Replaces the line of the configuration file with this prefix.
    fn replace_line(&mut self, beginning: &str, after: &str) {
        let file = self.folder.path().join("c.toml");
        let configuration = fs::read_to_string(&file).unwrap();
        let mut lines = configuration.lines();
        let before = lines.find(|line| line.starts_with(beginning)).unwrap();
        fs::write(&file, configuration.replace(before, after)).unwrap();
    }

    /// Sends SIGHUP: the daemon reads its configuration again.
    pub(crate) fn hang_up(&self) {
        let id = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until the daemon exits by itself.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        let ended = within(PATIENCE, async || process.try_wait().unwrap().is_some()).await;
        if !ended {
            process.kill().unwrap();
        }
        let status = process.wait().unwrap();
        assert!(ended, "the daemon does not end; its log:\n{}", self.log());
        status
    }

    /// Waits until `/readyz` returns 200. `false` if the daemon has exited instead.
    pub(crate) async fn becomes_ready(&mut self) -> bool {
        eventually(async || {
            if self.client.admin_status("/readyz").await == 200 {
                return Ok(true);
            }
            let process = self.process.as_mut().unwrap();
            if process.try_wait().unwrap().is_some() {
                self.process = None;
                return Ok(false);
            }
            Err(format!("not ready; the log:\n{}", self.log()))
        })
        .await
    }

    /// Kills the daemon, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the daemon runs").id()
    }

    /// The most memory that the running daemon has occupied, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kibibytes.unwrap().parse::<u64>().unwrap() << 10
    }

    /// Sends SIGTERM.
    pub(crate) fn tell_to_stop(&self) {
        if let Some(process) = &self.process {
            let id = process.id().to_string();
            // The standard library supports SIGKILL only.
            Command::new("kill").args(["-TERM", &id]).status().unwrap();
        }
    }

    /// Stops the daemon with SIGTERM and waits for it. Kills it on a timeout, and then returns `None`.
    pub(crate) fn terminate(&mut self) -> Option<ExitStatus> {
        self.tell_to_stop();
        let mut process = self.process.take()?;
        let ended = blocks_until(|| process.try_wait().unwrap().is_some());
        if !ended {
            process.kill().unwrap();
        }
        let status = process.wait().unwrap();
        ended.then_some(status)
    }

    /// Starts the daemon again, on the same ports, after [`kill`](Self::kill) or [`terminate`](Self::terminate).
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.spawn();
        assert!(
            self.becomes_ready().await,
            "the daemon does not come back; its log:\n{}",
            self.log()
        );
    }

    /// Waits until the log contains this text.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> impl Future<Output = ()> {
        eventually(async move || {
            let log = self.log();
            let is_said = log.contains(words);
            is_said
                .then_some(())
                .ok_or_else(|| format!("{words}: {log}"))
        })
    }

    /// Everything the daemon and its subcommands have written so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn open_log(&self) -> File {
        let mut options = File::options();
        let options = options.append(true).create(true);
        options.open(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn leaks(&self) -> Vec<String> {
        leaks::found_in(&self.log(), &self.client.secrets())
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.kill();
            let log = self.log();
            let tail = log.lines().rev().take(20).collect::<Vec<_>>();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            eprintln!("the daemon's log ends with:\n{tail}");
            return;
        }
        let was_running = self.process.is_some();
        let status = self.terminate();
        assert!(
            !was_running || status.is_some_and(|status| status.success()),
            "SIGTERM ends the daemon with {status:?}; its log:\n{}",
            self.log()
        );
        if let Some(claims) = claims::left(
            self.server.clone(),
            self.database.clone(),
            self.claims_table.clone(),
        ) {
            assert_eq!(claims, 0, "claims are left at rest");
        }
        let leaks = self.leaks();
        assert!(
            leaks.is_empty(),
            "secrets in the log:\n{}",
            leaks.join("\n")
        );
    }
}

/// Runs a command to its end: exit status, answer, and error output.
fn ended(command: &mut Command) -> (i32, String, String) {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = piped.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// Configuration for a site that leaves nothing to discovery.
fn sections(site: &Site) -> String {
    let (prefix, wordpress, url) = (&site.prefix, site.wordpress, site.url());
    format!(
        "[wordpress]\ntable_prefix = \"{prefix}\"\nversion = \"{wordpress}\"\n[database]\nurl = \"{url}\""
    )
}

async fn webhook_keys(site: &Site) -> Vec<String> {
    let prefix = &site.prefix;
    let sql = format!("SELECT meta_key FROM {prefix}fcom_meta WHERE object_type = 'webhook'");
    site.column(&sql).await
}
