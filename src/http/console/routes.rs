//! The only way to a page: finds out who asks, checks what a form brought, and leads to the page.

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::Front;
use super::super::client::joined;
use super::answer::{self, Answer, Trouble};
use super::desk::Console;
use super::gate::{self, SESSION};
use super::visit::{Visit, field, root};
use super::wp_admin::Guest;
use super::{
    assets, check, config, hooks, login, mails, overview, payload, refused, run, runs, shadow,
    status, trial, webhook, webhook_changes, webhooks, wp_admin,
};

/// The longest body of somebody who is not logged in, in bytes.
const OF_STRANGERS: usize = 16 << 10;

/// Adds the console to the admin listener's server.
pub(in crate::http) fn configure(server: &mut web::ServiceConfig) {
    server.service(web::resource("/console").to(enter));
    server.service(web::resource("/console/{page:.*}").to(serve));
}

async fn enter() -> HttpResponse {
    let response = HttpResponse::SeeOther()
        .insert_header((LOCATION, "console/"))
        .finish();
    answer::guard(response)
}

async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    front: web::Data<Front>,
    console: web::Data<Console>,
) -> HttpResponse {
    let body = body(&request, payload, &front, &console).await;
    let signed = match &body {
        Some(body) => wp_admin::guest(&request, body, &front, &console).transpose(),
        None => Ok(None),
    };
    let (guest, seal) = match signed {
        Ok(signed) => signed.unzip(),
        Err(refused) => return answer::guard(refused.response(&request, &console)),
    };
    let response = Box::pin(respond(&request, body, &front, &console, guest));
    let response = answer::guard(response.await);
    match seal {
        Some(seal) => seal.on(response, &console),
        None => response,
    }
}

/// The body, unless it is too long or breaks off. Only who is logged in has a long one read.
async fn body(
    request: &HttpRequest,
    payload: web::Payload,
    front: &Front,
    console: &Console,
) -> Option<web::Bytes> {
    let headers = request.headers();
    let header = |name: &str| joined(headers.get_all(name).map(HeaderValue::as_bytes));
    let longest = if console.may_get_long(header) {
        front.rules.borrow().longest_form()
    } else {
        OF_STRANGERS
    };
    payload.to_bytes_limited(longest).await.ok()?.ok()
}

async fn respond(
    request: &HttpRequest,
    body: Option<web::Bytes>,
    front: &web::Data<Front>,
    console: &web::Data<Console>,
    guest: Option<Guest>,
) -> HttpResponse {
    let path = request.match_info().query("page").to_owned();
    let is_post = request.method() == Method::POST;
    if !is_post && request.method() != Method::GET && request.method() != Method::HEAD {
        return HttpResponse::MethodNotAllowed()
            .insert_header((ALLOW, "GET, HEAD, POST"))
            .finish();
    }
    if !is_post && let Some(file) = assets::file(&path) {
        return file;
    }
    let pairs = |text: &[u8]| {
        serde_urlencoded::from_bytes::<Vec<(String, String)>>(text).unwrap_or_default()
    };
    let query = pairs(request.query_string().as_bytes());
    let is_too_long = body.is_none();
    if is_too_long && request.headers().contains_key(wp_admin::SIGNATURE) {
        return HttpResponse::PayloadTooLarge().finish();
    }
    let body = body.filter(|_| is_post).unwrap_or_default();
    let form = pairs(&body);
    if let Some(guest) = &guest {
        if path == "status" {
            return status::show(front, console, field(&query, "check").is_some()).await;
        }
        guest.enter(console);
    } else if path == "login" {
        let next = field(&query, "next").unwrap_or_default();
        return if is_post {
            login::log_in(request, front, console, &form).await
        } else {
            login::form(request, front, console, next).await
        };
    }
    let is_poll = !is_post && gate::is_poll(request.headers());
    let known = match (guest, gate::ticket(request.headers(), SESSION)) {
        (Some(guest), _) => Some((guest.ticket, guest.session, Some(guest.frame))),
        (None, Some(ticket)) => {
            let session = gate::session(front, console, &ticket, !is_poll).await;
            session.map(|session| (ticket, session, None))
        }
        (None, None) => None,
    };
    let Some((ticket, session, frame)) = known else {
        if is_post {
            return login::expired(request, front, console, &path).await;
        }
        if is_poll {
            // Has the page load itself again, which leads to the log-in.
            return HttpResponse::Forbidden()
                .insert_header(("hx-refresh", "true"))
                .finish();
        }
        let asked = match request.query_string() {
            "" => path.clone(),
            query => format!("{path}?{query}"),
        };
        let next = serde_urlencoded::to_string([("next", asked)]).unwrap_or_default();
        let next = if path.is_empty() {
            String::new()
        } else {
            format!("?{next}")
        };
        return HttpResponse::SeeOther()
            .insert_header((LOCATION, format!("{}login{next}", root(&path))))
            .finish();
    };
    let is_ours = !gate::is_foreign(request.headers())
        && ticket.is_form_key(field(&form, "csrf").unwrap_or_default());
    if is_post && is_ours && frame.is_none() && path == "logout" {
        return login::log_out(request, front, console, &ticket);
    }
    let visit = Visit {
        front: front.clone(),
        console: console.clone(),
        about: console.about(front).await,
        ticket,
        session,
        is_poll,
        path,
        query,
        form,
        frame,
    };
    let answer = if is_too_long {
        Err(Trouble::TooLong)
    } else if !is_post {
        read(&visit).await
    } else if !is_ours {
        Err(Trouble::Expired)
    } else if !visit.manages() {
        Err(Trouble::MayLook)
    } else {
        change(&visit).await
    };
    visit.answer(answer)
}

/// The pages.
async fn read(visit: &Visit) -> Result<Answer, Trouble> {
    let parts: Vec<&str> = visit.path.split('/').collect();
    match parts[..] {
        [""] => overview::show(visit).await,
        ["runs"] => runs::list(visit).await,
        ["runs", id] => run::show(visit, number(id)?).await,
        ["refused"] => refused::list(visit).await,
        ["refused", id] => refused::show(visit, number(id)?).await,
        ["webhooks"] => webhooks::list(visit).await,
        ["webhooks", "new"] => webhook::blank(visit).await,
        ["webhooks", id] => webhook::show(visit, number(id)?).await,
        ["mails"] => mails::list(visit).await,
        ["mails", id] => mails::show(visit, number(id)?).await,
        ["hooks"] => hooks::list(visit).await,
        ["shadow"] => shadow::list(visit).await,
        ["shadow", id] => shadow::show(visit, number(id)?).await,
        ["check"] => check::show(visit).await,
        ["config"] => Ok(config::show(visit)),
        _ => Err(nothing_here()),
    }
}

/// What forms change.
async fn change(visit: &Visit) -> Result<Answer, Trouble> {
    let parts: Vec<&str> = visit.path.split('/').collect();
    // Checks change nothing, and are wanted while the database is away.
    if parts[..] == ["check", "again"] {
        return check::again(visit).await;
    }
    visit.once().await?;
    match parts[..] {
        ["webhooks", "new"] => webhook_changes::create(visit).await,
        ["webhooks", id, "save"] => webhook_changes::save(visit, number(id)?).await,
        ["webhooks", id, "delete"] => webhook_changes::delete(visit, number(id)?).await,
        ["webhooks", id, "rotate"] => webhook_changes::rotate(visit, number(id)?).await,
        ["webhooks", id, "address"] => webhook::address(visit, number(id)?).await,
        ["webhooks", id, "source"] => payload::try_body(visit, number(id)?).await,
        ["webhooks", id, "try"] => trial::try_call(visit, number(id)?).await,
        ["refused", id, "retry"] => refused::retry(visit, number(id)?).await,
        ["mails", "retry"] => mails::retry_given_up(visit).await,
        ["mails", id, "retry"] => mails::retry(visit, number(id)?).await,
        ["mails", id, "drop"] => mails::remove(visit, number(id)?).await,
        ["hooks", "retry"] => hooks::retry_given_up(visit).await,
        ["hooks", id, "retry"] => hooks::retry(visit, number(id)?).await,
        ["hooks", id, "drop"] => hooks::remove(visit, number(id)?).await,
        _ => Err(nothing_here()),
    }
}

fn number(id: &str) -> Result<u64, Trouble> {
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    let id = id.parse().ok().filter(|_| is_number);
    id.ok_or_else(nothing_here)
}

fn nothing_here() -> Trouble {
    Trouble::NotFound(
        "There is no such page".to_owned(),
        "The navigation leads to all there are.",
    )
}
