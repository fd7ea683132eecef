//! Creates hashes for users whose password is never disclosed.

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;

use super::hash::Scheme;
use super::verify::encode;

const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// Produces what hashing a long random password would, without the work: salt and digest are themselves random. The
/// result is indistinguishable from a real hash, and finding a matching password takes as many guesses as the digest
/// has values. `wp_insert_user` would hash a password of 24 characters here and discard it.
///
/// # Panics
/// If the operating system's generator fails; there is no safe way to go on without it.
#[must_use]
pub fn unmatched_hash(scheme: Scheme) -> String {
    match scheme {
        // Six bytes encode to the eight characters of a salt.
        Scheme::Phpass => {
            let (salt, digest) = (encode(&random::<6>()), encode(&random::<16>()));
            let text = [b"$P$B".as_slice(), &salt, &digest].concat();
            String::from_utf8(text).expect("phpass's alphabet is ASCII")
        }
        Scheme::Bcrypt { cost } => {
            let (salt, digest) = (random::<16>(), random::<23>());
            let [salt, digest] = [&salt[..], &digest].map(|part| BCRYPT_BASE64.encode(part));
            format!("$wp$2y${cost:02}${salt}{digest}")
        }
    }
}

pub(super) fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system provides random numbers");
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::{hash, verify};
    use super::*;

    #[test]
    fn an_unmatched_hash_looks_like_any_other() {
        let costs = [4, 12].map(|cost| Scheme::Bcrypt { cost });
        for scheme in [Scheme::Phpass, costs[0], costs[1]] {
            let real = hash(b"correct horse", scheme).unwrap();
            let (one, other) = (unmatched_hash(scheme), unmatched_hash(scheme));
            assert_ne!(one, other);
            assert_eq!(one.len(), real.len(), "{one}");
            let prefix = real.rfind('$').unwrap();
            assert_eq!(one[..=prefix], real[..=prefix]);
            for password in [&b""[..], b"correct horse", one.as_bytes()] {
                assert!(!verify(password, &one), "{one}");
            }
        }
        let parsed: bcrypt::HashParts = unmatched_hash(costs[1])[3..].parse().unwrap();
        assert_eq!(parsed.get_cost(), 12);
    }

    /// The last character of a salt or a digest holds fewer bits than the others.
    #[test]
    fn an_unmatched_hash_has_no_bits_that_a_real_one_lacks() {
        let alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let last_of_phpass: Vec<char> = alphabet.chars().take(4).collect();
        for _ in 0..200 {
            let phpass = unmatched_hash(Scheme::Phpass);
            assert!(last_of_phpass.contains(&phpass.chars().last().unwrap()));
            let bcrypt = unmatched_hash(Scheme::Bcrypt { cost: 10 });
            assert!(".Oeu".contains(&bcrypt[31..32]), "{bcrypt}");
        }
    }
}
