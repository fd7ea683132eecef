//! Hashes of e-mail addresses, for records from which an address can be found but not read.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Sets these hashes apart from others made with the same secret.
const PURPOSE: &str = "fcom-sidecar: addresses of refused calls";

/// Makes the hashes of one site. The key is derived from the database password, which is in no dump of the tables, is
/// the same for every instance and for the commands, and does not have to be kept anywhere.
pub struct AddressHashes(SecretString);

impl AddressHashes {
    /// With this password of the database account.
    pub(super) fn new(password: SecretString) -> Self {
        Self(password)
    }

    /// The first half of the HMAC; upper and lower case are one, as in WordPress.
    pub fn of(&self, address: &str) -> [u8; 16] {
        let key = Sha256::new()
            .chain_update(PURPOSE)
            .chain_update([0])
            .chain_update(self.0.expose_secret())
            .finalize();
        let hash = hmac(&key, address.to_lowercase().as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        half
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_again_with_the_same_password_only() {
        let hashes = AddressHashes::new("one".into());
        assert_eq!(hashes.of("Ann@Example.com"), hashes.of("ann@example.com"));
        assert_ne!(hashes.of("ann@example.com"), hashes.of("ann@example.org"));
        let other = AddressHashes::new("two".into());
        assert_ne!(hashes.of("ann@example.com"), other.of("ann@example.com"));
    }
}
