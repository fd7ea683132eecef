//! Sends calls to a daemon, and records the secrets that it must not repeat.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::harness::eventually::eventually;
use crate::harness::http::{self, Response};
use crate::harness::site::target;

/// The content type of nearly every body.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Shorter passwords could be ordinary words of a log.
const SHORTEST_PASSWORD: usize = 8;

/// Sends calls and records their secrets. Clones share the record.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    secrets: Arc<Mutex<BTreeSet<String>>>,
}

impl Client {
    pub(crate) fn new(public: SocketAddr, admin: SocketAddr) -> Self {
        Self {
            public,
            admin,
            secrets: Arc::default(),
        }
    }

    /// What has been recorded so far.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        self.secrets.lock().unwrap().clone()
    }

    /// A call as the front web server forwards it.
    pub(crate) async fn try_post(
        &self,
        target: &str,
        content_type: &str,
        body: &[u8],
    ) -> io::Result<Response> {
        self.record(&secrets_of(content_type, body));
        let headers = [
            ("Content-Type", content_type),
            ("X-Forwarded-Proto", "https"),
        ];
        http::request(self.public, "POST", target, &headers, body).await
    }

    pub(crate) async fn post(&self, target: &str, content_type: &str, body: &[u8]) -> Response {
        self.try_post(target, content_type, body).await.unwrap()
    }

    /// Posts a form to the webhook of this key.
    pub(crate) async fn call(&self, key: &str, fields: &[(&str, &str)]) -> Response {
        self.try_call(key, fields).await.unwrap()
    }

    /// The same, but the call must be executed. Returns the user's id.
    pub(crate) async fn execute(&self, key: &str, fields: &[(&str, &str)]) -> u64 {
        let response = self.call(key, fields).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()["user_id"].as_u64().unwrap()
    }

    pub(crate) async fn try_call(
        &self,
        key: &str,
        fields: &[(&str, &str)],
    ) -> io::Result<Response> {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let target = target(key);
        self.try_post(&target, FORM, body.as_bytes()).await
    }

    /// Any request to the public listener.
    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let content_type = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map_or("", |(_, value)| value);
        self.record(&secrets_of(content_type, body));
        http::request(self.public, method, target, headers, body)
            .await
            .unwrap()
    }

    /// The status of a page on the admin listener; 0 without an answer.
    pub(crate) async fn admin_status(&self, path: &str) -> u16 {
        let response = http::request(self.admin, "GET", path, &[], b"").await;
        response.map_or(0, |response| response.status)
    }

    /// Waits until `/readyz` has this status.
    #[track_caller]
    pub(crate) fn readiness_becomes(&self, expected: u16) -> impl Future<Output = ()> {
        eventually(async move || match self.admin_status("/readyz").await {
            status if status == expected => Ok(()),
            status => Err(format!("/readyz says {status} instead of {expected}")),
        })
    }

    /// Adds secrets that the log must not contain.
    pub(crate) fn record(&self, secrets: &[String]) {
        self.secrets.lock().unwrap().extend(secrets.iter().cloned());
    }
}

/// The addresses and passwords in a form, both plain and encoded.
fn secrets_of(content_type: &str, body: &[u8]) -> Vec<String> {
    let fields: Vec<(String, String)> = if content_type.starts_with("multipart/") {
        let text = String::from_utf8_lossy(body);
        text.split("name=\"")
            .skip(1)
            .filter_map(|part| {
                let (name, rest) = part.split_once('"')?;
                let value = rest.split_once("\r\n\r\n")?.1.split("\r\n--").next()?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect()
    } else {
        serde_urlencoded::from_bytes(body).unwrap_or_default()
    };
    let mut secrets = Vec::new();
    for (name, value) in fields {
        let is_secret = (name.starts_with("email") && value.contains('@'))
            || (name.starts_with("user_password") && value.len() >= SHORTEST_PASSWORD);
        if is_secret {
            let encoded = serde_urlencoded::to_string([("", &value)]).unwrap();
            secrets.push(encoded.trim_start_matches('=').to_owned());
            secrets.push(value);
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_passwords_are_taken_from_forms() {
        let body = b"email=a%40example.com&user_password=s3cret+pass&first_name=b%40example.com";
        assert_eq!(
            secrets_of(FORM, body),
            [
                "a%40example.com",
                "a@example.com",
                "s3cret+pass",
                "s3cret pass"
            ]
        );
        let parts =
            b"--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nc@example.com\r\n--x--";
        assert_eq!(
            secrets_of("multipart/form-data; boundary=x", parts),
            ["c%40example.com", "c@example.com"]
        );
    }
}
