//! Who is at the door: the ticket in a request's cookie, whether it still opens, and whether a form comes from a page of ours.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{COOKIE, HOST, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, web};

use super::super::Front;
use super::super::admin::{Access, Standing, confirm, is_from_elsewhere};
use super::super::client::{Client, joined};
use super::desk::Console;
use super::sessions::{Credentials, Session, Ticket};
use super::wp_admin::SIGNATURE;

/// The cookie of a session.
pub(super) const SESSION: &str = "fcom_sidecar_console";
/// The cookie of somebody who is about to log in.
pub(super) const DOOR: &str = "fcom_sidecar_door";

/// The cookie's name in a browser, which sends it to all ports of a host: with the port in its name, two daemons on one machine, or
/// behind two tunnels, do not replace each other's.
fn name(headers: &HeaderMap, cookie: &str) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    name_at(host.unwrap_or_default(), cookie)
}

fn name_at(host: &str, cookie: &str) -> String {
    let port = host.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(port)) => format!("{cookie}_{port}"),
        _ => cookie.to_owned(),
    }
}

/// The ticket in this cookie.
pub(super) fn ticket(headers: &HeaderMap, cookie: &str) -> Option<Ticket> {
    let lines = headers.get_all(COOKIE).map(HeaderValue::as_bytes);
    ticket_in(&joined(lines), &name(headers, cookie))
}

/// The ticket in the cookie of this name.
fn ticket_in(cookies: &str, cookie: &str) -> Option<Ticket> {
    // Lines were joined with commas.
    cookies.split([';', ',']).find_map(|one| {
        let (name, value) = one.trim().split_once('=')?;
        Ticket::parse(value).filter(|_| name == cookie)
    })
}

impl Console {
    /// Whether a long form may come with a head that has these headers: of a session, or signed, which its body has to prove.
    pub(in crate::http) fn may_get_long(&self, header: impl Fn(&str) -> String) -> bool {
        let is_signed = || self.secret.is_some() && !header(SIGNATURE).is_empty();
        let cookie = name_at(&header(HOST.as_str()), SESSION);
        let ticket = ticket_in(&header(COOKIE.as_str()), &cookie);
        ticket.is_some_and(|ticket| self.sessions.knows(&ticket)) || is_signed()
    }
}

/// Has the browser keep a ticket, or forget it. Over an encrypted connection, it is never sent over another one.
pub(super) fn cookie(
    request: &HttpRequest,
    front: &Front,
    cookie: &str,
    ticket: Option<&Ticket>,
) -> HeaderValue {
    let rules = Arc::clone(&front.rules.borrow());
    let client = Client::of(request, &rules.trusted_proxies, rules.forwarding_header);
    let secure = if client.https { "; Secure" } else { "" };
    let (value, age) = match ticket {
        Some(ticket) => (ticket.text(), ""),
        None => (String::new(), "; Max-Age=0"),
    };
    let name = name(request.headers(), cookie);
    let text = format!("{name}={value}; Path=/console; HttpOnly; SameSite=Strict{age}{secure}");
    HeaderValue::from_str(&text).expect("hexadecimal digits and fixed words")
}

/// Whether a form may come from a page of ours: a browser says where it comes from.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    let is_other = site.is_some_and(|site| site != "same-origin" && site != "none");
    is_other || is_from_elsewhere(headers)
}

/// Whether a page asks by itself for what has changed, as our script has it do.
pub(super) fn is_poll(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}

/// The session that this ticket opens, unless what it was opened with no longer holds.
pub(super) async fn session(
    front: &web::Data<Front>,
    console: &Console,
    ticket: &Ticket,
    is_use: bool,
) -> Option<Session> {
    let access = Arc::clone(&front.rules.borrow().access);
    let (mut session, is_old) = console.sessions.find(ticket, Instant::now(), is_use)?;
    let mut is_confirmed = is_old;
    let standing = match &session.credentials {
        Credentials::Token(hash) => {
            (access.token.as_ref() == Some(hash)).then_some(session.standing)
        }
        Credentials::Password { name, verified } if access.application_passwords => {
            if is_old {
                // Whose password nobody can look up may look meanwhile.
                let confirmed = confirm(front, name.clone(), *verified).await;
                is_confirmed = confirmed.is_ok();
                confirmed.unwrap_or(Some(Standing::Looks))
            } else {
                Some(session.standing)
            }
        }
        // Only a signed request lets these in.
        Credentials::Password { .. } | Credentials::WordPress { .. } => None,
    };
    let Some(standing) = standing else {
        console.sessions.end(ticket);
        return None;
    };
    if is_confirmed {
        console.sessions.confirm(ticket, standing, Instant::now());
    }
    session.standing = standing;
    Some(session)
}

/// The credentials of a token that is right.
pub(super) fn of_token(access: &Access) -> Option<Credentials> {
    access.token.map(Credentials::Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_named_after_the_port_that_the_browser_knows() {
        for (host, expected) in [
            (Some("127.0.0.1:9095"), "door_9095"),
            (Some("[::1]:9096"), "door_9096"),
            (Some("[::1]"), "door"),
            (Some("console.example.com"), "door"),
            (Some("example.com:x"), "door"),
            (None, "door"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, HeaderValue::from_static(host));
            }
            assert_eq!(name(&headers, "door"), expected);
        }
    }
}
