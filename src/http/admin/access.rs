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
use actix_web::{HttpMessage, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::super::{Front, LocalUser};
use super::credentials::{Access, Peer};
use super::reply;
use crate::db::DatabaseError;
use crate::fluentcommunity::webhooks::{Environment, may_manage};
use crate::telemetry;
use crate::wordpress::application_passwords::{candidate, verify};

/// No real name or password is longer.
const LONGEST_CREDENTIALS: usize = 1024;

const HOW: &str = "Send \"Authorization: Bearer TOKEN\" with admin.token of the sidecar's configuration, or Basic with an \
    application password if admin.application_passwords is on.";
const CLOSED: &str = "Nobody may do this yet: set admin.token, or admin.application_passwords = \"on\", in the sidecar's \
    configuration.";

/// The authenticated operator, for the log.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operator {
    Token,
    User(u64),
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token => f.write_str("the token's holder"),
            Self::User(id) => write!(f, "user {id}"),
        }
    }
}

enum Refusal {
    /// Too many wrong ones before.
    TooMany(Duration),
    /// Sent by a browser on behalf of a page from another origin.
    OtherOrigin,
    /// No credentials that could be checked.
    Anonymous,
    /// Wrong credentials.
    Wrong,
    /// A user without the permission.
    NotAllowed(u64),
    Database(DatabaseError),
}

/// Passes an authenticated request on and answers any other.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let front = request
        .app_data::<web::Data<Front>>()
        .expect("the listener has its front")
        .clone();
    // The peer counts, not the forwarding headers: this listener must not be proxied to.
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    let client = match (peer, request.request().conn_data::<LocalUser>()) {
        (Some(address), _) => Peer::Address(address),
        (None, Some(LocalUser(id))) => Peer::User(*id),
        (None, None) => Peer::Unknown,
    };
    let access = Arc::clone(&front.rules.borrow().access);
    match admit(&front, &access, client, request.headers()).await {
        Ok(operator) => {
            request.extensions_mut().insert(operator);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(refusal @ Refusal::TooMany(_)) => Ok(request.into_response(refusal.response(&access))),
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
            Ok(request.into_response(refusal.response(&access)))
        }
    }
}

/// A right token is never refused for the guesses of others. It is too long to be guessed, however often.
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
    if let Some(token) = access
        .token
        .filter(|_| scheme.eq_ignore_ascii_case("bearer"))
    {
        let sent: [u8; 32] = Sha256::digest(credentials).into();
        if sent.ct_eq(&token).into() {
            return Ok(Operator::Token);
        }
        let guess = access.guesses().begin(client, credentials);
        guess.map_err(Refusal::TooMany)?.wrong();
        return Err(Refusal::Wrong);
    }
    if !scheme.eq_ignore_ascii_case("basic") || !access.application_passwords {
        access.guesses().check(client).map_err(Refusal::TooMany)?;
        return Err(Refusal::Anonymous);
    }
    let guess = access.guesses().begin(client, credentials);
    let guess = guess.map_err(Refusal::TooMany)?;
    let admitted = match basic(credentials) {
        Some((name, password)) => user(front, access, name, password).await,
        None => Err(Refusal::Wrong),
    };
    match &admitted {
        Ok(_) => guess.right(),
        Err(refusal) if refusal.counts() => guess.wrong(),
        Err(_) => guess.undecided(),
    }
    admitted.map(Operator::User)
}

/// A browser that has stored the password adds it to requests from any page, but also names the page's origin.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
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

/// Returns the user with this application password, if that user may manage webhooks.
async fn user(
    front: &web::Data<Front>,
    access: &Access,
    name: String,
    password: SecretString,
) -> Result<u64, Refusal> {
    let permit = Arc::clone(&access.verifying).acquire_owned().await;
    let inside = front.clone().into_inner();
    let verified = front.on_main_runtime(async move {
        let _permit = permit;
        let (site, overrides) = (&inside.site, &inside.portal);
        let found = site.pool.work(async |connection| {
            let environment =
                Environment::read(connection, &site.statements, &site.tables, overrides).await?;
            let candidate = candidate(connection, &site.statements, &name).await?;
            Ok::<_, DatabaseError>((environment, candidate))
        });
        let (environment, candidate) = found.await.map_err(Refusal::Database)?;
        let version = site.version.version(&environment.options);
        let fast = version.is_none_or(crate::wordpress::version::Version::uses_bcrypt);
        let verifying = tokio::task::spawn_blocking(move || {
            verify(candidate.as_ref(), password.expose_secret(), fast)
        });
        let user_id = verifying.await.ok().flatten().ok_or(Refusal::Wrong)?;
        let roles = environment.options.user_roles.as_deref();
        let allowed = site.pool.work(async |connection| {
            may_manage(connection, &site.statements, user_id, roles).await
        });
        match allowed.await {
            Ok(true) => Ok(user_id),
            Ok(false) => Err(Refusal::NotAllowed(user_id)),
            Err(error) => Err(Refusal::Database(error)),
        }
    });
    verified.await.unwrap_or(Err(Refusal::Wrong))
}

impl Refusal {
    /// Whether the refusal counts as a guess.
    fn counts(&self) -> bool {
        matches!(self, Self::Wrong | Self::NotAllowed(_))
    }

    fn reason(&self) -> String {
        match self {
            Self::TooMany(_) => "too many wrong credentials before".to_owned(),
            Self::OtherOrigin => "a page from elsewhere asks".to_owned(),
            Self::Anonymous => "no credentials that are accepted".to_owned(),
            Self::Wrong => "wrong credentials".to_owned(),
            Self::NotAllowed(user) => format!("user {user} may not manage webhooks"),
            Self::Database(error) => telemetry::chain(error),
        }
    }

    /// WordPress's error codes with our own messages.
    fn response(&self, access: &Access) -> HttpResponse {
        let (status, message) = match self {
            Self::Database(error) => return reply::database(error),
            Self::TooMany(wait) => return too_many(*wait),
            Self::OtherOrigin => (
                StatusCode::FORBIDDEN,
                "Pages from elsewhere are not answered",
            ),
            Self::NotAllowed(_) => (
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
