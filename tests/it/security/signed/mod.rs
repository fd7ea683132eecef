//! What is signed is what is done: a recorded call does nothing that its sender did not sign, and does it once.

mod once;
mod one_reading;
mod retried;
mod shared_secrets;

use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::harness::client::FORM;
use crate::harness::eventually::eventually;
use crate::harness::http::{self, Response};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, target};

const SECRET: &str = "whsec_r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS";
const OTHER_SECRET: &str = "whsec_cTPeJe9Q2FvEFqZgp9JdVWvTsYIcGUh0";
const MULTIPART: &str = "multipart/form-data; boundary=XX";

/// A daemon with two webhooks whose callers sign, each with a secret of its own.
async fn start(site: &Site) -> Sidecar {
    let (url, version) = (site.url(), site.wordpress);
    let sections = format!(
        "[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n\
         [protection.shop]\nwebhook_id = 3\nphp_may_execute = true\nsecrets = [\"{SECRET}\"]\n\
         [protection.course]\nwebhook_id = 4\nphp_may_execute = true\nsecrets = [\"{OTHER_SECRET}\"]"
    );
    let sidecar = Sidecar::start_configured(site, &sections, &[]).await;
    let keys = [SECRET, OTHER_SECRET].map(|secret| secret["whsec_".len()..].to_owned());
    sidecar.client.record(&keys);
    sidecar
}

/// A call as its sender signed it, and as anyone who recorded it can send it again.
#[derive(Clone)]
struct Recorded {
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Recorded {
    fn signed(secret: &str, id: &str, time: u64, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let key = STANDARD.decode(&secret["whsec_".len()..]).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&body);
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let headers = vec![
            ("Content-Type", kind.to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", time.to_string()),
            ("webhook-signature", format!("v1,{signature}")),
        ];
        Self { headers, body }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn but(mut self, name: &str, value: &str) -> Self {
        let header = self.headers.iter_mut().find(|(known, _)| *known == name);
        value.clone_into(&mut header.unwrap().1);
        self
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    async fn send_to(&self, target: &str, sidecar: &Sidecar) -> Response {
        let client = &sidecar.client;
        client
            .request("POST", target, &self.headers(), &self.body)
            .await
    }

    /// Sends it again and again, as its sender and whoever recorded it would, until it is answered with 200.
    async fn until_executed(self, daemon: SocketAddr) -> String {
        let (target, headers) = (target(PLAIN_HOOK), self.headers());
        eventually(async || {
            let answer = http::request(daemon, "POST", &target, &headers, &self.body);
            match answer.await {
                Ok(answer) if answer.status == 200 => Ok(answer.text()),
                Ok(answer) => Err(answer.text()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    async fn send(&self, sidecar: &Sidecar) -> Response {
        self.send_to(&target(PLAIN_HOOK), sidecar).await
    }
}

fn multipart(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        write!(body, "--XX\r\n{head}\r\n\r\n{value}\r\n").unwrap();
    }
    body + "--XX--\r\n"
}

async fn runs(site: &Site) -> u64 {
    site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
        .await
}

#[track_caller]
fn assert_is(response: &Response, status: u16, said: &str) {
    let text = response.text();
    assert_eq!(response.status, status, "{text}");
    assert!(text.contains(said), "{text}");
}

#[track_caller]
fn assert_replayed(response: &Response, first: &Response) {
    assert_is(response, 200, "");
    assert_eq!(response.header("idempotent-replayed"), Some("true"));
    assert_eq!(response.text(), first.text());
}
