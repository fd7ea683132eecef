//! WordPress in a usual production setup: nginx, and behind it a pool of PHP processes.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fcom_sidecar::sample::machine::free_port;
use tempfile::TempDir;

use super::php::sent_mail;
use crate::harness::eventually::within;
use crate::harness::http;
use crate::harness::process::Process;
use crate::harness::programs::{php_fpm, program};

/// How long it may take to answer before another port is tried.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both processes end on drop.
pub(super) struct WebServer {
    pub(super) address: SocketAddr,
    folder: TempDir,
    _php: Process,
    nginx: Option<Process>,
}

impl WebServer {
    /// Returns once PHP answers for a file of this folder that does not involve WordPress.
    pub(super) async fn start(root: &Path) -> Self {
        Self::start_with(root, &[]).await
    }

    /// The same with these settings of PHP, such as `output_buffering=0`.
    pub(super) async fn start_with(root: &Path, settings: &[&str]) -> Self {
        fs::write(root.join("alive.php"), "<?php echo 'alive';").unwrap();
        loop {
            let server = Self::on(root, settings);
            let lives = async || {
                let answer = http::request(server.address, "GET", "/alive.php", &[], b"").await;
                answer.is_ok_and(|answer| answer.body == b"alive")
            };
            if within(PATIENCE, lives).await {
                return server;
            }
            eprintln!("{}", server.log("errors"));
            // Another process took the port, or the machine is very busy: try another one.
        }
    }

    fn on(root: &Path, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let is_root = folder.path().metadata().unwrap().uid() == 0;
        let user = |line: &'static str| if is_root { line } else { "" };
        let port = free_port();
        let place = folder.path().display();
        let pool = format!(
            "[global]\nerror_log = {place}/errors\npid = {place}/php.pid\n[www]\n{}listen = {place}/php.sock\npm = static\n\
             pm.max_children = 4\ncatch_workers_output = yes\nphp_admin_value[error_log] = {place}/php_errors\n\
             php_admin_flag[log_errors] = on\nphp_admin_value[sendmail_path] = \"cat > '{}'\"\n",
            user("user = root\n"),
            sent_mail(root).display(),
        );
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {place}/{what};\n"))
            .concat();
        // As in WordPress's documentation.
        let site = format!(
            "{}daemon off;\npid {place}/pid;\nerror_log {place}/errors;\nevents {{}}\nhttp {{\n{temporary}\
             access_log {place}/requests;\nserver {{\nlisten 127.0.0.1:{port};\nroot {};\nindex index.php;\n\
             location / {{\ntry_files $uri $uri/ /index.php$is_args$args;\n}}\n\
             location ~ \\.php$ {{\ninclude /etc/nginx/fastcgi_params;\n\
             fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n\
             fastcgi_pass unix:{place}/php.sock;\n}}\n}}\n}}\n",
            user("user root;\n"),
            root.display(),
        );
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let mut php = php_fpm();
        php.args(["--nodaemonize", "--allow-to-run-as-root", "--fpm-config"]);
        php.arg(write("pool.conf", pool));
        php.args(settings.iter().flat_map(|setting| ["-d", setting]));
        write("nginx.conf", site);
        let mut server = Self {
            address: ([127, 0, 0, 1], port).into(),
            _php: start(folder.path(), &php),
            nginx: None,
            folder,
        };
        server.come_back();
        server
    }

    /// The web server stops listening, while PHP keeps running.
    pub(super) fn go_away(&mut self) {
        self.nginx = None;
    }

    /// Listens at the same address again.
    pub(super) fn come_back(&mut self) {
        let folder = self.folder.path();
        let mut nginx = program("nginx");
        nginx.arg("-p").arg(folder);
        nginx.arg("-c").arg(folder.join("nginx.conf"));
        self.nginx = Some(start(folder, &nginx));
    }

    /// Kills all PHP processes, whatever they are doing; their master starts new ones.
    pub(super) fn kill_php(&self) {
        let master = fs::read_to_string(self.folder.path().join("php.pid")).unwrap();
        let killed = Command::new("pkill")
            .args(["-KILL", "-P", master.trim()])
            .status();
        assert!(killed.unwrap().success());
    }

    /// `requests`, `errors` or `php_errors`.
    pub(super) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

fn start(folder: &Path, command: &Command) -> Process {
    let said = File::options()
        .append(true)
        .create(true)
        .open(folder.join("errors"));
    Process::start(command, Stdio::null(), said.unwrap().into())
}
