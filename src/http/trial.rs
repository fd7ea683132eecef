//! A call that is only tried: read as any other call, without what comes from its sender.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::fields::{Fields, FormError};
use super::posted::Posted;
use super::reply::{EXECUTED, Replies};
use super::signed::begins_as_json;
use super::{sourced, webhook};
use crate::provision::{Caller, ProvisionError, SourceRead, WebhookCall, WebhookKey};
use crate::source::{Bodies, Mapped, Reading, Received, Source};

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

/// Reads a body with a source, as of its sender: no signature is asked for. A body without a `Content-Type` is what its source reads;
/// of one that reads both, what begins like JSON is taken for it.
///
/// # Errors
/// A form with too many fields.
pub fn read(
    source: &Source,
    body: &[u8],
    headers: Arc<[(String, String)]>,
    max_fields: usize,
) -> Result<Reading, FormError> {
    let mut declared = headers.iter();
    let declared = declared.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let declared = declared.map_or_else(|| likely_type(source, body), |(_, kind)| kind.as_str());
    let form = match Posted::of(Some(declared.as_bytes()), Some(source)) {
        Some(Posted::Form(kind)) => {
            // A line end at the end is the editor's.
            let form = Fields::new(max_fields).keeping_pairs();
            Some(kind.read_into(body.trim_ascii_end(), form)?.take_pairs())
        }
        Some(Posted::Json) | None => None,
    };
    let unsigned = Source {
        signature: None,
        ..source.clone()
    };
    Ok(unsigned.read(Received {
        body,
        form,
        headers,
        at: DateTime::UNIX_EPOCH,
        reads_one_way: true,
    }))
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

/// The call that a body is to its source.
pub fn call_of(
    key: WebhookKey,
    source: &Arc<Source>,
    mapped: &Mapped,
    now: DateTime<Utc>,
) -> WebhookCall {
    let mut fields = Fields::new(FIELDS.len());
    sourced::fill(source, mapped, &mut fields);
    call(key, Some(source), fields, now)
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
