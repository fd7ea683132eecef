//! Runs Debian's web servers with the files in `deploy/`, changed only where those say that they are to be adapted.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fcom_sidecar::sample::machine::free_port;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::process::Process;
use crate::harness::programs::{php_fpm, program};

/// The portal's path, for which the files say how to adapt the pattern of each server.
#[derive(Clone, Copy)]
pub(crate) enum Portal {
    Usual,
    /// `/forum/community/`.
    Renamed,
    /// The site's front page.
    Root,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Nginx,
    /// With two sidecars, one of which is down.
    NginxOfTwo,
    Apache,
    Caddy,
    HaProxy,
}

/// A web server with PHP behind it. Dropping it stops both.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// Where PHP answers by itself, for calls that no sidecar gets. nginx has no such address.
    pub(crate) php: SocketAddr,
    folder: TempDir,
    _processes: Vec<Process>,
}

impl Front {
    /// In front of a page that says what reached it. Returns once PHP answers.
    pub(crate) async fn start(server: Server, sidecar: SocketAddr, portal: Portal) -> Self {
        let page = include_str!("../../data/php/page.php");
        let site = |site: &Path| {
            fs::create_dir(site).unwrap();
            fs::write(site.join("index.php"), page).unwrap();
        };
        Self::of(site, server, sidecar, portal).await
    }

    /// In front of the WordPress in this folder, whose portal says that it is PHP.
    pub(crate) async fn of_wordpress(root: &Path, server: Server, sidecar: SocketAddr) -> Self {
        open(root);
        let site = |site: &Path| std::os::unix::fs::symlink(root, site).unwrap();
        Self::of(site, server, sidecar, Portal::Usual).await
    }

    async fn of(site: impl Fn(&Path), server: Server, sidecar: SocketAddr, portal: Portal) -> Self {
        let folder = tempfile::tempdir().unwrap();
        site(&folder.path().join("site"));
        let place = Place::new(folder.path(), sidecar, portal);
        let processes = match server {
            Server::Nginx => vec![place.php_fpm(), place.nginx(&[])],
            Server::NginxOfTwo => {
                let away = format!("127.0.0.1:{}", free_port());
                vec![place.php_fpm(), place.nginx(&[&away])]
            }
            Server::Apache => vec![place.php_fpm(), place.apache()],
            Server::Caddy => vec![place.php_fpm(), place.caddy()],
            Server::HaProxy => vec![place.php_alone(), place.haproxy()],
        };
        let front = Self {
            address: ([127, 0, 0, 1], place.port).into(),
            php: ([127, 0, 0, 1], place.php_port).into(),
            folder,
            _processes: processes,
        };
        eventually(async || {
            let answer = http::request(front.address, "GET", "/portal/", &[], b"").await;
            let is_there = answer.is_ok_and(|answer| answer.json()["by"] == "PHP");
            is_there
                .then_some(())
                .ok_or_else(|| format!("{server:?} does not answer: {:#?}", front.logs()))
        })
        .await;
        front
    }

    /// Adds a file to the site.
    pub(crate) fn add(&self, name: &str, text: &str) {
        let file = self.folder.path().join("site").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// The requests that reached PHP so far.
    pub(crate) fn seen_by_php(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.path().join("php.log")).unwrap_or_default();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Every file that the servers wrote, with its content.
    pub(crate) fn logs(&self) -> Vec<(PathBuf, String)> {
        let mut logs = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let is_record = path.ends_with("php.log");
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(bytes) = fs::read(&path).ok().filter(|_| !is_record) {
                    logs.push((path, String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        logs
    }
}

/// Apache does not run as root, so what it reads must not be readable by root alone.
fn open(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The folder and ports of one server and its PHP.
struct Place<'a> {
    folder: &'a Path,
    sidecar: SocketAddr,
    portal: Portal,
    port: u16,
    /// PHP's own HTTP port, where a server needs one.
    php_port: u16,
    is_root: bool,
}

impl<'a> Place<'a> {
    fn new(folder: &'a Path, sidecar: SocketAddr, portal: Portal) -> Self {
        open(folder);
        fs::create_dir(folder.join("logs")).unwrap();
        Self {
            folder,
            sidecar,
            portal,
            port: free_port(),
            php_port: free_port(),
            is_root: folder.metadata().unwrap().uid() == 0,
        }
    }

    /// The shipped file with these texts replaced; each must occur in it.
    fn adapt(&self, shipped: &str, portal: [&str; 3], others: &[(&str, String)]) -> String {
        let [usual, renamed, root] = portal;
        let portal = match self.portal {
            Portal::Usual => usual,
            Portal::Renamed => renamed,
            Portal::Root => root,
        };
        let mut adapted = shipped.to_owned();
        let known = [
            (usual, portal.to_owned()),
            ("127.0.0.1:8095", self.sidecar.to_string()),
        ];
        for (from, to) in known.iter().chain(others) {
            // The leading comment, which explains what may be changed, stays.
            let start = adapted.find("\n\n").unwrap();
            assert!(adapted[start..].contains(from), "{from}\n{shipped}");
            adapted = adapted[..start].to_owned() + &adapted[start..].replace(from, to);
        }
        adapted
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn php_fpm(&self) -> Process {
        let user = if self.is_root { "user = root\n" } else { "" };
        let configuration = format!(
            "[global]\nerror_log = {}\n[www]\n{user}listen = {}\nlisten.mode = 0666\npm = static\npm.max_children = 2\n",
            self.path("logs/php-fpm.log"),
            self.path("php.sock")
        );
        let file = self.write("php-fpm.conf", &configuration);
        let mut command = php_fpm();
        command.args(["--nodaemonize", "--allow-to-run-as-root", "--fpm-config"]);
        command.arg(file);
        self.start("php-fpm", &command)
    }

    /// PHP's built-in web server; its own output is not part of the site's log.
    fn php_alone(&self) -> Process {
        let mut command = program("php");
        let address = format!("127.0.0.1:{}", self.php_port);
        command.args(["-q", "-S", &address, &self.path("site/index.php")]);
        Process::start(&command, Stdio::null(), Stdio::null())
    }

    /// With other sidecars beside ours, as `deploy/README.md` describes.
    fn nginx(&self, others: &[&str]) -> Process {
        let shipped = include_str!("../../../deploy/nginx.conf");
        let mut adapted = self.adapt(
            shipped,
            ["/portal(/[^?]*)?", "/forum/community(/[^?]*)?", "/"],
            &[
                ("/var/log/nginx/", self.path("logs/")),
                ("/run/php/php-fpm.sock", self.path("php.sock")),
                // Relative to nginx.conf, which is elsewhere here.
                (
                    "include fastcgi_params",
                    "include /etc/nginx/fastcgi_params".to_owned(),
                ),
            ],
        );
        if !others.is_empty() {
            let ours = self.sidecar.to_string();
            let servers = [&[ours.as_str()], others].concat();
            let servers = servers.join(" fail_timeout=1s;\nserver ");
            adapted = format!(
                "upstream fcom_sidecars {{\nserver {servers} fail_timeout=1s;\n}}\n{}",
                adapted.replace(&format!("http://{ours}"), "http://fcom_sidecars")
            );
        }
        let (part_1, part_2) = adapted.split_once("# Part 2").unwrap();
        let part_2 = part_2.split_once('\n').unwrap().1;
        let user = if self.is_root { "user root;\n" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};\n", self.path(what)))
            .concat();
        let php = format!(
            "include /etc/nginx/fastcgi_params;\nfastcgi_param SCRIPT_FILENAME {};\nfastcgi_pass unix:{};\n",
            self.path("site/index.php"),
            self.path("php.sock")
        );
        let configuration = format!(
            "{user}daemon off;\npid {};\nerror_log {};\nevents {{}}\nhttp {{\n{temporary}{part_1}\n\
             server {{\nlisten 127.0.0.1:{};\nroot {};\n{part_2}\nlocation / {{\n{php}}}\n}}\n}}\n",
            self.path("nginx.pid"),
            self.path("logs/error.log"),
            self.port,
            self.path("site")
        );
        let file = self.write("nginx.conf", &configuration);
        let mut command = program("nginx");
        command.arg("-p").arg(self.folder).arg("-c").arg(file);
        self.start("nginx", &command)
    }

    fn apache(&self) -> Process {
        let shipped = include_str!("../../../deploy/apache.conf");
        let adapted = self.adapt(
            shipped,
            ["^/portal(/.*)?$", "^/forum/community(/.*)?$", "^/$"],
            &[
                ("127.0.0.1:8096", format!("127.0.0.1:{}", self.php_port)),
                ("/var/www/html", self.path("site")),
                ("/run/php/php-fpm.sock", self.path("php.sock")),
            ],
        );
        let (part_1, part_2) = adapted.split_once("# Part 2").unwrap();
        let part_2 = part_2.split_once('\n').unwrap().1;
        let part_2 = part_2.split_once('\n').unwrap().1;
        // The modules that the file requires, and those that Debian enables anyway.
        let needed = shipped.split_once("a2enmod ").unwrap().1;
        let needed = needed.lines().next().unwrap().split(' ');
        let mut modules = String::new();
        for name in needed.chain(["mpm_event", "authz_core", "dir"]) {
            let file = format!("/usr/lib/apache2/modules/mod_{name}.so");
            modules.push_str(&format!("LoadModule {name}_module {file}\n"));
        }
        let user = if self.is_root {
            "User www-data\nGroup www-data\n"
        } else {
            ""
        };
        let site = self.path("site");
        let configuration = format!(
            "ServerRoot {folder}\nPidFile {folder}/pid\nDefaultRuntimeDir {folder}\nMutex file:{folder} default\n\
             {modules}{user}ServerName localhost\nErrorLog {folder}/logs/error.log\nLogLevel info\n\
             LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O \\\"%{{Referer}}i\\\" \\\"%{{User-Agent}}i\\\"\" combined\n\
             Listen 127.0.0.1:{port}\n<Directory {site}>\nRequire all granted\n</Directory>\n\
             <VirtualHost 127.0.0.1:{port}>\nDocumentRoot {site}\nFallbackResource /index.php\n\
             <FilesMatch \\.php$>\nSetHandler \"proxy:unix:{folder}/php.sock|fcgi://localhost\"\n</FilesMatch>\n\
             {part_1}\n</VirtualHost>\n{part_2}",
            folder = self.folder.display(),
            port = self.port,
        );
        let file = self.write("apache.conf", &configuration);
        let mut command = program("apache2");
        command.arg("-DFOREGROUND").arg("-f").arg(file);
        command.env("APACHE_LOG_DIR", self.path("logs"));
        self.start("apache", &command)
    }

    fn caddy(&self) -> Process {
        let mut shipped = include_str!("../../../deploy/Caddyfile").to_owned();
        if is_old_caddy() {
            let (now, before) = ("request_buffers 1MiB", "buffer_requests");
            assert!(shipped.contains(now));
            shipped = shipped.replace(now, before);
        }
        let adapted = self.adapt(
            &shipped,
            ["^/portal(/|$)", "^/forum/community(/|$)", "^/$"],
            &[
                (
                    "example.com {",
                    format!("http://127.0.0.1:{} {{", self.port),
                ),
                (":8096", format!(":{}", self.php_port)),
                ("/var/www/html", self.path("site")),
                ("/run/php/php-fpm.sock", self.path("php.sock")),
                ("/var/log/caddy", self.path("logs")),
                // Another test's Caddy may have taken the administration port.
                ("\n{\n\tlog {", "\n{\n\tadmin off\n\tlog {".to_owned()),
            ],
        );
        let file = self.write("Caddyfile", &adapted);
        let mut command = program("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]);
        command.arg(file).env("HOME", self.folder);
        command
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME");
        self.start("caddy", &command)
    }

    fn haproxy(&self) -> Process {
        let shipped = include_str!("../../../deploy/haproxy.cfg");
        let php = format!("127.0.0.1:{}", self.php_port);
        let adapted = self.adapt(
            shipped,
            [
                "path_reg ^/portal(/|$)",
                "path_reg ^/forum/community(/|$)",
                "path /",
            ],
            &[("127.0.0.1:8080", php.clone())],
        );
        let (part_1, part_2) = adapted.split_once("# Part 2").unwrap();
        let port = self.port;
        let configuration = format!(
            "global\nlog stdout format raw local0\ndefaults\nmode http\ntimeout connect 5s\ntimeout client 60s\n\
             timeout server 60s\nfrontend site\nbind 127.0.0.1:{port}\nlog global\n{part_1}\ndefault_backend php\n\
             backend php\nserver php {php}\n#{part_2}"
        );
        let file = self.write("haproxy.cfg", &configuration);
        let mut command = program("haproxy");
        command.arg("-db").arg("-f").arg(file);
        self.start("haproxy", &command)
    }

    /// Its output goes to a log, too.
    fn start(&self, name: &str, command: &Command) -> Process {
        let said = File::create(self.folder.join("logs").join(format!("{name}.out"))).unwrap();
        Process::start(command, said.try_clone().unwrap().into(), said.into())
    }
}

/// Before 2.7, an option had another name.
fn is_old_caddy() -> bool {
    let output = program("caddy").arg("version").output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    let mut numbers = version.trim_start_matches('v').split('.');
    let mut number = || numbers.next().unwrap().trim().parse::<u32>().unwrap();
    (number(), number()) < (2, 7)
}
