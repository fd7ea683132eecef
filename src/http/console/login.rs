//! Logs operators in and out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Value, context};

use super::super::Front;
use super::super::admin::{LONGEST_CREDENTIALS, Refusal, Standing, password, peer, token};
use super::desk::Console;
use super::gate::{self, DOOR, SESSION};
use super::sessions::{Credentials, Session, Ticket};
use super::visit::{field, render};

/// The longest way back to a page.
const LONGEST_WAY: usize = 200;

/// What stands above the form.
struct Said {
    status: StatusCode,
    text: String,
    wait: Option<Duration>,
}

impl Said {
    fn nothing() -> Self {
        Self {
            status: StatusCode::OK,
            text: String::new(),
            wait: None,
        }
    }

    fn of(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            text: text.to_owned(),
            wait: None,
        }
    }
}

/// The page before the console; `next` is the page to go to.
pub(super) async fn form(
    request: &HttpRequest,
    front: &web::Data<Front>,
    console: &Console,
    next: &str,
) -> HttpResponse {
    door(request, front, console, next, "", Said::nothing()).await
}

/// The same for somebody whose form came too late.
pub(super) async fn expired(
    request: &HttpRequest,
    front: &web::Data<Front>,
    console: &Console,
    path: &str,
) -> HttpResponse {
    let text = "This page has expired: you were away for too long, or logged out. Nothing was changed. Log in again.";
    let said = Said::of(StatusCode::FORBIDDEN, text);
    door(request, front, console, page_of(path), "", said).await
}

async fn door(
    request: &HttpRequest,
    front: &web::Data<Front>,
    console: &Console,
    next: &str,
    name: &str,
    said: Said,
) -> HttpResponse {
    let access = Arc::clone(&front.rules.borrow().access);
    let about = console.about(front).await;
    let ticket = gate::ticket(request.headers(), DOOR).unwrap_or_else(Ticket::draw);
    let path = request.match_info().query("page");
    let values = context! {
        root => Value::from_safe_string(super::visit::root(path)),
        stamp => &console.assets.stamp,
        title => "Log in",
        site => &about.host,
        csrf => ticket.form_key(),
        next => Some(next).filter(|next| is_way(next)),
        name,
        said => Some(said.text).filter(|text| !text.is_empty()),
        passwords => access.application_passwords,
        token => access.token.is_some(),
    };
    let mut response = render(console, said.status, "login.html", values);
    let cookie = gate::cookie(request, front, DOOR, Some(&ticket));
    response.headers_mut().append(SET_COOKIE, cookie);
    if let Some(wait) = said.wait {
        let seconds = wait.as_secs().saturating_add(1);
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Lets in whoever brings the token, or the application password of a user who may at least look.
pub(super) async fn log_in(
    request: &HttpRequest,
    front: &web::Data<Front>,
    console: &Console,
    form: &[(String, String)],
) -> HttpResponse {
    let next = field(form, "next").unwrap_or_default();
    let own = gate::ticket(request.headers(), DOOR);
    let is_ours = |ticket: Ticket| ticket.is_form_key(field(form, "csrf").unwrap_or_default());
    if gate::is_foreign(request.headers()) || !own.is_some_and(is_ours) {
        let text = "The form was not sent from this page, or had expired. Cookies have to be allowed. Nobody was logged in; try again.";
        let said = Said::of(StatusCode::FORBIDDEN, text);
        return door(request, front, console, next, "", said).await;
    }
    let name = field(form, "user").unwrap_or_default();
    let session = match session(request, front, form).await {
        Ok(session) => session,
        Err(refusal) => {
            let said = said_of(request, front, &refusal);
            return door(request, front, console, next, name, said).await;
        }
    };
    // A ticket that somebody else may know must not become this session's.
    if let Some(before) = gate::ticket(request.headers(), SESSION) {
        console.sessions.end(&before);
    }
    let operator = session.operator();
    tracing::info!(client.address = %peer(request), %operator, "{operator} logged in to the console");
    let ticket = console.sessions.begin(session, Instant::now());
    let mut response = HttpResponse::SeeOther();
    response.insert_header((
        LOCATION,
        format!("./{}", if is_way(next) { next } else { "" }),
    ));
    response.append_header((
        SET_COOKIE,
        gate::cookie(request, front, SESSION, Some(&ticket)),
    ));
    response.append_header((SET_COOKIE, gate::cookie(request, front, DOOR, None)));
    response.finish()
}

async fn session(
    request: &HttpRequest,
    front: &web::Data<Front>,
    form: &[(String, String)],
) -> Result<Session, Refusal> {
    let access = Arc::clone(&front.rules.borrow().access);
    let client = peer(request);
    if let Some(given) = field(form, "token") {
        token(&access, client, given)?;
        return Ok(Session {
            credentials: gate::of_token(&access).ok_or(Refusal::Anonymous)?,
            standing: Standing::Manages,
        });
    }
    let name = field(form, "user").unwrap_or_default();
    let given = field(form, "password").unwrap_or_default();
    // As the API gets them, so that what was right there is right here.
    let credentials = STANDARD.encode(format!("{name}:{given}"));
    let is_usable = !name.is_empty() && credentials.len() <= LONGEST_CREDENTIALS;
    let named = is_usable.then(|| (name.to_owned(), given.to_owned().into()));
    let least = Standing::Looks;
    let admitted = password(front, &access, client, &credentials, named, least).await?;
    Ok(Session {
        credentials: Credentials::Password {
            name: name.to_owned(),
            verified: admitted.verified,
        },
        standing: admitted.standing,
    })
}

fn said_of(request: &HttpRequest, front: &Front, refusal: &Refusal) -> Said {
    let (client, reason, route) = (peer(request), refusal.reason(), "/console/login");
    if refusal.counts() {
        tracing::warn!(client.address = %client, route, "management refused to {client}: {reason}");
    } else {
        tracing::info!(client.address = %client, route, "management refused to {client}: {reason}");
    }
    let is_closed = front.rules.borrow().access.is_closed();
    let (status, text) = match refusal {
        Refusal::TooMany(_) => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many wrong tries from this address. Wait a minute.",
        ),
        Refusal::Database(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The database does not answer, so nobody can say whether this password is right. The admin token works without it.",
        ),
        Refusal::NotAllowed(_) => (
            StatusCode::FORBIDDEN,
            "This user may not look here: it takes manage_options in WordPress, or the community role admin, course_admin or moderator.",
        ),
        _ if is_closed => (
            StatusCode::FORBIDDEN,
            "Nobody can log in yet: set admin.token, or admin.application_passwords = \"on\", in the sidecar’s configuration.",
        ),
        _ => (
            StatusCode::FORBIDDEN,
            "That is wrong. After several wrong tries in a minute this address has to wait.",
        ),
    };
    Said {
        wait: match refusal {
            Refusal::TooMany(wait) => Some(*wait),
            _ => None,
        },
        ..Said::of(status, text)
    }
}

/// Ends the session.
pub(super) fn log_out(
    request: &HttpRequest,
    front: &Front,
    console: &Console,
    ticket: &Ticket,
) -> HttpResponse {
    console.sessions.end(ticket);
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "./login"))
        .append_header((SET_COOKIE, gate::cookie(request, front, SESSION, None)))
        .finish()
}

/// The page that the form of this path stood on.
fn page_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        // A hook has no page of its own, and a new webhook's form has the path of its page.
        Some((page, _)) if page.starts_with("hooks/") => "hooks",
        Some(("webhooks", "new")) => path,
        Some((page, _)) => page,
        None => "",
    }
}

/// Whether this leads to a page of the console, and nowhere else.
fn is_way(next: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?=&._%+-".contains(&byte);
    // Browsers take %2e for a dot.
    let (path, _) = next.split_once('?').unwrap_or((next, ""));
    !next.is_empty()
        && next.len() <= LONGEST_WAY
        && next.bytes().all(is_plain)
        && !next.starts_with('/')
        && !next.contains("..")
        && !path.contains('%')
        && !next.contains("//")
}

#[cfg(test)]
mod tests {
    use super::is_way;

    #[test]
    fn the_way_back_leads_nowhere_else() {
        for next in [
            "runs",
            "runs/5",
            "runs?webhook=3&before=7",
            "mails?state=dead",
            "runs?member=ann%40example.com",
        ] {
            assert!(is_way(next), "{next}");
        }
        for next in [
            "",
            "/x",
            "//evil.example",
            "https://evil.example",
            "a//b",
            "../x",
            "%2e%2e/x",
            ".%2E/x",
            "a\r\nb",
            "\\x",
            "x:y",
        ] {
            assert!(!is_way(next), "{next}");
        }
    }
}
