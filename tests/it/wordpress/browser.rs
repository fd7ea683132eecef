//! A minimal browser for WordPress's forms: cookies, forms and links.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::harness::client::FORM;
use crate::harness::http::{self, Response};

/// One visitor.
pub(super) struct Browser {
    address: SocketAddr,
    host: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
            cookies: BTreeMap::new(),
        }
    }

    /// The same for a site with a host name.
    pub(super) fn at(self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            ..self
        }
    }

    /// Opens a path, or an address of this site.
    pub(super) async fn open(&mut self, path: &str) -> Response {
        self.request("GET", path, &[], b"").await
    }

    /// Submits a form.
    pub(super) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.submit_from("same-origin", path, fields).await
    }

    /// The same from a page of another site, which `Sec-Fetch-Site` tells.
    pub(super) async fn submit_from(
        &mut self,
        site: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let from = [("Sec-Fetch-Site", site)];
        self.request("POST", path, &from, body.as_bytes()).await
    }

    /// Fills in the login form and returns whether the login succeeded.
    pub(super) async fn log_in(&mut self, login: &str, password: &str) -> bool {
        self.log_in_at("/", login, password).await
    }

    /// The same on the site of a network that begins at this path.
    pub(super) async fn log_in_at(&mut self, path: &str, login: &str, password: &str) -> bool {
        let page = format!("{path}wp-login.php");
        let form = self.open(&page).await;
        assert!(form.text().contains("name=\"pwd\""), "{}", form.text());
        let fields = [
            ("log", login),
            ("pwd", password),
            ("wp-submit", "Log In"),
            ("testcookie", "1"),
        ];
        let response = self.submit(&page, &fields).await;
        let has_cookie = self
            .cookies
            .keys()
            .any(|name| name.starts_with("wordpress_logged_in_"));
        match response.status {
            302 => {
                let target = response.header("location").unwrap_or_default();
                assert!(target.contains("/wp-admin/"), "{target}");
                assert!(has_cookie, "no cookie");
                true
            }
            status => {
                let page = response.text();
                assert_eq!(status, 200, "{page}");
                assert!(page.contains("id=\"login_error\""), "{page}");
                assert!(!has_cookie, "a cookie in spite of an error");
                false
            }
        }
    }

    async fn request(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let site = format!("http://{}", self.host);
        let path = path.strip_prefix(&site).unwrap_or(path);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![
            ("Host", &*self.host),
            ("Cookie", &*cookies),
            ("Content-Type", FORM),
        ];
        headers.extend(more);
        let response = http::request(self.address, method, path, &headers, body)
            .await
            .unwrap();
        for cookie in response.headers("set-cookie") {
            self.keep(cookie);
        }
        response
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The value of a hidden field of a page.
pub(super) fn field(page: &str, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}
