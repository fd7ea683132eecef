//! Checks a password against any form of `user_pass`, old or new.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::hash::{MAX_LENGTH, prehash};
use crate::wordpress::php::loose::trim;

/// phpass's alphabet; a character's place is its value.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Base-2 logarithms of the rounds accepted. phpass itself goes up to 30 and bcrypt up to 31, which
/// is minutes to hours of work per guess; no real site uses more than this.
const PHPASS_ROUNDS: std::ops::RangeInclusive<usize> = 7..=20;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// Whether the password (slashed) logs in to an account with this `user_pass` at `wp-login.php`.
///
/// Trims the password as the login form does. Accepts what any WordPress from 5.9 to 7.1 accepts:
/// `$P$`, `$H$`, `$wp$2y$`, plain bcrypt and MD5 in hexadecimal. Anything else is false, and no
/// stored text makes it panic.
#[must_use]
pub fn verify(password: &[u8], stored: &str) -> bool {
    let password = trim(password);
    if password.len() > MAX_LENGTH || !stored.is_ascii() {
        return false;
    }
    if stored.len() <= 32 {
        let digest = hex::encode(Md5::digest(password));
        return digest.as_bytes().ct_eq(stored.as_bytes()).into();
    }
    if let Some(hash) = stored.strip_prefix("$wp") {
        return verify_bcrypt(prehash(password).as_bytes(), hash);
    }
    if stored.starts_with("$P$") || stored.starts_with("$H$") {
        return verify_phpass(password, stored.as_bytes());
    }
    verify_bcrypt(password, stored)
}

/// Checks a phpass hash. The crate `phpass` can also do this, but it compares in variable time,
/// ignores trailing text and does not support `$H$`, so it is only used to create hashes.
fn verify_phpass(password: &[u8], stored: &[u8]) -> bool {
    let (Some(&cost), Some(salt)) = (stored.get(3), stored.get(4..12)) else {
        return false;
    };
    let Some(rounds) = ALPHABET
        .iter()
        .position(|&character| character == cost)
        .filter(|rounds| PHPASS_ROUNDS.contains(rounds))
    else {
        return false;
    };
    let mut digest = Md5::new_with_prefix(salt).chain_update(password).finalize();
    for _ in 0..1_u32 << rounds {
        digest = Md5::new_with_prefix(digest)
            .chain_update(password)
            .finalize();
    }
    encode(&digest).ct_eq(&stored[12..]).into()
}

/// phpass's base 64: groups of three bytes, little-endian, lowest six bits first.
pub(super) fn encode(digest: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(22);
    for group in digest.chunks(3) {
        let mut bits = group
            .iter()
            .rev()
            .fold(0, |bits, &byte| bits << 8 | usize::from(byte));
        for _ in 0..=group.len() {
            encoded.push(ALPHABET[bits & 63]);
            bits >>= 6;
        }
    }
    encoded
}

/// Checks a bcrypt hash; the crate `bcrypt` compares in constant time.
fn verify_bcrypt(password: &[u8], stored: &str) -> bool {
    let Ok(parts) = stored.parse::<bcrypt::HashParts>() else {
        return false;
    };
    // `2x` marks hashes of a faulty implementation, which differ for anything but ASCII.
    let is_known = match stored.as_bytes()[2] {
        b'a' | b'b' | b'y' => true,
        b'x' => password.is_ascii(),
        _ => false,
    };
    // PHP compares the encoded text, so a salt with unused bits set never matches.
    let is_canonical = stored[7..29] == parts.get_salt();
    // PHP ends the password at its first NUL; the crate does not.
    is_known
        && is_canonical
        && !password.contains(&0)
        && BCRYPT_COSTS.contains(&parts.get_cost())
        && bcrypt::verify(password, stored).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLASHED: &str = r#"it\'s \\ \"q\""#;

    #[test]
    fn hashes_recorded_from_wordpress_verify() {
        for (password, stored) in [
            ("correct horse", "$P$BabcdefghKfdE7H4Uy7ajxpijsjAJW0"),
            ("pässwörd 😀", "$P$B./01ABYZd8FQpOQkum48yRPQbQJej/"),
            (SLASHED, "$P$BzZ9./aB3j0DIVJmH./k7n5cuBHOYk0"),
            (" padded\t", "$P$B123456782f2U9pajvIp6MmfJeQ/s90"),
            ("correct horse", "$H$BabcdefghKfdE7H4Uy7ajxpijsjAJW0"),
            (
                "correct horse",
                "$wp$2y$10$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
            ),
            (
                "pässwörd 😀",
                "$wp$2y$10$N9qo8uLOickgx2ZMRZoMyeJBqRGAmAXxezgIBET14Go.97IppXbfS",
            ),
            (
                SLASHED,
                "$wp$2y$10$./ABCDEFGHIJKLMNOPQRSOyXkLxhBHWFe0d8Vlpvg0Ot6rmAnumpW",
            ),
            (
                "\tpadded ",
                "$wp$2y$10$123456789012345678901u/Sr3Auk9OlJEJK2OUdvFKCW7SHGFkGC",
            ),
            ("hello", "5d41402abc4b2a76b9719d911017c592"),
        ] {
            assert!(verify(password.as_bytes(), stored), "{stored}");
            assert!(!verify(b"wrong", stored), "{stored}");
            assert!(!verify(password.as_bytes(), &stored[..stored.len() - 1]));
            if stored.len() > 32 {
                assert!(!verify(password.as_bytes(), &format!("{stored}.")));
            }
        }
    }

    #[test]
    fn odd_stored_texts_match_nothing_and_do_not_panic() {
        for stored in [
            "",
            "*",
            "*0",
            "5D41402ABC4B2A76B9719D911017C592",
            "$P$",
            "$P$zabcdefghKfdE7H4Uy7ajxpijsjAJW0",
            "$P$.abcdefghKfdE7H4Uy7ajxpijsjAJW0",
            "$P$!abcdefghKfdE7H4Uy7ajxpijsjAJW0",
            "$P$BäbcdefghfdE7H4Uy7ajxpijsjAJW0",
            "$wp",
            "$wp$2y$31$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
            "$wp$2y$00$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
            "$wp$2z$10$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
            "$2y$10$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaéa",
            "$argon2id$v=19$m=65536,t=4,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        ] {
            assert!(!verify(b"correct horse", stored), "{stored}");
            assert!(!verify(b"hello", stored), "{stored}");
            assert!(!verify(b"", stored), "{stored}");
        }
    }

    proptest! {
        #[test]
        fn no_stored_text_panics(
            password: Vec<u8>,
            stored in r"(\$P\$|\$H\$|\$wp|\$2y\$04\$)?\PC{0,70}",
        ) {
            let _ = verify(&password, &stored);
        }
    }
}
