//! A session of the console, for measuring its pages.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sidecar::{Sidecar, TOKEN};

pub(crate) struct Session {
    admin: SocketAddr,
    cookies: String,
}

impl Session {
    /// Logs in with the admin token.
    pub(crate) async fn open(sidecar: &Sidecar) -> anyhow::Result<Self> {
        let mut session = Self {
            admin: sidecar.admin,
            cookies: String::new(),
        };
        let form = session.exchange("GET", "/console/login", "").await?;
        let key = form.split_once("name=\"csrf\" value=\"");
        let key = key.and_then(|(_, rest)| rest.split('"').next());
        let key = key.context("the log-in has no key")?.to_owned();
        session.take_cookies(&form);
        let body = format!("csrf={key}&token={TOKEN}");
        let answer = session.exchange("POST", "/console/login", &body).await?;
        ensure!(
            answer.starts_with("HTTP/1.1 303"),
            "not logged in: {answer}"
        );
        session.take_cookies(&answer);
        Ok(session)
    }

    /// Opens a page.
    pub(crate) async fn page(&self, path: &str) -> anyhow::Result<()> {
        let answer = self.exchange("GET", path, "").await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        Ok(())
    }

    /// The answer, with its head.
    async fn exchange(&self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.admin).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.cookies,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Later values replace earlier ones, as the server takes the first.
    fn take_cookies(&mut self, answer: &str) {
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        for line in head.lines() {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            if name.eq_ignore_ascii_case("set-cookie") {
                let pair = value.split(';').next().unwrap_or_default();
                self.cookies = format!("{pair}; {}", self.cookies);
            }
        }
    }
}
