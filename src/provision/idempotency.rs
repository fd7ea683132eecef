//! `Idempotency-Key`: a caller that may repeat a call names it, and gets the first answer again instead of a second
//! run. Follows the IETF draft of that name. Has no counterpart in PHP.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Maximum length of a key, in characters.
const LONGEST: usize = 255;

/// Identifies a repeated call. Only hashes are kept: a key may be an order number, and a form holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Hash of the caller's key. It is unique per webhook: see the run record's unique index.
    pub(super) key: [u8; 32],
    /// Hash of the form's fields, keyed with the caller's key.
    pub(super) fields: [u8; 32],
}

/// An invalid header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Idempotency-Key must have 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl Idempotency {
    /// Parses the header as received, with the fields that identify a repeated call.
    ///
    /// # Errors
    /// Empty, too long, or with characters other than visible ASCII.
    pub fn of<'a>(
        header: &[u8],
        repeated: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, InvalidKey> {
        let is_visible = header.iter().all(|byte| (b' '..=b'~').contains(byte));
        if header.trim_ascii().is_empty() || header.len() > LONGEST || !is_visible {
            return Err(InvalidKey);
        }
        let mut fields = Hmac::<Sha256>::new_from_slice(header).map_err(|_| InvalidKey)?;
        for field in repeated {
            fields.update(&(field.len() as u64).to_be_bytes());
            fields.update(field);
        }
        Ok(Self {
            key: Sha256::digest(header).into(),
            fields: fields.finalize().into_bytes().into(),
        })
    }
}
