//! A request of somebody who is logged in, and the page that answers it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use actix_web::{HttpResponse, web};
use minijinja::{Value, context};

use super::super::Front;
use super::super::admin::Standing;
use super::answer::{Answer, Page, Trouble};
use super::desk::{About, Console};
use super::sessions::{Session, Ticket};
use super::text::{Times, number};
use super::wp_admin::Frame;
use crate::fluentcommunity::webhooks::ChangeError;
use crate::telemetry;

/// The pages that the navigation leads to: first part of the path, and name.
const PAGES: [(&str, &str); 9] = [
    ("", "Overview"),
    ("runs", "Runs"),
    ("refused", "Refused"),
    ("webhooks", "Webhooks"),
    ("mails", "Mails"),
    ("hooks", "Hooks"),
    ("shadow", "Shadow"),
    ("check", "Check"),
    ("config", "Configuration"),
];

/// A request.
pub(super) struct Visit {
    pub(super) front: web::Data<Front>,
    pub(super) console: web::Data<Console>,
    pub(super) ticket: Ticket,
    pub(super) session: Session,
    /// The page asks by itself for what has changed: see [`gate::is_poll`](super::gate::is_poll).
    pub(super) is_poll: bool,
    /// The path below `/console/`.
    pub(super) path: String,
    /// The fields of the query, and of the form.
    pub(super) query: Vec<(String, String)>,
    pub(super) form: Vec<(String, String)>,
    pub(super) about: Arc<About>,
    /// In wp-admin.
    pub(super) frame: Option<Frame>,
}

impl Visit {
    /// The way from this page to `/console/`.
    pub(super) fn root(&self) -> String {
        let frame = self.frame.as_ref();
        frame.map_or_else(|| root(&self.path), |frame| frame.base.to_string())
    }

    pub(super) fn times(&self) -> Times {
        Times {
            zone: self.about.zone,
            now: self.front.site.clock.now(),
        }
    }

    pub(super) fn manages(&self) -> bool {
        self.session.standing == Standing::Manages
    }

    /// A parameter that is not empty.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        field(&self.query, name)
    }

    /// A field that is not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        field(&self.form, name)
    }

    /// The id from which a list goes on to older rows.
    pub(super) fn before(&self) -> Option<u64> {
        self.asked("before")?.parse().ok()
    }

    /// Notes in the log who changed something.
    pub(super) fn log(&self, what: &str) {
        let operator = self.session.operator();
        tracing::info!(%operator, "{what} by {}", self.session.who());
    }

    /// The response.
    pub(super) fn answer(&self, answer: Result<Answer, Trouble>) -> HttpResponse {
        match answer {
            Ok(Answer::Page(page)) => self.render(page),
            Ok(Answer::To(path, notice)) => {
                self.console.sessions.note(&self.ticket, notice);
                let path = format!("{}{path}", self.root());
                HttpResponse::SeeOther()
                    .insert_header((LOCATION, path))
                    .finish()
            }
            Err(trouble) => self.trouble(trouble),
        }
    }

    fn trouble(&self, trouble: Trouble) -> HttpResponse {
        let told = Told::of(trouble, &self.front);
        let is_late = told.status == StatusCode::SERVICE_UNAVAILABLE;
        let mut response = self.render(Page {
            status: told.status,
            template: "trouble.html",
            title: told.title.clone(),
            values: context! {
                heading => told.title,
                text => told.text,
                remedy => told.remedy,
            },
        });
        if is_late {
            let later = "5".parse().expect("a header value");
            response.headers_mut().insert(RETRY_AFTER, later);
        }
        response
    }

    fn render(&self, page: Page) -> HttpResponse {
        let glance = self.front.metrics.glance();
        let here = self.path.split('/').next().unwrap_or_default();
        let counts = |path: &str| match path {
            "mails" => (glance.mails_dead, "given up"),
            "hooks" => (glance.hooks_dead, "given up"),
            "check" => (self.console.failed_checks() as u64, "failed"),
            _ => (0, ""),
        };
        let mut needing = 0;
        let pages = PAGES.map(|(path, name)| {
            let (amount, what) = counts(path);
            needing += amount;
            context! {
                path,
                name,
                is_here => path == here,
                count => (amount > 0).then(|| number(amount)),
                what,
            }
        });
        // What a poll brings shows no notice.
        let notice = (!self.is_poll).then(|| self.console.sessions.take_notice(&self.ticket));
        let notice = notice.flatten().map(|notice| {
            context! { kind => if notice.is_good { "good" } else { "warn" }, text => notice.text }
        });
        let carried = self.frame.as_ref().map(|frame| {
            let pairs = frame.base.carried().into_iter();
            pairs
                .map(|(name, value)| context! { name, value })
                .collect::<Vec<_>>()
        });
        let frame = context! {
            root => self.root(),
            in_wp_admin => self.frame.is_some(),
            carried,
            stamp => &self.console.assets.stamp,
            title => page.title,
            site => &self.about.host,
            zone => &self.about.zone_name,
            now => self.times().of(self.front.site.clock.now()),
            version => env!("CARGO_PKG_VERSION"),
            user => self.session.to_string(),
            manages => self.manages(),
            csrf => self.ticket.form_key(),
            pages => pages.to_vec(),
            needing => (needing > 0).then(|| number(needing)),
            notice,
        };
        render(
            &self.console,
            page.status,
            page.template,
            context! { ..page.values, ..frame },
        )
    }
}

/// The way from this page to `/console/`.
pub(super) fn root(path: &str) -> String {
    match path.matches('/').count() {
        0 => "./".to_owned(),
        depth => "../".repeat(depth),
    }
}

/// The first field of this name that is not empty.
pub(super) fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut fields = fields.iter().filter(|(given, _)| given == name);
    let value = fields.next().map(|(_, value)| value.trim())?;
    Some(value).filter(|value| !value.is_empty())
}

/// Renders a page with all its values.
pub(super) fn render(
    console: &Console,
    status: StatusCode,
    template: &str,
    values: Value,
) -> HttpResponse {
    match console.templates.render(template, values) {
        Ok(text) => HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .body(text),
        Err(error) => {
            tracing::error!("a page of the console cannot be made: {error:#}");
            HttpResponse::InternalServerError()
                .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
                .body("This page cannot be made; the sidecar's log says why.")
        }
    }
}

/// What a reader hears of trouble.
struct Told {
    status: StatusCode,
    title: String,
    text: String,
    remedy: Option<String>,
}

impl Told {
    fn of(trouble: Trouble, front: &Front) -> Self {
        let told = |status, title: &str, text: String| Self {
            status,
            title: title.to_owned(),
            text,
            remedy: None,
        };
        match trouble {
            Trouble::NotFound(title, why) => told(StatusCode::NOT_FOUND, &title, why.to_owned()),
            Trouble::MayLook => told(
                StatusCode::FORBIDDEN,
                "You may look, not change",
                "Managing webhooks takes manage_options in WordPress, or the community role admin or course_admin.".to_owned(),
            ),
            Trouble::Expired => told(
                StatusCode::FORBIDDEN,
                "This page has expired",
                "Nothing was changed. Open the page again, then repeat what you did.".to_owned(),
            ),
            Trouble::TooLong => Self {
                remedy: Some(
                    "The command line tries a sender’s body of any length: fcom-sidecar source try NAME FILE.".to_owned(),
                ),
                ..told(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "That is too long",
                    format!(
                        "What a form sends may have {} bytes here. Nothing was changed, and nothing was tried.",
                        number(front.rules.borrow().longest_form() as u64)
                    ),
                )
            },
            Trouble::Database(error) => {
                if let Some(error) = &error {
                    let reason = telemetry::chain(error);
                    tracing::warn!("a page of the console is not possible now: {reason}");
                }
                let reason = front.site.readiness.reason();
                let (what, remedy) = reason.map_or_else(
                    || ("a statement failed; the sidecar’s log says why".to_owned(), None),
                    |reason| (reason.what, reason.remedy),
                );
                Self {
                    remedy,
                    ..told(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "The database does not answer as it should",
                        format!("{what}. Try again in a moment; meanwhile nothing is lost."),
                    )
                }
            }
            Trouble::Change(error) => Self::of_change(&error),
            Trouble::NotNow(why) => told(StatusCode::SERVICE_UNAVAILABLE, "Not possible now", why),
            Trouble::Aborted => told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The work broke off",
                "The sidecar’s log says why.".to_owned(),
            ),
        }
    }

    fn of_change(error: &ChangeError) -> Self {
        let (status, title, text) = match error {
            ChangeError::Unknown(id) => (
                StatusCode::NOT_FOUND,
                format!("There is no webhook {id}"),
                "Somebody may have deleted it.",
            ),
            ChangeError::Unreadable(_) => (
                StatusCode::LOCKED,
                "The webhook is not readable".to_owned(),
                "Its record in the database is damaged and was left as it is. Delete the webhook, or mend it by hand.",
            ),
            ChangeError::Outdated => (
                StatusCode::CONFLICT,
                "Not saved".to_owned(),
                "Somebody changed this webhook after you opened it.",
            ),
            ChangeError::Unstorable(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "Not saved".to_owned(),
                "The title is too long, or has characters that this site cannot store.",
            ),
            ChangeError::OutcomeUnknown(_) | ChangeError::Database(_) => {
                tracing::warn!("management perhaps done: {}", telemetry::chain(error));
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Perhaps changed".to_owned(),
                    "The database did not say whether it made this change: look at the webhook before you repeat it.",
                )
            }
        };
        Self {
            status,
            title,
            text: text.to_owned(),
            remedy: None,
        }
    }
}
