//! A parsed webhook call. No later code looks at raw input again.

use std::fmt;

use secrecy::SecretSlice;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Caller, Idempotency, ProvisionError, SourceRead};
use crate::fluentcommunity::webhook::Webhook;
use crate::fluentcommunity::webhooks::old_keys;
use crate::outcome::EmailSent;
use crate::source::without_padding;
use crate::wordpress::php::loose;
use crate::wordpress::sanitize::email::{is_email, stored_email};

/// `user_email` holds 100 characters.
const EMAIL_LENGTH: usize = 100;
/// No text longer than this, in bytes, is examined whether it is an address.
const LONGEST_EXAMINED: usize = 4096;

/// One webhook call. Texts are as typed: WordPress's slashes are added where PHP sees them.
pub struct WebhookCall {
    /// Identifies this call in the run record, so that a retry after a lost commit does not run it twice.
    pub id: [u8; 16],
    /// The webhook's secret.
    pub key: WebhookKey,
    /// The address, or why it is invalid; an unknown key is reported first.
    pub email: Result<Email, ProvisionError>,
    /// Raw bytes, possibly not UTF-8; empty if missing.
    pub first_name: Vec<u8>,
    /// Like `first_name`.
    pub last_name: Vec<u8>,
    /// The requested login; `None` if missing, empty or `0`.
    pub user_login: Option<Vec<u8>>,
    /// The requested password; `None` if missing, empty or `0`.
    pub user_password: Option<SecretSlice<u8>>,
    /// Whether the client used HTTPS.
    pub https: bool,
    /// Identifies a repeated call, if the caller sent an `Idempotency-Key`.
    pub idempotency: Option<Idempotency>,
    /// The same by its `webhook-id`, if it sent signatures.
    pub signed: Option<Idempotency>,
    /// What was read of it with the webhook's source.
    pub source: Option<SourceRead>,
    /// The refused call that it carries out.
    pub retry_of: Option<u64>,
    /// The caller.
    pub caller: Caller,
    /// Whether names are kept to characters up to U+FFFF, all that columns in `utf8mb3` can hold.
    pub basic_plane: bool,
}

impl WebhookCall {
    /// The fields that identify a repeated call, without the password: a fast hash would make it guessable.
    pub fn repeated_fields(&self) -> [&[u8]; 4] {
        let email = self.email.as_ref().map(|email| email.given().as_bytes());
        [
            email.unwrap_or_default(),
            &self.first_name,
            &self.last_name,
            self.user_login.as_deref().unwrap_or_default(),
        ]
    }

    /// Its `webhook-id`, which counts only if the webhook asks for signatures.
    pub(super) fn signed_for(&self, webhook: &Webhook) -> Option<&Idempotency> {
        let signed = self.signed.as_ref();
        signed.filter(|_| self.caller.must_sign(webhook))
    }

    /// The same call, of an operator: what the webhook's source says holds for it, too.
    #[must_use]
    pub fn heeding(mut self, source: Option<SourceRead>) -> Self {
        self.caller.sourced = source.iter().map(|read| read.webhook_id).collect();
        self.source = source;
        self
    }

    /// The same call, with names that fit into columns that cannot hold characters above U+FFFF (`utf8mb3`).
    pub(super) fn in_basic_plane(self) -> Self {
        let login = self.user_login.as_deref().map(basic_plane_bytes);
        Self {
            first_name: basic_plane_bytes(&self.first_name),
            last_name: basic_plane_bytes(&self.last_name),
            user_login: login.filter(|login| !loose::is_empty(login)),
            basic_plane: true,
            ..self
        }
    }
}

/// The text without characters above U+FFFF.
pub(super) fn basic_plane(text: &str) -> String {
    text.chars().filter(|c| c.len_utf8() < 4).collect()
}

/// The same of bytes; what is not UTF-8 is left for the sanitizers to judge.
fn basic_plane_bytes(bytes: &[u8]) -> Vec<u8> {
    let pieces = bytes.utf8_chunks();
    let pieces = pieces.flat_map(|it| [basic_plane(it.valid()).as_bytes(), it.invalid()].concat());
    pieces.collect()
}

/// A webhook's key, which is a credential: shown only as a fingerprint.
#[derive(Clone)]
pub struct WebhookKey(Vec<u8>);

impl WebhookKey {
    /// Wraps the key as received; `None` for what PHP treats as missing (empty and `0`).
    pub fn parse(key: &[u8]) -> Option<Self> {
        (!loose::is_empty(key)).then(|| Self(key.to_vec()))
    }

    /// Compares byte for byte and in constant time: the column's collation ignores case and trailing spaces, but a
    /// secret must not.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }

    /// For the indexed look-up only. It is text, because a key with non-text bytes matches nothing.
    pub(super) fn for_lookup(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The hash under which a replaced key is stored.
    pub fn hash(&self) -> [u8; 32] {
        old_keys::hash(&self.0)
    }

    /// The hash that finds a webhook whose key was replaced and whose old key is still valid, in hexadecimal digits.
    pub(super) fn old_key_hash(&self) -> String {
        hex::encode(self.hash())
    }

    /// Eight hexadecimal digits that distinguish keys in a log.
    pub fn fingerprint(&self) -> String {
        let [a, b, c, d, ..] = Sha256::digest(&self.0).0;
        format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookKey({})", self.fingerprint())
    }
}

/// A valid address, both as given and as WordPress stores it.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    given: String,
    stored: String,
}

impl Email {
    /// # Errors
    /// Not an address according to `is_email`, or one that `user_email` cannot hold.
    pub fn parse(given: &[u8]) -> Result<Self, ProvisionError> {
        if given.len() > LONGEST_EXAMINED {
            return Err(ProvisionError::EmailTooLong);
        }
        if !is_email(given) {
            return Err(ProvisionError::EmailRequired);
        }
        let stored = stored_email(given);
        let given = String::from_utf8_lossy(given).into_owned();
        if stored.is_empty() {
            return Err(ProvisionError::EmailRequired);
        }
        if given.len().max(stored.len()) > EMAIL_LENGTH {
            return Err(ProvisionError::EmailTooLong);
        }
        Ok(Self { given, stored })
    }

    /// What this text is as an address; not empty.
    pub fn sent(text: &[u8]) -> EmailSent {
        match Self::parse(text) {
            Ok(_) => EmailSent::Valid,
            Err(ProvisionError::EmailTooLong) => EmailSent::TooLong,
            Err(_) => {
                let text = String::from_utf8_lossy(text);
                match Self::parse(without_padding(&text).as_bytes()) {
                    Ok(_) => EmailSent::Padded,
                    Err(_) => EmailSent::Malformed,
                }
            }
        }
    }

    /// As given; a login is derived from its local part.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// As `wp_insert_user` stores it.
    pub fn stored(&self) -> &str {
        &self.stored
    }

    /// The address after `get_password_reset_key` has written the user back and filtered it a second time: `a&b@…`,
    /// stored as `a&amp;b@…`, becomes `a&amp;ampb@…`.
    pub fn stored_after_reset_key(&self) -> String {
        let twice: String = stored_email(self.stored.as_bytes());
        if twice.len() > EMAIL_LENGTH {
            self.stored.clone()
        } else {
            twice
        }
    }

    /// Whether WordPress would send mail to the stored form.
    pub fn receives_mail(&self) -> bool {
        is_email(self.stored.as_bytes())
    }

    /// Every form under which WordPress may have stored this address, the given one first.
    pub fn forms(&self) -> Vec<String> {
        let mut forms = vec![self.given.clone()];
        for form in [self.stored.clone(), self.stored_after_reset_key()] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// A call with only an address.
#[cfg(test)]
pub(super) fn sample_call(email: &[u8]) -> WebhookCall {
    WebhookCall {
        id: [1; 16],
        key: WebhookKey(b"key".to_vec()),
        email: Email::parse(email),
        first_name: Vec::new(),
        last_name: Vec::new(),
        user_login: None,
        user_password: None,
        https: true,
        idempotency: None,
        signed: None,
        retry_of: None,
        source: None,
        caller: Caller {
            address: None,
            arrived: chrono::DateTime::UNIX_EPOCH,
            signed: None,
            sourced: [].into(),
            protections: [].into(),
            request_id: None,
            is_address_recorded: false,
            met: None,
        },
        basic_plane: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_every_form_that_wordpress_may_have_stored() {
        let email = Email::parse(b"a&b@example.com").unwrap();
        assert_eq!(
            email.forms(),
            [
                "a&b@example.com",
                "a&amp;b@example.com",
                "a&amp;ampb@example.com"
            ]
        );
        assert!(!email.receives_mail());
        let plain = Email::parse(b"o'neil@Example.com").unwrap();
        assert_eq!(plain.forms(), ["o'neil@Example.com"]);
        assert!(plain.receives_mail());
    }

    #[test]
    fn an_address_longer_than_its_column_is_refused_in_words() {
        let longest = format!("{}@example.com", "a".repeat(88));
        assert!(Email::parse(longest.as_bytes()).is_ok());
        let error = Email::parse(format!("a{longest}").as_bytes()).unwrap_err();
        assert!(matches!(error, ProvisionError::EmailTooLong));
        assert!(matches!(
            Email::parse(b"x@localhost"),
            Err(ProvisionError::EmailRequired)
        ));
    }

    #[test]
    fn what_came_as_an_address_has_a_word() {
        let long = format!("{}@example.com", "a".repeat(100));
        for (text, sent) in [
            ("ann@example.com", EmailSent::Valid),
            (" ann@example.com", EmailSent::Padded),
            ("\u{feff}ann@example.com\u{a0}", EmailSent::Padded),
            ("ann@example.com\t\n", EmailSent::Padded),
            ("Ann <ann@example.com>", EmailSent::Malformed),
            ("ann@example.com, bob@example.com", EmailSent::Malformed),
            ("ann", EmailSent::Malformed),
            (" ", EmailSent::Malformed),
            (&long, EmailSent::TooLong),
        ] {
            assert_eq!(Email::sent(text.as_bytes()), sent, "{text:?}");
        }
    }

    #[test]
    fn a_key_and_an_address_never_show_in_debug_output() {
        let key = WebhookKey::parse(b"11111111111111111111111111111111").unwrap();
        assert!(!format!("{key:?}").contains("1111"));
        let email = Email::parse(b"jane@example.com").unwrap();
        assert!(!format!("{email:?}").contains("jane"));
    }

    #[test]
    fn what_is_not_utf8_is_not_made_so() {
        let name = b"J\xf6rg \xf0\x9f\x98\x80 \xc3\xb6";
        assert_eq!(basic_plane_bytes(name), b"J\xf6rg  \xc3\xb6");
    }

    #[test]
    fn a_key_matches_byte_for_byte() {
        let key = WebhookKey::parse(b"abc").unwrap();
        assert!(key.matches(b"abc"));
        assert!(!key.matches(b"ABC") && !key.matches(b"abc ") && !key.matches(b"ab"));
        assert!(WebhookKey::parse(b"0").is_none() && WebhookKey::parse(b"").is_none());
    }
}
