//! Verifies signed calls according to the Standard Webhooks specification (version 1.0.0, symmetric signatures).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::idempotency::is_webhook_id;

/// How far the caller's clock may differ from ours, and for how long a recorded call can be sent again; executed calls
/// are remembered for at least an hour.
pub(super) const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// A call's signatures and the content that they cover. They can only be checked once the webhook is known.
pub struct Signed {
    /// `webhook-id`.
    pub id: Vec<u8>,
    /// `webhook-timestamp`.
    pub timestamp: Vec<u8>,
    /// `webhook-signature`: signatures with their versions, separated by spaces.
    pub signatures: Vec<u8>,
    /// The body, byte for byte.
    pub body: SecretSlice<u8>,
    /// Whether the body can be read in the way in which it was read only: its type is not signed.
    pub reads_one_way: bool,
}

/// Why a call does not count as signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFlaw {
    /// The three headers are not all present exactly once.
    #[error("the call is not signed: it needs webhook-id, webhook-timestamp and webhook-signature")]
    Missing,
    /// It could be cut from the signed text in several ways, or cannot be remembered.
    #[error("webhook-id is empty, too long, or has a full stop")]
    Id,
    /// Too old, too far in the future, or not a timestamp.
    #[error("webhook-timestamp is not within 5 minutes of now")]
    Untimely,
    /// Made with another secret, over another body, or with another version.
    #[error("webhook-signature does not fit the call")]
    Wrong,
    /// The body can be read in another way than the declared one.
    #[error("the content type is not that of the signed body")]
    Reading,
}

impl Signed {
    /// Whether one of the signatures was made with one of these keys, close to `now`.
    ///
    /// # Errors
    /// See [`SignatureFlaw`].
    pub fn verify(
        &self,
        keys: &[SecretSlice<u8>],
        now: DateTime<Utc>,
    ) -> Result<(), SignatureFlaw> {
        if !is_webhook_id(&self.id) {
            return Err(SignatureFlaw::Id);
        }
        let is_late = |signed_at: DateTime<Utc>| (now - signed_at).abs() > TOLERANCE;
        if self.signed_at().is_none_or(is_late) {
            return Err(SignatureFlaw::Untimely);
        }
        self.verify_at_any_time(keys)
    }

    /// When it was signed, according to its sender.
    pub(super) fn signed_at(&self) -> Option<DateTime<Utc>> {
        let seconds = std::str::from_utf8(&self.timestamp)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok());
        seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0))
    }

    /// Whether one of the signatures was made with one of these keys, whenever that was.
    ///
    /// # Errors
    /// See [`SignatureFlaw`].
    pub(super) fn verify_at_any_time(&self, keys: &[SecretSlice<u8>]) -> Result<(), SignatureFlaw> {
        if !is_webhook_id(&self.id) {
            return Err(SignatureFlaw::Id);
        }
        let signatures: Vec<Vec<u8>> = self
            .signatures
            .split(|&byte| byte == b' ')
            .filter_map(|one| one.strip_prefix(b"v1,"))
            .filter_map(|encoded| STANDARD.decode(encoded).ok())
            .collect();
        let fits = |key: &SecretSlice<u8>| {
            let mac = self.mac(key.expose_secret());
            // `verify_slice` takes the same time however much of a signature is right.
            signatures
                .iter()
                .any(|signature| mac.clone().verify_slice(signature).is_ok())
        };
        if !keys.iter().any(fits) {
            return Err(SignatureFlaw::Wrong);
        }
        if self.reads_one_way {
            Ok(())
        } else {
            Err(SignatureFlaw::Reading)
        }
    }

    fn mac(&self, key: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        for part in [&self.id, &b"."[..], &self.timestamp, b"."] {
            mac.update(part);
        }
        mac.update(self.body.expose_secret());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example from the specification and its reference libraries.
    const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const TIME: i64 = 1_614_265_330;

    fn key(text: &str) -> SecretSlice<u8> {
        SecretSlice::from(STANDARD.decode(text).unwrap())
    }

    fn verdict(
        signatures: &str,
        timestamp: &str,
        body: &str,
        keys: &[&str],
        seconds_later: i64,
    ) -> Result<(), SignatureFlaw> {
        let signed = Signed {
            id: b"msg_p5jXN8AQM9LWM0D4loKWxJek".to_vec(),
            timestamp: timestamp.into(),
            signatures: signatures.into(),
            body: SecretSlice::from(body.as_bytes().to_vec()),
            reads_one_way: true,
        };
        let keys: Vec<_> = keys.iter().map(|text| key(text)).collect();
        let now = DateTime::from_timestamp(TIME + seconds_later, 0).unwrap();
        signed.verify(&keys, now)
    }

    #[test]
    fn the_specification_s_example_is_right_and_nothing_else_is() {
        const BODY: &str = r#"{"test": 2432232314}"#;
        let other = "r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS";
        let time = TIME.to_string();
        let several = format!("v1a,xxxx v1,AAAA {SIGNATURE}");
        for (signatures, keys) in [
            (SIGNATURE, &[KEY][..]),
            (SIGNATURE, &[other, KEY]),
            (&several, &[KEY, other]),
        ] {
            for seconds_later in [0, 300, -300] {
                let verdict = verdict(signatures, &time, BODY, keys, seconds_later);
                assert_eq!(verdict, Ok(()), "{signatures}");
            }
        }
        for (signatures, timestamp, body, keys, later, flaw) in [
            (
                SIGNATURE,
                &*time,
                BODY,
                &[other][..],
                0,
                SignatureFlaw::Wrong,
            ),
            (SIGNATURE, &time, BODY, &[], 0, SignatureFlaw::Wrong),
            (SIGNATURE, &time, "{}", &[KEY], 0, SignatureFlaw::Wrong),
            (
                SIGNATURE,
                "1614265331",
                BODY,
                &[KEY],
                0,
                SignatureFlaw::Wrong,
            ),
            ("", &time, BODY, &[KEY], 0, SignatureFlaw::Wrong),
            ("v1,", &time, BODY, &[KEY], 0, SignatureFlaw::Wrong),
            (
                &SIGNATURE[..20],
                &time,
                BODY,
                &[KEY],
                0,
                SignatureFlaw::Wrong,
            ),
            (
                &SIGNATURE.replace("v1", "v2"),
                &time,
                BODY,
                &[KEY],
                0,
                SignatureFlaw::Wrong,
            ),
            (SIGNATURE, &time, BODY, &[KEY], 301, SignatureFlaw::Untimely),
            (
                SIGNATURE,
                &time,
                BODY,
                &[KEY],
                -301,
                SignatureFlaw::Untimely,
            ),
            (SIGNATURE, "", BODY, &[KEY], 0, SignatureFlaw::Untimely),
            (
                SIGNATURE,
                "+1614265330",
                BODY,
                &[KEY],
                0,
                SignatureFlaw::Untimely,
            ),
            (
                SIGNATURE,
                "9223372036854775807",
                BODY,
                &[KEY],
                0,
                SignatureFlaw::Untimely,
            ),
        ] {
            let verdict = verdict(signatures, timestamp, body, keys, later);
            assert_eq!(
                verdict,
                Err(flaw),
                "{signatures} {timestamp} {body} {later}"
            );
        }
    }

    /// What is signed is one text, in which nothing but full stops separates the id, the time and the body.
    #[test]
    fn a_signed_text_can_be_cut_in_one_way() {
        for text in [
            "msg_1.1614265330.first_name=A.1614265331.&email=b",
            "1.2.3.4.5",
            "a.1..2.b",
            "a.b.1614265330.email=a",
            ".1.",
        ] {
            let stops: Vec<usize> = text.match_indices('.').map(|(at, _)| at).collect();
            let cuts = stops.iter().flat_map(|&first| {
                let later = stops.iter().filter(move |&&second| second > first);
                later.map(move |&second| (&text[..first], &text[first + 1..second]))
            });
            let is_number = |time: &str| time.bytes().all(|byte| byte.is_ascii_digit());
            let valid = cuts.filter(|(id, time)| is_webhook_id(id.as_bytes()) && is_number(time));
            assert!(valid.count() <= 1, "{text}");
        }
    }
}
