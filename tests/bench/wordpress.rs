//! The PHP baseline: Debian's WordPress behind nginx and php-fpm with `OPcache`, creating users through its REST API.
//! The site has no FluentCommunity: the plugin's handler does more work than this.

#![expect(
    clippy::unwrap_used,
    reason = "the installation is shared with the tests"
)]

#[path = "../it/wordpress/installation.rs"]
mod installation;
#[path = "../it/harness/programs.rs"]
mod programs;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use base64::Engine;
use fcom_sidecar::sample::machine::{find_program, free_port};
use fcom_sidecar::sample::server::PrivateServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::installation::Installation;
use crate::http::{self, Calls, Connection};

/// The table prefix of the installation.
const PREFIX: &str = "wp_";
pub(crate) const DATABASE: &str = "wordpress";
/// Without this, application passwords require HTTPS.
const CONSTANTS: &str = "define( 'WP_ENVIRONMENT_TYPE', 'local' );\n\
    define( 'FCOM_SIDECAR_SECRET', 'a secret that both sides know' );\n";
/// The one in the constants, with which the daemon signs what it asks of the must-use plugin.
pub(crate) const SECRET: &str = "a secret that both sides know";
const PATIENCE: Duration = Duration::from_mins(1);

/// A WordPress that answers HTTP; it ends on drop.
pub(crate) struct WordPress {
    pub(crate) version: String,
    pub(crate) address: SocketAddr,
    authorization: String,
    php: Service,
    nginx: Service,
    installation: Installation,
    _folder: TempDir,
}

impl WordPress {
    /// What it needs and the machine does not have.
    pub(crate) fn missing() -> Vec<&'static str> {
        let servers = Path::new("/usr/sbin").read_dir().into_iter().flatten();
        let mut names = servers.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let has_fpm = names.any(|name| name.starts_with("php-fpm"));
        let mut missing = Vec::new();
        for program in ["php", "nginx"] {
            if find_program(&[program]).is_none() {
                missing.push(program);
            }
        }
        if !has_fpm {
            missing.push("php-fpm");
        }
        let files = [
            "/usr/share/wordpress/wp-load.php",
            "/usr/share/wordpress/wp-content/languages/de_DE.mo",
        ];
        missing.extend(files.into_iter().filter(|file| !Path::new(file).exists()));
        missing
    }

    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        self.installation.root()
    }

    /// Installs and starts it, with twice as many PHP workers as there are processors.
    pub(crate) async fn start(server: &PrivateServer) -> anyhow::Result<Self> {
        server.create_database(DATABASE).await?;
        let installation = Installation::on(server, DATABASE, CONSTANTS);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let folder = tempfile::tempdir()?;
        let cores = std::thread::available_parallelism()?.get();
        let root = installation.root();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let run = |script: &str, input: &Value| run(&tests.join(script), root, address, input);
        let url = format!("http://{address}");
        let input = json!({ "url": url, "password": "an administrator's password" });
        let version = run("data/php/install.php", &input)?;
        let password = run("bench/application_password.php", &json!({}))?;
        let password = password.as_str().context("no application password")?;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("admin:{password}"));

        let is_root = folder.path().metadata()?.uid() == 0;
        let fpm = folder.path().join("php-fpm.conf");
        fs::write(&fpm, fpm_configuration(folder.path(), 2 * cores, is_root))?;
        let mut php = programs::php_fpm();
        php.arg("--nodaemonize").arg("--fpm-config").arg(fpm);
        if is_root {
            php.arg("--allow-to-run-as-root");
        }
        let nginx_file = folder.path().join("nginx.conf");
        let configuration = nginx_configuration(folder.path(), root, address, cores, is_root);
        fs::write(&nginx_file, configuration)?;
        let mut nginx = programs::program("nginx");
        nginx.arg("-p").arg(folder.path()).arg("-c").arg(nginx_file);
        let wordpress = Self {
            version: version.as_str().unwrap_or_default().to_owned(),
            address,
            authorization: format!("Authorization: Basic {encoded}\r\n"),
            php: Service::start(php)?,
            nginx: Service::start(nginx)?,
            installation,
            _folder: folder,
        };
        wordpress.answers().await?;
        Ok(wordpress)
    }

    /// Waits until WordPress creates the first user.
    async fn answers(&self) -> anyhow::Result<()> {
        let calls = self.calls("first");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let attempt = async {
                let mut connection = Connection::open(self.address).await?;
                let (status, body) = connection.exchange(&(calls.request)(0)).await?;
                let body = String::from_utf8_lossy(body);
                ensure!(status == calls.success, "WordPress says {status}: {body}");
                anyhow::Ok(())
            };
            match attempt.await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// The processes whose processor time counts.
    pub(crate) fn processes(&self) -> Vec<u32> {
        vec![self.php.0.id(), self.nginx.0.id()]
    }

    /// Requests that create users.
    pub(crate) fn calls(&self, prefix: &str) -> Calls {
        let (prefix, authorization) = (prefix.to_owned(), self.authorization.clone());
        let request = move |number: u64| {
            let name = format!("{prefix}{number}");
            let user = json!({
                "username": name,
                "email": format!("{name}@bench.example"),
                "first_name": name,
                "last_name": "Bench",
                "password": "correct horse battery",
            });
            let headers = format!("{authorization}Content-Type: application/json\r\n");
            http::post("/?rest_route=/wp/v2/users", &headers, &user.to_string())
        };
        Calls {
            address: self.address,
            request: Arc::new(request),
            success: 201,
        }
    }
}

/// A process that gets SIGTERM on drop: its children would outlive a SIGKILL.
struct Service(Child);

impl Service {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(command.stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let process = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &process]).status();
        let _ = self.0.wait();
    }
}

/// Runs a script of the tests in this WordPress.
fn run(script: &PathBuf, root: &Path, host: SocketAddr, input: &Value) -> anyhow::Result<Value> {
    let mut process = programs::program("php")
        .arg("-d")
        .arg("sendmail_path=/bin/true")
        .arg(script)
        .env("WORDPRESS_ROOT", root)
        .env("WORDPRESS_HOST", host.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = process.stdin.take().context("no pipe")?;
    pipe.write_all(input.to_string().as_bytes())?;
    drop(pipe);
    let output = process.wait_with_output()?;
    let answer = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {answer}", script.display());
    serde_json::from_str(&answer).with_context(|| answer.into_owned())
}

fn fpm_configuration(folder: &Path, workers: usize, is_root: bool) -> String {
    let folder = folder.display();
    let user = if is_root { "user = root\n" } else { "" };
    format!(
        "[global]\nerror_log = {folder}/php-fpm.log\n[www]\n{user}listen = {folder}/php.sock\n\
         listen.backlog = 1024\npm = static\npm.max_children = {workers}\nphp_admin_value[opcache.enable] = 1\n"
    )
}

fn nginx_configuration(
    folder: &Path,
    root: &Path,
    address: SocketAddr,
    workers: usize,
    is_root: bool,
) -> String {
    let (folder, root) = (folder.display(), root.display());
    let user = if is_root { "user root;\n" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {folder}/{what};\n"))
        .concat();
    format!(
        "{user}daemon off;\nworker_processes {workers};\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\naccess_log off;\nkeepalive_requests 1000000;\nfastcgi_read_timeout 120;\n{temporary}\
         server {{\nlisten {address};\nroot {root};\n\
         location / {{\ninclude /etc/nginx/fastcgi_params;\n\
         fastcgi_param SCRIPT_FILENAME {root}/index.php;\nfastcgi_pass unix:{folder}/php.sock;\n}}\n}}\n}}\n"
    )
}
