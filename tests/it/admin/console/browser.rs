//! A browser without scripts: it keeps cookies, follows redirects, and sends what stands in a form.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::harness::http::{self, Response};
use crate::harness::management::TOKEN;
use crate::harness::sidecar::Sidecar;

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) struct Browser<'a> {
    sidecar: &'a Sidecar,
    cookies: BTreeMap<String, String>,
    /// Where it is.
    pub(super) path: String,
    /// Headers that it sends with everything.
    pub(super) headers: Vec<(&'static str, &'static str)>,
    page: Option<Response>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(sidecar: &'a Sidecar) -> Self {
        Self {
            sidecar,
            cookies: BTreeMap::new(),
            path: String::new(),
            headers: Vec::new(),
            page: None,
        }
    }

    /// Logged in with the admin token.
    pub(super) async fn of_operator(sidecar: &'a Sidecar) -> Self {
        let mut browser = Self::new(sidecar);
        browser.log_in(&[("token", TOKEN)]).await;
        assert_eq!(browser.path, "/console/");
        browser
    }

    pub(super) async fn log_in(&mut self, fields: &[(&str, &str)]) -> u16 {
        self.get("/console/login").await;
        self.post("/console/login", fields).await
    }

    /// Opens a page, wherever it leads.
    pub(super) async fn get(&mut self, path: &str) -> u16 {
        let response = self.send("GET", path, b"").await;
        self.arrive(path, response).await
    }

    /// Sends a form with the key of the page that is open.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> u16 {
        let key = self.key();
        let mut all = vec![("csrf", key.as_str())];
        all.extend(fields);
        self.post_exactly(path, &all).await
    }

    /// Sends a form with these fields only.
    pub(super) async fn post_exactly(&mut self, path: &str, fields: &[(&str, &str)]) -> u16 {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let response = self.send("POST", path, body.as_bytes()).await;
        self.arrive(path, response).await
    }

    async fn arrive(&mut self, path: &str, response: Response) -> u16 {
        let (mut path, mut response) = (path.to_owned(), response);
        for _ in 0..4 {
            let Some(location) = response
                .header("location")
                .filter(|_| response.status == 303)
            else {
                break;
            };
            let here = Url::parse(&format!("http://sidecar{path}")).unwrap();
            let there = here.join(location).unwrap();
            assert_eq!(there.host_str(), Some("sidecar"), "{location}");
            path = there.path().to_owned();
            if let Some(query) = there.query() {
                path = format!("{path}?{query}");
            }
            response = self.send("GET", &path, b"").await;
        }
        self.path = path;
        let status = response.status;
        self.page = Some(response);
        status
    }

    /// One request and its answer, whose cookies are kept.
    pub(super) async fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Response {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let mut headers = self.headers.clone();
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        if method == "POST" {
            headers.push(("Content-Type", FORM));
        }
        let admin = self.sidecar.client.admin;
        let response = http::request(admin, method, path, &headers, body)
            .await
            .unwrap();
        for cookie in response.headers("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// The same browser, which visits another daemon.
    pub(super) fn at<'b>(&self, sidecar: &'b Sidecar) -> Browser<'b> {
        Browser {
            sidecar,
            cookies: self.cookies.clone(),
            ..Browser::new(sidecar)
        }
    }

    /// Keeps another one's cookies beside its own.
    pub(super) fn take_cookies(&mut self, other: &Browser<'_>) {
        self.cookies.extend(other.cookies.clone());
    }

    /// Another browser with the same cookies.
    pub(super) fn copy(&self) -> Self {
        Self {
            sidecar: self.sidecar,
            cookies: self.cookies.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            page: self.page.clone(),
        }
    }

    pub(super) fn page(&self) -> &Response {
        self.page.as_ref().unwrap()
    }

    pub(super) fn text(&self) -> String {
        self.page().text()
    }

    /// The text of the page, without its tags.
    pub(super) fn words(&self) -> String {
        let text = self.text();
        let mut words = String::new();
        for part in text.split('<') {
            words.push(' ');
            words.push_str(part.split_once('>').map_or(part, |(_, words)| words));
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Asserts that the page has these words.
    #[track_caller]
    pub(super) fn assert_says(&self, expected: &str) {
        let words = self.words();
        assert!(words.contains(expected), "{expected} is not in: {words}");
    }

    /// The key in the page's forms.
    pub(super) fn key(&self) -> String {
        let text = self.page.as_ref().map(Response::text).unwrap_or_default();
        let key = text.split_once("name=\"csrf\" value=\"");
        let key = key.and_then(|(_, rest)| rest.split('"').next());
        key.unwrap_or_default().to_owned()
    }
}
