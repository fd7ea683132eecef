//! Authenticates us and the must-use plugin to each other: an HMAC-SHA256 over the time and the purpose, with the shared secret. A
//! recorded wake-up can be replayed for a while, but it only means "look for events"; the purpose of what the plugin sends has a
//! nonce in it.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Unix seconds and the signature in hexadecimal, as sent in the two headers.
pub(super) fn sign(secret: &SecretString, now: DateTime<Utc>, purpose: &str) -> (String, String) {
    let time = now.timestamp().to_string();
    let signature = signature(secret, &time, purpose);
    (time, signature)
}

/// The signature of this purpose at this time, in Unix seconds, in hexadecimal.
pub fn signature(secret: &SecretString, time: &str, purpose: &str) -> String {
    hex::encode(mac(secret, time, purpose).finalize().into_bytes())
}

/// Whether this is that signature.
pub fn is_signed(secret: &SecretString, time: &str, purpose: &str, signature: &str) -> bool {
    let given = hex::decode(signature).unwrap_or_default();
    mac(secret, time, purpose).verify_slice(&given).is_ok()
}

fn mac(secret: &SecretString, time: &str, purpose: &str) -> Hmac<Sha256> {
    let key = secret.expose_secret().trim().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{time}.{purpose}").as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hash_hmac( 'sha256', '1710000000.wake', 'a secret of some length' )` in PHP 8.2.
    #[test]
    fn the_signature_is_php_s() {
        let now = DateTime::from_timestamp(1_710_000_000, 0).unwrap();
        let secret = "a secret of some length\n".into();
        let (time, signature) = sign(&secret, now, "wake");
        assert_eq!(time, "1710000000");
        assert_eq!(
            signature,
            "9f0b2dddbac7e54bf7bc18a654e9f31f42644134532c2c6a478b3d3d6911d309"
        );
        assert!(is_signed(&secret, &time, "wake", &signature));
        for (time, purpose, signature) in [
            ("1710000001", "wake", &*signature),
            (&*time, "status", &*signature),
            (&*time, "wake", &signature[2..]),
            (&*time, "wake", ""),
        ] {
            assert!(!is_signed(&secret, time, purpose, signature));
        }
        let other = "a secret of other length".into();
        assert!(!is_signed(&other, &time, "wake", &signature));
    }
}
