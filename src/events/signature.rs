//! Authenticates us to the plugin: an HMAC-SHA256 over the time and the requested action, with the shared secret. A
//! recorded request can be replayed for a while, but it only means "look for events".

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Unix seconds and the signature in hexadecimal, as sent in the two headers.
pub(super) fn sign(secret: &SecretString, now: DateTime<Utc>, purpose: &str) -> (String, String) {
    let time = now.timestamp().to_string();
    let key = secret.expose_secret().trim().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{time}.{purpose}").as_bytes());
    (time, hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hash_hmac( 'sha256', '1710000000.wake', 'a secret of some length' )` in PHP 8.2.
    #[test]
    fn the_signature_is_php_s() {
        let now = DateTime::from_timestamp(1_710_000_000, 0).unwrap();
        let (time, signature) = sign(&"a secret of some length\n".into(), now, "wake");
        assert_eq!(time, "1710000000");
        assert_eq!(
            signature,
            "9f0b2dddbac7e54bf7bc18a654e9f31f42644134532c2c6a478b3d3d6911d309"
        );
    }
}
