//! `Idempotency-Key`: a caller that may repeat a call names it, and gets the first answer again instead of a second run.
//! Follows the IETF draft of that name. Mirrors nothing in PHP.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::WebhookCall;

/// Characters of a key.
const LONGEST: usize = 255;

/// What a call is recognised by. Only hashes are kept: a key may be an order's number, and a form holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Of the caller's key. It stands for a call of one webhook: see the run record's unique index.
    pub(super) key: [u8; 32],
    /// Of the form's fields, under the caller's key. The password is left out: nobody may try passwords on a hash that
    /// is quick to make.
    pub(super) fields: [u8; 32],
}

/// A header that names nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Idempotency-Key must have 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl Idempotency {
    /// From the header as it came in, for a call that has everything else.
    ///
    /// # Errors
    /// Empty, too long, or with other characters than visible ASCII.
    pub fn of(header: &[u8], call: &WebhookCall) -> Result<Self, InvalidKey> {
        let is_visible = header.iter().all(|byte| (b' '..=b'~').contains(byte));
        if header.trim_ascii().is_empty() || header.len() > LONGEST || !is_visible {
            return Err(InvalidKey);
        }
        let mut fields = Hmac::<Sha256>::new_from_slice(header).map_err(|_| InvalidKey)?;
        let email = call.email.as_ref().map(|email| email.given().as_bytes());
        for field in [
            email.unwrap_or_default(),
            &call.first_name,
            &call.last_name,
            call.user_login.as_deref().unwrap_or_default(),
        ] {
            fields.update(&(field.len() as u64).to_be_bytes());
            fields.update(field);
        }
        Ok(Self {
            key: Sha256::digest(header).into(),
            fields: fields.finalize().into_bytes().into(),
        })
    }
}
