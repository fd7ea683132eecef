//! Mails to Debian's mail servers, which `tests/releases/mail-servers` installs and describes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::eventually::eventually;
use crate::harness::outbox::{LAST_STATE, becomes};
use crate::harness::process::Process;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

/// A server that runs until it is dropped.
struct Server {
    host: &'static str,
    /// What it has written.
    folder: PathBuf,
    _process: Process,
}

impl Server {
    async fn start(name: &str, host: &'static str, ports: &[u16]) -> Self {
        let variable = |name| {
            let value = std::env::var_os(name).expect("`make mail-servers` runs this test");
            value.into_string().unwrap()
        };
        let servers = variable("FCOM_MAIL_SERVERS");
        let mut command = Command::new("tests/releases/mail-servers");
        command.args(["serve", &variable("FCOM_MAIL_RELEASE"), &servers, name]);
        let log = std::fs::File::create(Path::new(&servers).join(format!("{name}.log"))).unwrap();
        let process = Process::start(&command, log.try_clone().unwrap().into(), Stdio::from(log));
        for port in ports {
            eventually(async || greets(host, *port).await).await;
        }
        Self {
            host,
            folder: Path::new(&servers).join(name).join("upper"),
            _process: process,
        }
    }

    /// Everything that has been delivered.
    fn mails(&self) -> String {
        let folder = self.folder.join("home/member/Maildir/new");
        let single = folder.read_dir().into_iter().flatten();
        let files = single.map(|entry| entry.unwrap().path());
        let files = files.chain([self.folder.join("var/mail/member")]);
        let mails = files.filter_map(|file| std::fs::read_to_string(file).ok());
        mails.collect()
    }

    /// Sends a member's mail and waits until it is in the mailbox; asserts that it came by this protocol.
    async fn takes(
        &self,
        port: u16,
        protocol: &str,
        user: &str,
        scheme: &str,
        options: &[(&str, &str)],
    ) {
        let site = Site::new("71").await;
        let url = format!("{scheme}://{user}{}:{port}", self.host);
        let options = options
            .iter()
            .map(|(key, value)| (format!("FCOM_SIDECAR__SMTP__{key}"), *value));
        let options: Vec<_> = options.collect();
        let mut environment = vec![
            ("FCOM_SIDECAR__SMTP__URL", &*url),
            ("FCOM_SIDECAR__SMTP__TIMEOUT_SECONDS", "60"),
        ];
        environment.extend(options.iter().map(|(key, value)| (&**key, *value)));
        let moved = "UPDATE wp_options SET option_value = 'https://www.club.example' WHERE option_name IN ('siteurl', 'home')";
        site.execute(moved).await;
        let sidecar = Sidecar::start_with(&site, &environment).await;
        sidecar
            .client
            .record(&["pa ss/w%rd".to_owned(), PASSWORD.to_owned()]);
        let login = format!("by-{protocol}-{port}-{}", options.len()).to_lowercase();
        let fields = [("email", "member@mail.example"), ("user_login", &login)];
        sidecar.client.execute(PLAIN_HOOK, &fields).await;
        becomes(&site, LAST_STATE, "sent").await;
        let link = format!("login={login}&key=");
        let mail = eventually(async || {
            let mails = self.mails();
            let found = mails
                .split("\nReturn-Path:")
                .find(|mail| mail.contains(&link));
            found.map(ToOwned::to_owned).ok_or(mails)
        })
        .await;
        let came = mail.to_lowercase();
        assert!(
            came.contains(&format!("with {protocol} ")),
            "{protocol}: {mail}"
        );
        assert!(came.contains("www.club.example"), "{mail}");
    }
}

const PASSWORD: &str = "pa%20ss%2Fw%25rd";
const LOGIN: &str = "keeper:pa%20ss%2Fw%25rd@";

async fn greets(host: &str, port: u16) -> Result<(), String> {
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|error| format!("{host}:{port}: {error}"))?;
    // With TLS from the start, the client speaks first.
    if port == 2465 {
        return Ok(());
    }
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line).await;
    match read {
        Ok(_) if line.starts_with("220") => Ok(()),
        read => Err(format!("{host}:{port}: {read:?} {line}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and the servers: make mail-servers"]
async fn postfix_takes_mails() {
    let server = Server::start("postfix", "127.25.0.1", &[2525, 2587, 2465, 2526]).await;
    // Its certificate is Debian's: for the machine's name, and signed by itself.
    server.takes(2525, "esmtps", "", "smtp", &[]).await;
    server
        .takes(2525, "esmtp", "", "smtp", &[("TLS", "none")])
        .await;
    server
        .takes(2587, "esmtpsa", LOGIN, "smtp+starttls", &[])
        .await;
    server.takes(2465, "esmtpsa", LOGIN, "smtps", &[]).await;
    server
        .takes(2526, "esmtpa", LOGIN, "smtp", &[("TLS", "none")])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and the servers: make mail-servers"]
async fn exim_takes_mails() {
    let server = Server::start("exim", "127.25.0.2", &[2525, 2587, 2465, 2526]).await;
    let own = server.folder.join("etc/exim4/exim.crt");
    let named = [("TLS", "required"), ("CA_FILE", own.to_str().unwrap())];
    server.takes(2525, "esmtp", "", "smtp", &[]).await;
    server.takes(2587, "esmtpsa", LOGIN, "smtp", &[]).await;
    server
        .takes(2587, "esmtpsa", LOGIN, "smtp+starttls", &named)
        .await;
    server.takes(2465, "esmtpsa", LOGIN, "smtps", &[]).await;
    server
        .takes(2526, "esmtpa", LOGIN, "smtp", &[("TLS", "none")])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and the servers: make mail-servers"]
async fn opensmtpd_takes_mails() {
    let server = Server::start("opensmtpd", "127.25.0.3", &[2525, 2587, 2465]).await;
    let own = server.folder.join("etc/smtpd.crt");
    let named = [("TLS", "required"), ("CA_FILE", own.to_str().unwrap())];
    server.takes(2525, "esmtp", "", "smtp", &[]).await;
    server
        .takes(2587, "esmtpsa", LOGIN, "smtp+starttls", &[])
        .await;
    server.takes(2465, "esmtpsa", LOGIN, "smtps", &named).await;
}
