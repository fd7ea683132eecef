//! Generates and hashes webhook keys.

use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// Generates a key: 32 lower-case hexadecimal digits, as the plugin writes them. The plugin hashes a UUID and the time,
/// then checks that no other webhook has the key; 128 bits from the system's generator need no such check.
///
/// # Panics
/// If the operating system's generator fails; there is no safe way to go on without it.
pub(super) fn generate() -> SecretString {
    let mut bytes = [0; 16];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system provides random numbers");
    format!("{:032x}", u128::from_be_bytes(bytes)).into()
}

/// The stored hash of a replaced key. A key is random, so it needs no salt.
pub(super) fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn keys_look_like_the_plugins_and_differ() {
        let (one, other) = (generate(), generate());
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert_eq!(one.expose_secret().len(), 32);
        assert!(one.expose_secret().bytes().all(is_digit));
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
