//! What a page answers with: a page, the way to another one, or why there is none; and the headers of all of them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use minijinja::Value;

use super::sessions::Notice;
use crate::db::DatabaseError;
use crate::fluentcommunity::webhooks::ChangeError;

/// Nothing but what comes from here, and no script but ours; only our own origin may frame it, which is what wp-admin does.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'self'";

/// An answer.
pub(super) enum Answer {
    Page(Page),
    /// To another page of the console, by its path below `/console/`, which says this.
    To(String, Notice),
}

/// A page.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) template: &'static str,
    /// In the browser's title.
    pub(super) title: String,
    pub(super) values: Value,
}

impl Answer {
    pub(super) fn page(template: &'static str, title: impl Into<String>, values: Value) -> Self {
        Self::Page(Page {
            status: StatusCode::OK,
            template,
            title: title.into(),
            values,
        })
    }

    pub(super) fn done(path: impl Into<String>, text: String) -> Self {
        Self::To(
            path.into(),
            Notice {
                is_good: true,
                text,
            },
        )
    }

    pub(super) fn not_done(path: impl Into<String>, text: String) -> Self {
        Self::To(
            path.into(),
            Notice {
                is_good: false,
                text,
            },
        )
    }
}

/// Why there is no page.
pub(super) enum Trouble {
    /// Nothing is there: what, and why perhaps.
    NotFound(String, &'static str),
    /// The operator may only look.
    MayLook,
    /// The form belongs to no session, or to another one.
    Expired,
    /// The form is longer than what is read.
    TooLong,
    /// The database is away, or failed.
    Database(Option<DatabaseError>),
    /// A change of a webhook failed.
    Change(ChangeError),
    /// The call could not be tried now.
    NotNow(String),
    /// The work broke off.
    Aborted,
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        Self::Database(Some(error))
    }
}

impl From<ChangeError> for Trouble {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Database(error) => Self::Database(Some(error)),
            error => Self::Change(error),
        }
    }
}

/// Adds the headers that every answer has.
pub(super) fn guard(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        // Without it, a form of ours would not say that it comes from here.
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
