//! The files that pages refer to, embedded in the binary.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

const STYLESHEET: &str = include_str!("pages/console.css");

/// The files.
pub(super) struct Assets {
    /// Changes with the files, so that a browser may keep them.
    pub(super) stamp: String,
}

impl Assets {
    pub(super) fn new() -> Self {
        let hash = Sha256::digest(STYLESHEET);
        Self {
            stamp: hex::encode(&hash[..4]),
        }
    }
}

/// The file of this name; they hold no secrets, so nobody has to log in for them.
pub(super) fn file(name: &str) -> Option<HttpResponse> {
    let (kind, content) = match name {
        "console.css" => ("text/css; charset=utf-8", STYLESHEET),
        _ => return None,
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, kind));
    response.insert_header((CACHE_CONTROL, "private, max-age=86400"));
    Some(response.body(content))
}
