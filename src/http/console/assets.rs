//! The files that pages refer to, embedded in the binary.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

type Asset = (&'static str, &'static str, &'static str);

/// By name: type and content. `vendor` has others' files as they are published, with their licences.
const ASSETS: [Asset; 3] = [
    (
        "console.css",
        "text/css; charset=utf-8",
        include_str!("pages/console.css"),
    ),
    (
        "console.js",
        "text/javascript; charset=utf-8",
        include_str!("pages/console.js"),
    ),
    (
        "htmx.js",
        "text/javascript; charset=utf-8",
        include_str!("vendor/htmx-2.0.11.min.js"),
    ),
];

/// The files.
pub(super) struct Assets {
    /// Changes with the files, so that a browser may keep them.
    pub(super) stamp: String,
}

impl Assets {
    pub(super) fn new() -> Self {
        let contents = ASSETS.iter().map(|(.., content)| content);
        let hash = contents.fold(Sha256::new(), Digest::chain_update);
        Self {
            stamp: hex::encode(&hash.finalize()[..4]),
        }
    }
}

/// The file of this name; they hold no secrets, so nobody has to log in for them.
pub(super) fn file(name: &str) -> Option<HttpResponse> {
    let (_, kind, content) = *ASSETS.iter().find(|(known, ..)| *known == name)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, kind));
    response.insert_header((CACHE_CONTROL, "private, max-age=86400"));
    Some(response.body(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_our_own_stays_small() {
        let (.., script) = ASSETS[1];
        let code = script
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let size: usize = code.map(|line| line.trim_start().len()).sum();
        assert!(size < 1024, "{size}");
    }
}
