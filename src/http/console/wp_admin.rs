//! Requests that the must-use plugin passes on from wp-admin: WordPress knows who asks and may ask, and the plugin says so under the
//! secret that it shares with us. So nobody logs in here, and no cookie counts. The answer is signed, too: whatever else listens at
//! our address while we are away must not get its pages into wp-admin.
//!
//! `deploy/mu-plugin/fcom-sidecar.php` has the other side (`Daemon`).

use std::fmt;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::Front;
use super::super::admin::{Standing, peer};
use super::desk::Console;
use super::nonces::Stale;
use super::sessions::{Credentials, Session, Ticket};
use crate::events::signature::{is_signed, signature};

const TIME: &str = "x-fcom-sidecar-time";
const NONCE: &str = "x-fcom-sidecar-nonce";
const VISITOR: &str = "x-fcom-sidecar-visitor";
pub(super) const SIGNATURE: &str = "x-fcom-sidecar-signature";
/// The headers of an answer that the plugin passes on, which the signature covers, in this order.
const PASSED_ON: [&str; 8] = [
    "cache-control",
    "content-security-policy",
    "content-type",
    "location",
    "referrer-policy",
    "retry-after",
    "x-content-type-options",
    "x-frame-options",
];
/// The longest beginning of a link.
const LONGEST_BASE: usize = 300;

/// Somebody whom WordPress has authenticated.
pub(super) struct Guest {
    pub(super) ticket: Ticket,
    pub(super) session: Session,
    pub(super) frame: Frame,
}

/// What a request has of the page in wp-admin that it comes from.
pub(super) struct Frame {
    pub(super) base: Base,
    pub(super) nonce: [u8; 16],
}

impl Guest {
    /// Keeps the session, for what the next page is to say.
    pub(super) fn enter(&self, console: &Console) {
        let (session, now) = (&self.session, Instant::now());
        if console.sessions.enter(&self.ticket, session.clone(), now) {
            let operator = session.operator();
            tracing::info!(%operator, "the console was opened by {}", session.who());
        }
    }
}

/// What stands before the path of a page in a link: the plugin's route, such as
/// `admin-ajax.php?action=fcom_sidecar_console&_wpnonce=d41d8cd98f&path=`.
pub(super) struct Base(String);

impl Base {
    fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._?=&".contains(&byte);
        let is_base = text.len() <= LONGEST_BASE
            && text.bytes().all(is_plain)
            && text.matches('?').count() == 1
            && text.ends_with("&path=");
        is_base.then(|| Self(text.to_owned()))
    }

    /// The parameters before the path. A form that is sent with GET replaces those of its address, so it has to have them itself.
    pub(super) fn carried(&self) -> Vec<(&str, &str)> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name != "path").collect()
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the plugin says about the user.
#[derive(Deserialize)]
struct Visitor {
    /// Prefix of the site's tables. All sites of a network share the secret, but each has its own administrators and daemon.
    site: String,
    /// Name of its database. A copy of the site has the same prefix and secret, and its administrators may be others.
    database: String,
    user: u64,
    login: String,
    may: May,
    /// Stands for the user's session in WordPress.
    session: String,
    base: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum May {
    Look,
    Manage,
}

/// Signs the answer to a request.
pub(super) struct Seal {
    time: String,
    nonce: String,
}

/// Why a signed request is refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    NoSecret,
    WrongSignature,
    Stale(Stale),
    /// Signed by a plugin that this release does not understand.
    Unreadable,
    OtherSite,
}

impl Refused {
    /// For the plugin, which has words for it, and for the log.
    fn told(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoSecret => (
                StatusCode::FORBIDDEN,
                "no_secret",
                "relay.secret is not set, so wp-admin cannot show the console",
            ),
            Self::WrongSignature => (
                StatusCode::UNAUTHORIZED,
                "wrong_signature",
                "the signature of wp-admin is wrong: relay.secret and FCOM_SIDECAR_SECRET in wp-config.php differ",
            ),
            Self::Stale(Stale::Time) => (
                StatusCode::UNAUTHORIZED,
                "wrong_time",
                "wp-admin's request is old, or from before this process, or the clocks differ",
            ),
            Self::Stale(Stale::Replayed) => (
                StatusCode::UNAUTHORIZED,
                "replayed",
                "a request of wp-admin was sent again",
            ),
            Self::Stale(Stale::Crowd) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many",
                "too many requests of wp-admin in five minutes",
            ),
            Self::Unreadable => (
                StatusCode::BAD_REQUEST,
                "unreadable",
                "the must-use plugin is of another release",
            ),
            Self::OtherSite => (
                StatusCode::FORBIDDEN,
                "other_site",
                "wp-admin of another site asks: of another one of the network, or of a copy with another database",
            ),
        }
    }

    /// The answer, and a line in the log.
    pub(super) fn response(self, request: &HttpRequest, console: &Console) -> HttpResponse {
        let (client, route) = (peer(request), "/console");
        let (status, code, reason) = self.told();
        if console.refusals.is_due() {
            tracing::warn!(client.address = %client, route, "management refused to {client}: {reason}");
        }
        HttpResponse::build(status).json(json!({ "code": code, "message": reason }))
    }
}

/// Who sends a request through wp-admin, and what signs the answer. `None`: nobody signed it.
///
/// # Errors
/// It is signed, but not as it should be.
pub(super) fn guest(
    request: &HttpRequest,
    body: &[u8],
    front: &Front,
    console: &Console,
) -> Option<Result<(Guest, Seal), Refused>> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.map(|value| value.to_str().unwrap_or_default().to_owned())
    };
    let given = header(SIGNATURE)?;
    let [time, nonce, visitor] =
        [TIME, NONCE, VISITOR].map(|name| header(name).unwrap_or_default());
    let Some(secret) = &console.secret else {
        return Some(Err(Refused::NoSecret));
    };
    let purpose: [&str; 6] = [
        "console",
        &nonce,
        request.method().as_str(),
        &request.uri().to_string(),
        &hex::encode(Sha256::digest(body)),
        &visitor,
    ];
    if !is_signed(secret, &time, &purpose.join("\n"), &given) {
        return Some(Err(Refused::WrongSignature));
    }
    let admitted = admit(secret, &time, &nonce, &visitor, front, console);
    Some(admitted.map(|guest| (guest, Seal { time, nonce })))
}

/// The plugin has signed this.
fn admit(
    secret: &SecretString,
    time: &str,
    nonce: &str,
    visitor: &str,
    front: &Front,
    console: &Console,
) -> Result<Guest, Refused> {
    let seconds = time.parse().map_err(|_| Refused::Unreadable)?;
    let bytes = hex::decode(nonce)
        .ok()
        .and_then(|nonce| nonce.try_into().ok());
    let nonce = bytes.ok_or(Refused::Unreadable)?;
    let now = front.site.clock.now();
    let taken = console.nonces.take(nonce, seconds, now);
    taken.map_err(Refused::Stale)?;
    let visitor = STANDARD.decode(visitor).ok();
    let visitor = visitor.and_then(|json| serde_json::from_slice::<Visitor>(&json).ok());
    let visitor = visitor.ok_or(Refused::Unreadable)?;
    let is_database = console.database.as_ref() == Some(&visitor.database);
    if visitor.site != front.site.tables.prefix() || !is_database {
        return Err(Refused::OtherSite);
    }
    let base = Base::parse(&visitor.base).ok_or(Refused::Unreadable)?;
    // Nobody without the secret knows it, so neither the key of the session's forms.
    let ticket = format!("console session\n{}\n{}", visitor.user, visitor.session);
    let ticket = hex::decode(signature(secret, &visitor.site, &ticket));
    let ticket = ticket.ok().and_then(|ticket| ticket.try_into().ok());
    let ticket = Ticket::of(ticket.ok_or(Refused::Unreadable)?);
    let session = Session {
        credentials: Credentials::WordPress {
            user_id: visitor.user,
            login: visitor.login,
        },
        standing: match visitor.may {
            May::Look => Standing::Looks,
            May::Manage => Standing::Manages,
        },
    };
    Ok(Guest {
        ticket,
        session,
        frame: Frame { base, nonce },
    })
}

impl Seal {
    /// Signs what the plugin passes on of an answer.
    pub(super) fn on(self, response: HttpResponse, console: &Console) -> HttpResponse {
        let Some(secret) = &console.secret else {
            return response;
        };
        let (response, body) = response.into_parts();
        // Pages and files are whole.
        let body = body.try_into_bytes().unwrap_or_default();
        let status = response.status().as_str().to_owned();
        let mut purpose = vec!["console answer".to_owned(), self.nonce, status];
        let headers = response.headers();
        purpose.extend(PASSED_ON.map(|name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        }));
        purpose.push(hex::encode(Sha256::digest(&body)));
        let signed = signature(secret, &self.time, &purpose.join("\n"));
        let mut response = response.set_body(BoxBody::new(body));
        response.headers_mut().insert(
            HeaderName::from_static(SIGNATURE),
            HeaderValue::from_str(&signed).expect("hexadecimal digits"),
        );
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_a_script_beside_the_page_and_nowhere_else() {
        let base = "admin-ajax.php?action=fcom_sidecar_console&_wpnonce=d41d8cd98f&path=";
        let parsed = Base::parse(base).unwrap();
        assert_eq!(parsed.to_string(), base);
        let carried = [
            ("action", "fcom_sidecar_console"),
            ("_wpnonce", "d41d8cd98f"),
        ];
        assert_eq!(parsed.carried(), carried);
        for other in [
            "",
            "a.php",
            "a.php?b=c",
            "//evil.example/?a&path=",
            "javascript:x?&path=",
            "a.php?a=\"&path=",
            "a.php?a=?&path=",
            &format!("a.php?{}&path=", "a".repeat(300)),
        ] {
            assert!(Base::parse(other).is_none(), "{other}");
        }
    }
}
