//! How senders prove that a call is theirs: the forms of HMAC-SHA256 that shops and form builders use, and plain secrets. Secrets are
//! compared in constant time.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::path::Path;
use super::tree::Tree;

/// How far a signed time may be from ours.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// How a sender signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemeKind {
    /// `t=…,v1=…`, over time and body.
    Stripe,
    /// Base64 over the body.
    Base64,
    /// `sha256=` and base64 over the body.
    PrefixedBase64,
    /// `sha256=` and hexadecimal digits over the body.
    PrefixedHex,
    /// The secret itself, in a header.
    Header,
    /// The secret itself, in a field of the body.
    BodyField,
    /// `user:password` as HTTP Basic has it.
    Basic,
}

/// What a sender's calls must have.
#[derive(Debug, Clone)]
pub struct Signature {
    /// How it signs.
    pub kind: SchemeKind,
    /// The header in which it does so.
    pub header: String,
    /// The field that holds the secret, for [`SchemeKind::BodyField`].
    pub field: Option<Path>,
    /// One of these is the sender's.
    pub secrets: Arc<[SecretSlice<u8>]>,
}

/// Why a call does not count as the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The header or field is not there exactly once.
    #[error("the signature is missing")]
    Missing,
    /// Made with another secret, or over another body.
    #[error("the signature is wrong")]
    Wrong,
    /// Signed too long ago, or in the future.
    #[error("the signature is not from within 5 minutes of now")]
    Untimely,
    /// The body can be read in another way than the declared one.
    #[error("the content type is not that of the signed body")]
    Reading,
}

impl Signature {
    /// Whether the secret is in the body, which has to be read first.
    pub(super) fn is_in_body(&self) -> bool {
        self.kind == SchemeKind::BodyField
    }

    /// Whether this is the sender's call. `header` is its value, if there is exactly one.
    pub(super) fn verify(
        &self,
        header: Option<&str>,
        body: &[u8],
        reads_one_way: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Flaw> {
        let header = header.ok_or(Flaw::Missing)?;
        let right = match self.kind {
            SchemeKind::Stripe => self.verify_stripe(header, body, now)?,
            SchemeKind::Base64 => self.is_mac(STANDARD.decode(header).ok(), &[body]),
            SchemeKind::PrefixedBase64 => {
                let encoded = header.strip_prefix("sha256=");
                self.is_mac(encoded.and_then(|one| STANDARD.decode(one).ok()), &[body])
            }
            SchemeKind::PrefixedHex => {
                let encoded = header.strip_prefix("sha256=");
                self.is_mac(encoded.and_then(|one| hex::decode(one).ok()), &[body])
            }
            SchemeKind::Header => return self.verify_plain(header.as_bytes()),
            SchemeKind::Basic => {
                let encoded = header
                    .get(..6)
                    .filter(|scheme| scheme.eq_ignore_ascii_case("basic "));
                let encoded = encoded.and_then(|_| STANDARD.decode(header[6..].trim()).ok());
                return self.verify_plain(&encoded.ok_or(Flaw::Wrong)?);
            }
            SchemeKind::BodyField => return Err(Flaw::Missing),
        };
        match (right, reads_one_way) {
            (false, _) => Err(Flaw::Wrong),
            (true, false) => Err(Flaw::Reading),
            (true, true) => Ok(()),
        }
    }

    /// The same for a secret in the body.
    pub(super) fn verify_body(&self, tree: &Arc<Tree>) -> Result<(), Flaw> {
        let field = self.field.as_ref().and_then(|path| path.find(tree));
        let text = field.and_then(|tree| tree.text()).ok_or(Flaw::Missing)?;
        self.verify_plain(text.as_bytes())
    }

    fn verify_stripe(&self, header: &str, body: &[u8], now: DateTime<Utc>) -> Result<bool, Flaw> {
        let parts = || {
            header
                .split(',')
                .filter_map(|part| part.trim().split_once('='))
        };
        let time = parts().find(|(name, _)| *name == "t").map(|(_, time)| time);
        let time = time.ok_or(Flaw::Wrong)?;
        let is_right = parts()
            .filter(|(name, _)| *name == "v1")
            .take(20)
            .any(|(_, mac)| self.is_mac(hex::decode(mac).ok(), &[time.as_bytes(), b".", body]));
        if !is_right {
            return Ok(false);
        }
        let seconds = time.parse().ok();
        let signed_at = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let is_timely = signed_at.is_some_and(|at| (now - at).abs() <= TOLERANCE);
        if is_timely {
            Ok(true)
        } else {
            Err(Flaw::Untimely)
        }
    }

    fn is_mac(&self, given: Option<Vec<u8>>, parts: &[&[u8]]) -> bool {
        let Some(given) = given else {
            return false;
        };
        self.secrets.iter().any(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret())
                .expect("HMAC takes keys of any length");
            for part in parts {
                mac.update(part);
            }
            mac.verify_slice(&given).is_ok()
        })
    }

    /// Hashes are compared, so that not even the length of a secret can be measured.
    fn verify_plain(&self, given: &[u8]) -> Result<(), Flaw> {
        let given = Sha256::digest(given);
        let is_one = self.secrets.iter().fold(false, |found, secret| {
            let is_this: bool = Sha256::digest(secret.expose_secret()).ct_eq(&given).into();
            found | is_this
        });
        if is_one { Ok(()) } else { Err(Flaw::Wrong) }
    }
}
