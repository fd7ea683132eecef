//! A call that is only tried: read as any other call, without what comes from its sender.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::fields::{Fields, FormError};
use super::posted::{Posted, wanted};
use super::reply::{EXECUTED, Replies};
use super::signed::begins_as_json;
use super::{sourced, webhook};
use crate::provision::{Caller, ProvisionError, SourceRead, WebhookCall, WebhookKey};
use crate::source::{Bodies, Field, Flaw, Malformed, Mapped, Reading, Received, Source};
use crate::wordpress::php::loose;

/// The fields that a webhook reads, by name.
pub const FIELDS: [&str; 5] = [
    "email",
    "first_name",
    "last_name",
    "user_login",
    "user_password",
];

/// A form with these values of [`FIELDS`].
pub fn form(values: [Option<Vec<u8>>; 5]) -> Fields {
    let mut form = Fields::new(FIELDS.len());
    for (name, value) in FIELDS.into_iter().zip(values) {
        if let Some(value) = value {
            // It has room for all of them.
            let _ = form.push(name.as_bytes(), value);
        }
    }
    form
}

/// The call with these fields, over HTTPS, as from an allowed address and with a valid signature. What the webhook's source says of
/// any call holds for it, too: nobody is created where it only takes away, and addresses are tidied.
pub fn call(
    key: WebhookKey,
    source: Option<&Arc<Source>>,
    mut fields: Fields,
    now: DateTime<Utc>,
) -> WebhookCall {
    if let Some(source) = source {
        sourced::tidy(source, &mut fields);
    }
    let caller = Caller {
        address: None,
        arrived: now,
        signed: None,
        sourced: [].into(),
        protections: [].into(),
        request_id: None,
        is_address_recorded: false,
        met: None,
    };
    let call = webhook::call(key, &fields, true, caller);
    call.heeding(source.map(|source| SourceRead::of(source)))
}

/// What a body is to its source.
pub enum Body {
    /// A call with these fields.
    Call(Mapped, Fields),
    /// The sender's test.
    Ping,
    /// `only_if` does not hold.
    Ignored,
}

/// Why a body is not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It has a type that the source does not read.
    #[error("The call would be answered with 415: {0}")]
    Type(&'static str),
    /// It is no form that can be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// It is no JSON that can be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is not the sender's.
    #[error(transparent)]
    Unsigned(#[from] Flaw),
}

/// Reads a body with a source, as of its sender: no signature is asked for. A body without a `Content-Type` is what its source reads;
/// of one that reads both, what begins like JSON is taken for it.
///
/// # Errors
/// A call with it would be refused.
pub fn read(
    source: &Source,
    body: &[u8],
    headers: Arc<[(String, String)]>,
    max_fields: usize,
) -> Result<Body, Unread> {
    let mut declared = headers.iter();
    let declared = declared.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let declared = declared.map_or_else(|| likely_type(source, body), |(_, kind)| kind.as_str());
    let mut fields = Fields::new(max_fields).keeping_pairs();
    let form = match Posted::of(Some(declared.as_bytes()), Some(source)) {
        Some(Posted::Form(kind)) => {
            // A line end at the end is the editor's.
            fields = kind.read_into(body.trim_ascii_end(), fields)?;
            Some(fields.take_pairs())
        }
        Some(Posted::Json) => None,
        None => return Err(Unread::Type(wanted(source.bodies))),
    };
    let is_json = form.is_none();
    let unsigned = Source {
        signature: None,
        ..source.clone()
    };
    let reading = unsigned.read(Received {
        body,
        form,
        headers,
        at: DateTime::UNIX_EPOCH,
        reads_one_way: true,
    });
    match reading {
        Reading::Call(mapped) => {
            sourced::fill(source, &mapped, is_json, &mut fields);
            Ok(Body::Call(as_filled(mapped, &fields), fields))
        }
        Reading::Ping => Ok(Body::Ping),
        Reading::Ignored(_) => Ok(Body::Ignored),
        Reading::Malformed(malformed) => Err(malformed.into()),
        Reading::Unsigned(flaw) => Err(flaw.into()),
    }
}

/// With the values that the call has: PHP's form is read by other rules than one that is mapped, and an address is tidied.
fn as_filled(mapped: Mapped, fields: &Fields) -> Mapped {
    let filled = Field::ALL.into_iter().filter_map(|field| {
        let value = fields.text(field.name());
        let value = value.filter(|value| !loose::is_empty(value))?;
        let mut found = mapped.fields.iter();
        let from = found.find(|(one, ..)| *one == field);
        let from = from.map_or(field.name(), |(.., from)| from);
        let value = String::from_utf8_lossy(value).into_owned();
        Some((field, value, from.to_owned()))
    });
    let fields = filled.collect();
    Mapped { fields, ..mapped }
}

/// The type that a body's sender would declare.
fn likely_type(source: &Source, body: &[u8]) -> &'static str {
    let is_test = |field: &String| {
        let rest = body.strip_prefix(field.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"="))
    };
    let is_json = match source.bodies {
        Bodies::Json => !source.ping_field.as_ref().is_some_and(is_test),
        Bodies::Form => false,
        Bodies::Any => begins_as_json(body),
    };
    if is_json {
        "application/json"
    } else {
        "application/x-www-form-urlencoded"
    }
}

/// The status and the message of the answer to a call that was tried, or carried out later.
pub fn answer<T>(ended: &Result<T, ProvisionError>) -> (u16, String) {
    match ended {
        Ok(_) => (200, EXECUTED.to_owned()),
        Err(error) => {
            let refused = Replies { version: None }.refusal(error);
            let status = refused.response.status().as_u16();
            (status, refused.message.into_owned())
        }
    }
}
