//! Authenticates management requests: by the configured token, or by the application password of a site user with the
//! plugin's own permission. Health and metrics need no credentials.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::super::{Front, LocalUser};
use super::credentials::{Access, Peer};
use super::identity::{self, Operator, Refusal, Standing};
use super::reply;

/// No real name or password is longer.
pub(in crate::http) const LONGEST_CREDENTIALS: usize = 1024;

const HOW: &str = "Send \"Authorization: Bearer TOKEN\" with admin.token of the sidecar's configuration, or Basic with an \
    application password if admin.application_passwords is on.";
const CLOSED: &str = "Nobody may do this yet: set admin.token, or admin.application_passwords = \"on\", in the sidecar's \
    configuration.";

/// Passes an authenticated request on and answers any other.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let front = request
        .app_data::<web::Data<Front>>()
        .expect("the listener has its front")
        .clone();
    let client = peer(request.request());
    let access = Arc::clone(&front.rules.borrow().access);
    match admit(&front, &access, client, request.headers()).await {
        Ok(operator) => {
            request.extensions_mut().insert(operator);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(refusal @ Refusal::TooMany(_)) => {
            Ok(request.into_response(response(&refusal, &access)))
        }
        Err(refusal) => {
            let (route, reason) = (
                request.match_pattern().unwrap_or_default(),
                refusal.reason(),
            );
            if refusal.counts() {
                tracing::warn!(client.address = %client, route, "management refused to {client}: {reason}");
            } else {
                tracing::info!(client.address = %client, route, "management refused to {client}: {reason}");
            }
            Ok(request.into_response(response(&refusal, &access)))
        }
    }
}

/// Who sends a request. The peer counts, not the forwarding headers: they are not needed here, and anybody can write some.
pub(in crate::http) fn peer(request: &HttpRequest) -> Peer {
    let address = request.peer_addr().map(|peer| peer.ip().to_canonical());
    match (address, request.conn_data::<LocalUser>()) {
        (Some(address), _) => Peer::Address(address),
        (None, Some(LocalUser(id))) => Peer::User(*id),
        (None, None) => Peer::Unknown,
    }
}

async fn admit(
    front: &web::Data<Front>,
    access: &Access,
    client: Peer,
    headers: &HeaderMap,
) -> Result<Operator, Refusal> {
    if is_from_elsewhere(headers) {
        return Err(Refusal::OtherOrigin);
    }
    let mut given = headers.get_all(AUTHORIZATION);
    let header = given.next().and_then(|value| value.to_str().ok());
    let (scheme, credentials) = header
        .filter(|_| given.next().is_none())
        .and_then(|header| header.split_once(' '))
        .unwrap_or_default();
    let credentials = credentials.trim();
    if access.token.is_some() && scheme.eq_ignore_ascii_case("bearer") {
        return identity::token(access, client, credentials).map(|()| Operator::Token);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        access.guesses().check(client).map_err(Refusal::TooMany)?;
        return Err(Refusal::Anonymous);
    }
    let (named, least) = (basic(credentials), Standing::Manages);
    let admitted = identity::password(front, access, client, credentials, named, least).await?;
    Ok(Operator::User(admitted.verified.user_id))
}

/// A browser that has stored the password adds it to requests from any page, but also names the page's origin.
pub(in crate::http) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = || text(ORIGIN).and_then(|origin| origin.split_once("://"));
    headers.contains_key(ORIGIN) && origin().map(|(_, host)| host) != text(HOST)
}

/// Name and password of the scheme Basic.
fn basic(credentials: &str) -> Option<(String, SecretString)> {
    if credentials.len() > LONGEST_CREDENTIALS {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.into()))
}

/// WordPress's error codes with our own messages.
fn response(refusal: &Refusal, access: &Access) -> HttpResponse {
    let (status, message) = match refusal {
        Refusal::Database(error) => return reply::database(error),
        Refusal::TooMany(wait) => return too_many(*wait),
        Refusal::OtherOrigin => (
            StatusCode::FORBIDDEN,
            "Pages from elsewhere are not answered",
        ),
        Refusal::NotAllowed(_) => (
            StatusCode::FORBIDDEN,
            "Sorry, you are not allowed to do that.",
        ),
        _ if access.is_closed() => (StatusCode::FORBIDDEN, CLOSED),
        _ => (StatusCode::UNAUTHORIZED, HOW),
    };
    let mut response = reply::error(status, "rest_forbidden", message);
    if status == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        if access.token.is_some() {
            let challenge = HeaderValue::from_static("Bearer realm=\"fcom-sidecar\"");
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        if access.application_passwords {
            let challenge =
                HeaderValue::from_static("Basic realm=\"fcom-sidecar\", charset=\"UTF-8\"");
            headers.append(WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

fn too_many(wait: Duration) -> HttpResponse {
    let mut response = reply::error(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_failures",
        "Too many refused requests from this address",
    );
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    response.headers_mut().insert(
        RETRY_AFTER,
        HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)),
    );
    response
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_page_from_elsewhere_is_known_by_its_origin() {
        for (origin, elsewhere) in [
            ("http://127.0.0.1:9095", false),
            ("http://127.0.0.1:80", true),
            ("https://evil.example", true),
            ("null", true),
            ("", true),
        ] {
            let request = TestRequest::default()
                .insert_header((HOST, "127.0.0.1:9095"))
                .insert_header((ORIGIN, origin))
                .to_http_request();
            assert_eq!(is_from_elsewhere(request.headers()), elsewhere, "{origin}");
        }
        let request = TestRequest::default().to_http_request();
        assert!(!is_from_elsewhere(request.headers()));
    }

    #[test]
    fn credentials_are_split_at_the_first_colon() {
        let (name, password) = basic(&STANDARD.encode("jane:a b:c")).unwrap();
        assert_eq!((name.as_str(), password.expose_secret()), ("jane", "a b:c"));
        for broken in [
            "",
            "!",
            "amFuZQ==",
            &STANDARD.encode(vec![b'a'; 2000]),
            "/w==",
        ] {
            assert!(basic(broken).is_none(), "{broken}");
        }
    }
}
