//! Writes responses to calls. Mirrors `wp_send_json` and `nocache_headers`: keys in PHP's order, `/` as `\/`, non-ASCII
//! as `\uXXXX`.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::outcome::Outcome;
use crate::provision::{Executed, Ignored, ProvisionError, SignatureFlaw};
use crate::source::Flaw;
use crate::wordpress::version::Version;

/// The response to an executed call, in FluentCommunity's spelling, which callers match on.
#[derive(Serialize)]
struct Success {
    status: &'static str,
    message: &'static str,
    execution_timestamp: i64,
    user_id: u64,
}

#[derive(Serialize)]
struct Failure<'a> {
    status: &'static str,
    message: &'a str,
}

/// In FluentCommunity's spelling.
pub(super) const EXECUTED: &str = "webhook has been successfully executied";
/// Marks a response as that of an earlier call.
const REPLAYED: (HeaderName, &str) = (HeaderName::from_static("idempotent-replayed"), "true");
/// When a caller should retry after a 503.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// Messages with 429, for the whole client.
pub(super) const TOO_MANY_CALLS: &str = "Too many calls from this client";
/// See [`TOO_MANY_CALLS`].
pub(super) const TOO_MANY_KEYS: &str = "Too many wrong keys from this client";

/// Builds responses as one WordPress version does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replies {
    /// WordPress 6.8 added `no-store, private`; without a known version the stricter header is sent.
    pub(super) version: Option<Version>,
}

/// A request that executes nothing: the response and the outcome for the metrics.
pub(super) struct Refused {
    pub(super) outcome: Outcome,
    pub(super) response: HttpResponse,
    /// What the response says.
    pub(super) message: Cow<'static, str>,
}

impl Replies {
    /// 200 for an executed call.
    pub(super) fn success(self, executed: &Executed) -> HttpResponse {
        let body = Success {
            status: "success",
            message: EXECUTED,
            execution_timestamp: executed.executed_at.timestamp(),
            user_id: executed.user_id,
        };
        let mut response = self.json(StatusCode::OK, &body);
        if executed.replayed {
            let (name, value) = REPLAYED;
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// An error in FluentCommunity's shape.
    pub(super) fn refuse(
        self,
        outcome: Outcome,
        status: StatusCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Refused {
        let message = message.into();
        let body = Failure {
            status: "error",
            message: &message,
        };
        Refused {
            outcome,
            response: self.json(status, &body),
            message,
        }
    }

    /// 405; only POST executes.
    pub(super) fn method_not_allowed(self) -> Refused {
        self.only_by_post("Webhooks are executed by POST requests with form data only")
    }

    /// 405 for GET with a webhook's key.
    pub(super) fn not_by_get(self) -> Refused {
        self.only_by_post(
            "This is a webhook's address. Nothing was executed: send a POST request with form data",
        )
    }

    fn only_by_post(self, message: &'static str) -> Refused {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut refused = self.refuse(Outcome::WrongMethod, status, message);
        let headers = refused.response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
        refused
    }

    /// 200 for HEAD with a webhook's key.
    pub(super) fn right_address(self) -> Refused {
        Refused {
            outcome: Outcome::Asked,
            response: self.begin(StatusCode::OK).finish(),
            message: Cow::default(),
        }
    }

    /// 204 for OPTIONS, whatever the key. Without headers for browsers: pages of other sites cannot call webhooks.
    pub(super) fn options(self) -> Refused {
        let mut response = self.begin(StatusCode::NO_CONTENT);
        response.insert_header((ALLOW, "HEAD, OPTIONS, POST"));
        Refused {
            outcome: Outcome::Asked,
            response: response.finish(),
            message: Cow::default(),
        }
    }

    /// 413.
    pub(super) fn too_large(self) -> Refused {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        self.refuse(Outcome::TooLarge, status, "The body is too large")
    }

    /// 408.
    pub(super) fn too_slow(self) -> Refused {
        let status = StatusCode::REQUEST_TIMEOUT;
        self.refuse(
            Outcome::InvalidRequest,
            status,
            "The body did not arrive in time",
        )
    }

    /// 404 for a request without a key: it does not count as a call, but gets the same response as with a wrong key.
    pub(super) fn no_key(self) -> Refused {
        Refused {
            outcome: Outcome::NotACall,
            ..self.refusal(&ProvisionError::UnknownWebhook)
        }
    }

    /// 429.
    pub(super) fn too_many(self, message: &'static str, wait: Duration) -> Refused {
        let status = StatusCode::TOO_MANY_REQUESTS;
        self.later(Outcome::RateLimited, status, message, wait)
    }

    /// 401, with the challenge that HTTP requires. The scheme is ours, so that no browser asks for a password.
    fn not_signed(self, flaw: SignatureFlaw) -> Refused {
        self.unauthorised(Outcome::NotSigned, signature_wanted(flaw))
    }

    /// 200 for a call that asks for nothing: its sender shall not send it again.
    fn ignored(self, why: Ignored) -> Refused {
        let body = Failure {
            status: "ignored",
            message: why.said(),
        };
        Refused {
            outcome: Outcome::Ignored,
            response: self.json(StatusCode::OK, &body),
            message: why.said().into(),
        }
    }

    fn unauthorised(self, outcome: Outcome, message: &'static str) -> Refused {
        let mut refused = self.refuse(outcome, StatusCode::UNAUTHORIZED, message);
        let challenge = HeaderValue::from_static("Webhook-Signature realm=\"fcom-sidecar\"");
        let headers = refused.response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, challenge);
        refused
    }

    /// 503: nothing was written, and a retry may succeed soon.
    pub(super) fn unavailable(self, outcome: Outcome, message: &'static str) -> Refused {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        self.later(outcome, status, message, RETRY_LATER)
    }

    /// Adds the time to wait, in whole seconds and at least one.
    fn later(
        self,
        outcome: Outcome,
        status: StatusCode,
        message: &'static str,
        wait: Duration,
    ) -> Refused {
        let mut refused = self.refuse(outcome, status, message);
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        let seconds = seconds.to_string();
        let headers = refused.response.headers_mut();
        headers.insert(
            RETRY_AFTER,
            seconds.parse().expect("digits are a header value"),
        );
        refused
    }

    /// 503 for a call of which nobody can say whether it was executed.
    pub(super) fn unknown(self) -> Refused {
        let message = "Nobody can say whether the call was executed; send it again";
        self.unavailable(Outcome::CommitUnknown, message)
    }

    /// Status and message for a call that was not executed. Internal error messages never reach a client.
    pub(super) fn refusal(self, error: &ProvisionError) -> Refused {
        let outcome = error.outcome();
        let refuse = |status, message: &'static str| self.refuse(outcome, status, message);
        let locked = |message| refuse(StatusCode::LOCKED, message);
        let unavailable = |message| self.unavailable(outcome, message);
        match error {
            ProvisionError::UnknownWebhook => refuse(StatusCode::NOT_FOUND, "Webhook not found"),
            ProvisionError::IdempotencyConflict { header } => self.refuse(
                outcome,
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("This {header} was used for a call with other fields"),
            ),
            ProvisionError::AddressNotAllowed { .. } => refuse(
                StatusCode::FORBIDDEN,
                "This webhook cannot be called from this address",
            ),
            ProvisionError::NotSigned { flaw, .. } => self.not_signed(*flaw),
            ProvisionError::NotOfSource { flaw, .. } => {
                self.unauthorised(outcome, source_wanted(*flaw))
            }
            ProvisionError::Ignored { why, .. } => self.ignored(*why),
            ProvisionError::ProtectionNotMet { .. } => refuse(
                StatusCode::FORBIDDEN,
                "The call did not meet the webhook's protection when it came",
            ),
            ProvisionError::EmailRequired => locked("Email is required"),
            ProvisionError::EmailTooLong => locked("Email may not be longer than 100 characters."),
            ProvisionError::UnreadableWebhook(_) => locked("Webhook is not readable"),
            ProvisionError::NoFreeName => locked("No free username was found for this user."),
            error if error.is_unstorable() => {
                locked("A name is too long, or has characters that this site cannot store.")
            }
            error if error.leaves_outcome_unknown() => self.unknown(),
            ProvisionError::Crowded => {
                unavailable("Too many new members at once, nothing was changed")
            }
            _ => unavailable("The call could not be executed now, nothing was changed"),
        }
    }

    fn json(self, status: StatusCode, body: &impl Serialize) -> HttpResponse {
        let mut response = self.begin(status);
        response.insert_header((CONTENT_TYPE, "application/json; charset=UTF-8"));
        response.body(php_json(body))
    }

    /// A response that is not to be stored.
    fn begin(self, status: StatusCode) -> HttpResponseBuilder {
        let cache_control = if self.version.is_none_or(Version::forbids_storing_replies) {
            "no-cache, must-revalidate, max-age=0, no-store, private"
        } else {
            "no-cache, must-revalidate, max-age=0"
        };
        let mut response = HttpResponse::build(status);
        response
            .insert_header((EXPIRES, "Wed, 11 Jan 1984 05:00:00 GMT"))
            .insert_header((CACHE_CONTROL, cache_control));
        response
    }
}

fn source_wanted(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Missing => "Signature required: the sender's signature or secret is missing",
        Flaw::Wrong => "The sender's signature or secret is wrong",
        Flaw::Untimely => "The signature is more than 5 minutes off",
        Flaw::Reading => "The Content-Type is not that of the signed body",
    }
}

fn signature_wanted(flaw: SignatureFlaw) -> &'static str {
    match flaw {
        SignatureFlaw::Missing => {
            "Signature required: send webhook-id, webhook-timestamp and webhook-signature"
        }
        SignatureFlaw::Id => {
            "A webhook-id must have 1 to 255 visible ASCII characters, and no full stop"
        }
        SignatureFlaw::Untimely => "The webhook-timestamp is more than 5 minutes off",
        SignatureFlaw::Wrong => "The webhook-signature is wrong",
        SignatureFlaw::Reading => "The Content-Type is not that of the signed body",
    }
}

/// JSON as PHP's `json_encode` writes it without flags.
fn php_json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, PhpFormatter))
        .expect("plain structs are always JSON");
    bytes
}

struct PhpFormatter;

impl Formatter for PhpFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_escaped = |character: char| !matches!(character, ' '..='.' | '0'..='~');
        let mut units = [0; 2];
        for run in fragment.split_inclusive(is_escaped) {
            let mut rest = run.chars();
            match rest.next_back() {
                Some('/') => write!(writer, "{}\\/", rest.as_str())?,
                Some(last) if is_escaped(last) => {
                    writer.write_all(rest.as_str().as_bytes())?;
                    for unit in last.encode_utf16(&mut units) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
                _ => writer.write_all(run.as_bytes())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped_as_php_escapes_it() {
        let body = Failure {
            status: "error",
            message: "a/b \"é\" 😀",
        };
        assert_eq!(
            String::from_utf8(php_json(&body)).unwrap(),
            r#"{"status":"error","message":"a\/b \"\u00e9\" \ud83d\ude00"}"#
        );
    }
}
