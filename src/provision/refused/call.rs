//! What is remembered of a refused call.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::{FieldNames, KeptCall, WebhookCall, WebhookKey};
use crate::outcome::{EmailSent, Outcome};

/// Who called, as far as a refusal is recorded with it.
#[derive(Clone)]
pub struct Asker {
    /// The hash of the key, which may be unknown.
    pub(super) key: [u8; 32],
    /// The address in the form that WordPress would store.
    pub(super) address: Option<String>,
}

impl Asker {
    /// Of a call.
    pub fn of(call: &WebhookCall) -> Self {
        let address = call.email.as_ref().ok();
        Self {
            key: call.key.hash(),
            address: address.map(|email| email.stored().to_owned()),
        }
    }

    /// Of a request whose form was not read.
    pub fn unread(key: &WebhookKey) -> Self {
        Self {
            key: key.hash(),
            address: None,
        }
    }
}

/// What is remembered of a form: no value.
pub struct FormSeen {
    /// What came as address.
    pub email: EmailSent,
    /// The names of the fields.
    pub names: FieldNames,
}

/// A request that was refused.
pub struct RefusedCall {
    /// Who called.
    pub asker: Asker,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub outcome: Outcome,
    /// The status of the answer.
    pub status: u16,
    /// What the answer said.
    pub message: Cow<'static, str>,
    /// The name of the request.
    pub request_id: Option<Arc<str>>,
    /// Where it came from, if that is recorded.
    pub client: Option<IpAddr>,
    /// The declared type of the body, at most 100 ASCII characters.
    pub content_type: Option<String>,
    /// The declared length of the body, in bytes.
    pub content_length: Option<u64>,
    /// `None` if it was not read.
    pub form: Option<FormSeen>,
    /// What the call can be carried out from later, if fields are kept.
    pub kept: Option<KeptCall>,
}
