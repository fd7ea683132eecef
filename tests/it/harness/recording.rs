//! The format of the recordings, as documented in their README.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::http::Response;

/// The files of cases, by fixture.
const RECORDINGS: [(&str, &str); 5] = [
    ("61", include_str!("../../data/vectors/wordpress-61.json")),
    ("67", include_str!("../../data/vectors/wordpress-67.json")),
    ("68", include_str!("../../data/vectors/wordpress-68.json")),
    ("70", include_str!("../../data/vectors/wordpress-70.json")),
    ("71", include_str!("../../data/vectors/wordpress-71.json")),
];

/// One file of cases.
#[derive(Deserialize)]
pub(crate) struct Recording {
    pub(crate) wordpress: String,
    pub(crate) cases: Vec<Case>,
}

/// A case: the changes before it, the requests, and PHP's results.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) setup: Vec<String>,
    /// The plain password that was posted, if the stored hash is to be verified.
    pub(crate) password: Option<String>,
    pub(crate) requests: Vec<Request>,
    pub(crate) expected: Expected,
}

/// One request.
#[derive(Deserialize)]
pub(crate) struct Request {
    pub(crate) target: String,
    pub(crate) method: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) body_b64: Option<String>,
}

/// PHP's results.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) responses: Vec<Value>,
    pub(crate) diff: Value,
    pub(crate) mails: Vec<Value>,
}

/// A deliberate improvement on PHP in one case.
#[derive(Deserialize)]
pub(crate) struct Deviation {
    pub(crate) statuses: Vec<u16>,
    #[serde(default)]
    /// No row may change.
    pub(crate) unchanged: bool,
    /// The new user's login.
    pub(crate) login: Option<String>,
    /// The number of promised mails.
    pub(crate) mails: Option<u64>,
}

impl Recording {
    /// PHP's results on the site of this fixture.
    pub(crate) fn of(fixture: &str) -> Self {
        let (_, text) = RECORDINGS.iter().find(|(of, _)| *of == fixture).unwrap();
        serde_json::from_str(text).unwrap()
    }
}

impl Request {
    /// Sends it as the recording's proxy did.
    pub(crate) async fn send(&self, client: &Client) -> Response {
        let body = match (&self.body, &self.body_b64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(encoded)) => STANDARD.decode(encoded).unwrap(),
            (None, None) => Vec::new(),
        };
        let mut headers = vec![("X-Forwarded-Proto", "https")];
        if let Some(content_type) = &self.content_type {
            headers.push(("Content-Type", content_type));
        }
        let method = self.method.as_deref().unwrap_or("POST");
        client.request(method, &self.target, &headers, &body).await
    }
}
