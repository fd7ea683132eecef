//! Creates password reset keys. Mirrors `get_password_reset_key` (the hash it stores) and `wp_fast_hash`, WordPress 5.9
//! to 7.1.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blake2::Blake2bMac;
use blake2::digest::consts::U30;
use blake2::digest::{KeyInit, Mac};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::password::{self, HashError, Scheme};
use super::version::Version;

/// Length of a key in characters.
const LENGTH: usize = 20;
/// The key that WordPress 6.8 and later use for `BLAKE2b`.
const FAST_HASH_KEY: &[u8] = b"wp_fast_hash_6.8+";

/// A new key: 20 letters and digits.
pub fn generate() -> SecretString {
    password::generate(LENGTH)
}

/// The value of `user_activation_key`: the Unix time, a colon and a hash that the site's WordPress version can verify.
///
/// # Errors
/// The operating system provides no random salt.
pub fn stored(
    key: &SecretString,
    version: Version,
    now: DateTime<Utc>,
) -> Result<String, HashError> {
    let key = key.expose_secret().as_bytes();
    let hash = if version.uses_bcrypt() {
        fast_hash(key)
    } else {
        password::hash(key, Scheme::Phpass)?
    };
    Ok(format!("{}:{hash}", now.timestamp()))
}

/// `$generic$` and 40 characters; WordPress 6.8 and later use it for all random secrets.
pub(super) fn fast_hash(key: &[u8]) -> String {
    let mut mac = Blake2bMac::<U30>::new_from_slice(FAST_HASH_KEY)
        .expect("the key is shorter than BLAKE2b's longest");
    mac.update(key);
    format!(
        "$generic${}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_hash_is_the_recorded_one() {
        for (key, hash) in [
            (
                "ABCDEFGHIJKLMNOPQRST",
                "$generic$UfGbgbsqeDuSn8PJFpjz07u2zubyNUvlCRO1D3XA",
            ),
            (
                "abcdefghij0123456789",
                "$generic$WYcRtPA0V--aYofWnjGq2WaslhE2LbeMEUhgLKXJ",
            ),
            (
                "LvbEW60J8SEPud2UrQb4",
                "$generic$i4xH9VVTIBN8zEh02vP4a4qqS_Pz-6bdBx8T3crr",
            ),
        ] {
            assert_eq!(fast_hash(key.as_bytes()), hash);
        }
    }

    #[test]
    fn each_version_gets_the_hash_that_it_verifies() {
        let key = generate();
        let now = DateTime::from_timestamp(1_795_416_815, 0).unwrap();
        let old = stored(&key, Version::new(6, 7, 0), now).unwrap();
        let (time, hash) = old.split_once(':').unwrap();
        assert_eq!(time, "1795416815");
        assert!(password::verify(key.expose_secret().as_bytes(), hash));
        assert!(
            stored(&key, Version::new(6, 8, 0), now)
                .unwrap()
                .starts_with("1795416815:$generic$")
        );
    }
}
