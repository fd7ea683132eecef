//! A real browser: Debian's Chromium, driven through chromedriver's JSON over HTTP (W3C's `WebDriver`, and Chromium's own commands for what
//! that has no words for). Every page that it sees has to keep to its own policy: see [`Chrome::close`].

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::process::{Child, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fcom_sidecar::sample::machine::free_port;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::harness::eventually::eventually;
use crate::harness::programs::program;

/// The name that `WebDriver` gives references to elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one tab.
pub(crate) struct Chrome {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// Of its profile.
    _folder: TempDir,
}

impl Chrome {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut driver = program("chromedriver");
        driver.arg(format!("--port={port}"));
        driver
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path());
        driver
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut chrome = Self {
            driver: driver.spawn().unwrap(),
            address,
            session: String::new(),
            _folder: folder,
        };
        let binary = program("chromium");
        let options = json!({
            "binary": binary.get_program().to_str().unwrap(),
            // Tests run as root, too, where its sandbox does not work.
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"],
        });
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = eventually(async || chrome.ask("POST", "/session", &capabilities).await);
        let session = session.await;
        chrome.session += session["sessionId"].as_str().unwrap();
        chrome
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let (status, answer) = exchange(self.address, method, path, body)
            .await
            .map_err(|error| error.to_string())?;
        let value = &answer["value"];
        if status == 200 {
            return Ok(value.clone());
        }
        let said = value["message"].as_str().unwrap_or_default();
        Err(format!("{path}: {said}"))
    }

    /// A command of `WebDriver`, below the session.
    #[track_caller]
    fn command<'a>(
        &'a self,
        method: &'a str,
        path: &'a str,
        body: &'a Value,
    ) -> impl Future<Output = Value> + 'a {
        let caller = Location::caller();
        async move {
            let path = format!("/session/{}{path}", self.session);
            let done = self.ask(method, &path, body).await;
            done.unwrap_or_else(|error| panic!("{caller}: {error}"))
        }
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn own(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.command("POST", "/goog/cdp/execute", &body).await
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({"url": url})).await;
    }

    pub(crate) async fn url(&self) -> String {
        let url = self.command("GET", "/url", &Value::Null).await;
        url.as_str().unwrap().to_owned()
    }

    /// The value of an expression in the page. Its policy does not hold for it.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let found = self.own("Runtime.evaluate", asked).await;
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    /// What somebody reads on the page.
    pub(crate) async fn words(&self) -> String {
        let words = self.value("document.body.innerText").await;
        let words = words.as_str().unwrap_or_default();
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Waits until somebody reads this on the page: a click leads there, but not at once.
    #[track_caller]
    pub(crate) fn says<'a>(&'a self, expected: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = Location::caller();
        eventually(async move || {
            let words = self.words().await;
            if words.contains(expected) {
                return Ok(());
            }
            let url = self.url().await;
            Err(format!("{caller}: {expected} is not in {url}: {words}"))
        })
    }

    /// Waits until the browser is at this address.
    #[track_caller]
    pub(crate) fn is_at<'a>(&'a self, expected: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = Location::caller();
        eventually(async move || {
            let url = self.url().await;
            if url == expected {
                return Ok(());
            }
            Err(format!("{caller}: at {url} instead of {expected}"))
        })
    }

    async fn element(&self, selector: &str, caller: &Location<'_>) -> String {
        let way = if selector.starts_with("//") {
            "xpath"
        } else {
            "css selector"
        };
        let path = format!("/session/{}/element", self.session);
        let asked = json!({"using": way, "value": selector});
        let found = self.ask("POST", &path, &asked).await;
        let found = found.unwrap_or_else(|error| panic!("{caller}: {error}"));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks where a mouse would; if that leads to a page, it is there afterwards.
    #[track_caller]
    pub(crate) fn click<'a>(&'a self, selector: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = Location::caller();
        async move { self.click_from(selector, caller).await }
    }

    async fn click_from(&self, selector: &str, caller: &Location<'_>) {
        loop {
            let element = self.element(selector, caller).await;
            let path = format!("/session/{}/element/{element}/click", self.session);
            match self.ask("POST", &path, &json!({})).await {
                Ok(_) => return,
                // A page that is live has replaced it between the two commands.
                Err(error) if error.contains("stale element") => {}
                Err(error) => panic!("{caller}: {selector}: {error}"),
            }
        }
    }

    /// The same for a button with this text.
    #[track_caller]
    pub(crate) fn press<'a>(&'a self, text: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = Location::caller();
        async move {
            let button = format!("//button[normalize-space()='{text}']");
            self.click_from(&button, caller).await;
        }
    }

    /// Clicks and fills in what is in this frame from now on.
    #[track_caller]
    pub(crate) fn enter<'a>(&'a self, selector: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = Location::caller();
        async move {
            let frame = self.element(selector, caller).await;
            let frame = json!({"id": {ELEMENT: frame}});
            self.command("POST", "/frame", &frame).await;
        }
    }

    /// Types into a field instead of what stands there.
    #[track_caller]
    pub(crate) fn fill<'a>(
        &'a self,
        selector: &'a str,
        text: &'a str,
    ) -> impl Future<Output = ()> + 'a {
        let caller = Location::caller();
        async move {
            let element = self.element(selector, caller).await;
            self.command("POST", &format!("/element/{element}/clear"), &json!({}))
                .await;
            let path = format!("/element/{element}/value");
            self.command("POST", &path, &json!({"text": text})).await;
        }
    }

    /// What is in this part of the page, as PNG.
    pub(crate) async fn picture(&self, width: u64, height: u64) -> Vec<u8> {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let asked = json!({"clip": clip, "captureBeyondViewport": true});
        let picture = self.own("Page.captureScreenshot", asked).await;
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// The width and height of the screen in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.own("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.own("Emulation.setEmulatedMedia", features).await;
    }

    /// Ends the browser, and asserts that no page tried what its policy forbids.
    pub(crate) async fn close(self) {
        let log = self
            .command("POST", "/se/log", &json!({"type": "browser"}))
            .await;
        let lines = log.as_array().unwrap().iter();
        let lines: Vec<&str> = lines.filter_map(|line| line["message"].as_str()).collect();
        let bad = lines
            .iter()
            .filter(|line| line.contains("Content Security Policy") || line.contains("Uncaught"));
        assert_eq!(bad.count(), 0, "{lines:#?}");
    }
}

/// The status and the JSON of an answer. The driver does not close connections.
async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: String,
) -> Result<(u16, Value), Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", address.to_string())
        .header("Content-Type", "application/json")
        .body(body)?;
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&body)?))
}

impl Drop for Chrome {
    /// Ends the whole group: the browser would outlive its driver.
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.id());
        let _ = program("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}
