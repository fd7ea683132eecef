//! `Idempotency-Key` and `webhook-id`: a call that has been executed is known by its name, and gets the first answer
//! again instead of a second run. Follows the IETF draft of the former and the Standard Webhooks specification of the
//! latter. Has no counterpart in PHP.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Maximum length of a name, in characters.
const LONGEST: usize = 255;

/// Keeps ids apart from equal keys, in which this byte cannot occur.
const OF_WEBHOOK_ID: &[u8] = b"webhook-id\0";

/// The same for lines of a list that is imported.
const OF_LINE: &[u8] = b"line\0";

/// The same for names that senders give their events.
const OF_EVENT: &[u8] = b"event\0";

/// The same for calls that are carried out later and have no name of their own.
const OF_CALL: &[u8] = b"call\0";

/// Identifies a repeated call. Only hashes are kept: a key may be an order number, and a form holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Hash of the call's name. It is unique per webhook: see the tables' unique indexes.
    pub(super) key: [u8; 32],
    /// Hash of the form's fields, keyed with the call's name.
    pub(super) fields: [u8; 32],
    /// Nobody had used the key a moment ago, so the call need not look for it: if somebody has meanwhile, its own run
    /// meets the unique index, and the next attempt looks.
    pub(super) is_unused: bool,
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
        if is_name(header) {
            Ok(Self::named(&[], header, repeated))
        } else {
            Err(InvalidKey)
        }
    }

    /// The same for the `webhook-id` of a signed call; `None` if it is none.
    pub fn of_signed<'a>(
        webhook_id: &[u8],
        repeated: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        is_webhook_id(webhook_id).then(|| Self::named(OF_WEBHOOK_ID, webhook_id, repeated))
    }

    /// For a line of a list: lines with the same fields are one call, in whichever file they stand. Those that are carried out again, under
    /// a word for it, are others.
    pub fn of_line(repeated: [&[u8]; 4], again: Option<&str>) -> Self {
        let mut name = Sha256::new();
        for field in repeated.into_iter().chain(again.map(str::as_bytes)) {
            name.update((field.len() as u64).to_be_bytes());
            name.update(field);
        }
        Self::named(OF_LINE, &name.finalize(), repeated)
    }

    /// The same for the name that a sender gives an event, whatever it looks like.
    pub fn of_event<'a>(name: &[u8], repeated: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::named(OF_EVENT, name, repeated)
    }

    /// For a call that has no name of its own, by its random id.
    pub(super) fn of_call<'a>(
        call_id: &[u8; 16],
        repeated: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        Self::named(OF_CALL, call_id, repeated)
    }

    fn named<'a>(kind: &[u8], name: &[u8], repeated: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut fields =
            Hmac::<Sha256>::new_from_slice(name).expect("HMAC takes keys of any length");
        for field in repeated {
            fields.update(&(field.len() as u64).to_be_bytes());
            fields.update(field);
        }
        Self {
            key: Sha256::new()
                .chain_update(kind)
                .chain_update(name)
                .finalize()
                .into(),
            fields: fields.finalize().into_bytes().into(),
            is_unused: false,
        }
    }
}

fn is_name(header: &[u8]) -> bool {
    let is_visible = header.iter().all(|byte| (b' '..=b'~').contains(byte));
    !header.trim_ascii().is_empty() && header.len() <= LONGEST && is_visible
}

/// Whether this can be the id of a signed call. A full stop separates it from the rest of the signed text: with one in
/// it, the same text could be cut into another id, time and body.
pub(super) fn is_webhook_id(id: &[u8]) -> bool {
    is_name(id) && !id.contains(&b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_key_and_has_no_full_stop() {
        let fields = || [&b"ann@example.com"[..]];
        let key = Idempotency::of(b"order 1", fields()).unwrap();
        let id = Idempotency::of_signed(b"order 1", fields()).unwrap();
        assert_eq!(key.fields, id.fields);
        assert_ne!(key.key, id.key);
        for name in ["", " ", "caf\u{e9}", "a\nb", &"a".repeat(256)] {
            assert!(Idempotency::of(name.as_bytes(), fields()).is_err());
            assert!(Idempotency::of_signed(name.as_bytes(), fields()).is_none());
        }
        assert!(Idempotency::of(b"order.1", fields()).is_ok());
        assert!(Idempotency::of_signed(b"order.1", fields()).is_none());
    }
}
