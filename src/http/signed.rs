//! Reads what a call's signatures cover. They cover the body, but not its content type, which decides what the body means:
//! whoever has recorded a call could send it again with another one, in which a member's name becomes another form. So a
//! signed body has to say itself how it is read.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use secrecy::SecretSlice;

use super::body::Kind;
use super::form::SIGNATURE;
use super::posted;
use crate::provision::Signed;

/// The signature's headers, each of which must occur once, with the body that they sign.
pub(super) fn signed(request: &HttpRequest, body: Vec<u8>) -> Option<Signed> {
    let once = |name: &str| {
        let mut values = request.headers().get_all(name);
        let value = values.next()?.as_bytes().to_vec();
        (values.next().is_none() && !value.is_empty()).then_some(value)
    };
    Some(Signed {
        id: once("webhook-id")?,
        timestamp: once("webhook-timestamp")?,
        signatures: once(SIGNATURE)?,
        reads_one_way: reads_one_way(request, &body),
        body: SecretSlice::from(body),
    })
}

/// Whether the body can be read in no other way than the declared one.
pub(super) fn reads_one_way(request: &HttpRequest, body: &[u8]) -> bool {
    if request.headers().get_all(CONTENT_TYPE).count() != 1 {
        return false;
    }
    match kind(request) {
        Some(Kind::Urlencoded) => is_urlencoded(body),
        Some(Kind::Multipart(Some(boundary))) => begins_with(body, &boundary),
        None if posted::content_type(request).is_some_and(posted::is_json) => begins_as_json(body),
        _ => false,
    }
}

fn kind(request: &HttpRequest) -> Option<Kind> {
    Kind::of(request.headers().get(CONTENT_TYPE)?.as_bytes())
}

/// Whether the first line is this boundary. Readers skip what precedes a boundary, so any other line could be one, too. CR LF ends
/// it: nothing else tells a multipart body from an urlencoded one.
fn begins_with(body: &[u8], boundary: &[u8]) -> bool {
    let rest = body.strip_prefix(b"--");
    let rest = rest.and_then(|rest| rest.strip_prefix(boundary));
    rest.is_some_and(|rest| rest.starts_with(b"\r\n"))
}

/// Whether no form begins like this.
pub(super) fn begins_as_json(body: &[u8]) -> bool {
    let begins = body.trim_ascii_start().first();
    begins.is_some_and(|first| b"{[".contains(first))
}

/// Whether this can only be an urlencoded form: a multipart body has line ends, and JSON and XML begin like this.
fn is_urlencoded(body: &[u8]) -> bool {
    let begins = body.trim_ascii_start().first();
    let is_other = begins.is_some_and(|first| b"{[\"<".contains(first));
    !is_other && !body.windows(2).any(|pair| pair == b"\r\n")
}

/// Checks that of two content types with which this body can be sent, both mean the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn assert_read_in_one_way(kinds: [&[u8]; 2], body: &[u8]) {
    let readings = kinds.map(|declared| {
        let declared = actix_web::http::header::HeaderValue::from_bytes(declared).ok()?;
        let request = actix_web::test::TestRequest::post();
        let request = request
            .insert_header((CONTENT_TYPE, declared))
            .to_http_request();
        reads_one_way(&request, body).then(|| kind(&request))
    });
    if let [Some(one), Some(other)] = readings {
        assert_eq!(one, other);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn is_read(kind: &str, body: &str) -> bool {
        let request = TestRequest::post().insert_header((CONTENT_TYPE, kind));
        reads_one_way(&request.to_http_request(), body.as_bytes())
    }

    #[test]
    fn a_body_is_read_as_what_it_says_itself() {
        const FORM: &str = "application/x-www-form-urlencoded";
        const MULTIPART: &str = "multipart/form-data; boundary=XX";
        for (kind, body, is_one) in [
            (FORM, "", true),
            (FORM, "email=a%40example.com&first_name=Zoë X\n", true),
            (FORM, "--XX=1", true),
            (FORM, "--XX\r\n\r\n&email=a", false),
            (FORM, "email=a\r\n--XX\r\n", false),
            (FORM, " {\"a\":\"&email=a&\"}", false),
            (FORM, "<a>&email=a&</a>", false),
            (MULTIPART, "--XX\r\nContent-Disposition: …", true),
            (
                "multipart/form-data; charset=utf-8; BOUNDARY=\"XX\"",
                "--XX\r\n",
                true,
            ),
            (MULTIPART, "--XXX\r\n", false),
            (MULTIPART, "--X\r\n--XX\r\n", false),
            (MULTIPART, "\r\n--XX\r\n", false),
            (MULTIPART, "--XX \r\n", false),
            (MULTIPART, "--xx\r\n", false),
            (MULTIPART, "email=a", false),
            ("multipart/form-data; boundary=X", "--XX\r\n", false),
        ] {
            assert_eq!(is_read(kind, body), is_one, "{kind}: {body:?}");
        }
    }

    /// Text in which both readings meet.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = select(vec![
            "--",
            "X",
            "XX",
            "\r\n",
            "\n",
            "\"",
            "\\",
            ";",
            " ",
            "=",
            "&",
            "{",
            "boundary=",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
        ]);
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_body_is_read_in_two_ways(one in pieces(), other in pieces(), body in pieces()) {
            let multipart = |rest: &str| format!("multipart/form-data; boundary={rest}");
            let kinds = ["application/x-www-form-urlencoded".to_owned(), multipart(&one), multipart(&other), one, other];
            for kind in &kinds {
                for other in &kinds {
                    assert_read_in_one_way([kind.as_bytes(), other.as_bytes()], body.as_bytes());
                }
            }
        }
    }
}
