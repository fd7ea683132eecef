//! A call that is only tried: read as any other call, without what comes from its sender.

use chrono::{DateTime, Utc};

use super::fields::Fields;
use super::reply::{EXECUTED, Replies};
use super::webhook;
use crate::provision::{Caller, ProvisionError, WebhookCall, WebhookKey};

/// The fields that a webhook reads, by name.
pub const FIELDS: [&str; 5] = [
    "email",
    "first_name",
    "last_name",
    "user_login",
    "user_password",
];

/// The call with these fields, over HTTPS, as from an allowed address and with a valid signature.
pub fn call(key: WebhookKey, fields: &Fields, now: DateTime<Utc>) -> WebhookCall {
    let caller = Caller {
        address: None,
        arrived: now,
        signed: None,
        protections: [].into(),
        request_id: None,
        is_address_recorded: false,
        met: None,
    };
    webhook::call(key, fields, true, caller)
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
