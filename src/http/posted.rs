//! Which types of bodies are read: forms, and JSON for webhooks with a source that says so.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;

use super::body::Kind;
use crate::source::{Bodies, Source};

/// How a body is declared.
pub(super) enum Posted {
    Form(Kind),
    Json,
}

impl Posted {
    /// `None` for a type that is not read. Without a source, only forms are; a source that reads JSON reads its sender's test, too,
    /// which is a form.
    pub(super) fn of(content_type: Option<&[u8]>, source: Option<&Source>) -> Option<Self> {
        let content_type = content_type?;
        let bodies = source.map_or(Bodies::Form, |source| source.bodies);
        let form = || Kind::of(content_type).map(Self::Form);
        let json = || is_json(content_type).then_some(Self::Json);
        let has_test = source.is_some_and(|source| source.ping_field.is_some());
        match bodies {
            Bodies::Form => form(),
            Bodies::Json if !has_test => json(),
            Bodies::Json | Bodies::Any => form().or_else(json),
        }
    }
}

/// What a body has to be, in words.
pub(super) const fn wanted(bodies: Bodies) -> &'static str {
    match bodies {
        Bodies::Form => "Send form data: application/x-www-form-urlencoded or multipart/form-data",
        Bodies::Json => "Send JSON: application/json",
        Bodies::Any => "Send JSON or form data",
    }
}

/// `application/json`, or any type that ends in `+json`.
pub(super) fn is_json(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| b";, ".contains(byte)).next();
    let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
    media_type == b"application/json"
        || media_type.starts_with(b"application/") && media_type.ends_with(b"+json")
}

/// The declared type of a request's body.
pub(super) fn content_type(request: &HttpRequest) -> Option<&[u8]> {
    let declared = request.headers().get(CONTENT_TYPE)?;
    Some(declared.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_type() {
        for (declared, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/json", false),
            ("application/jsonp", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            assert_eq!(is_json(declared.as_bytes()), is, "{declared}");
            let posted = Posted::of(Some(declared.as_bytes()), None);
            assert!(!matches!(posted, Some(Posted::Json)), "{declared}");
        }
    }
}
