//! Makes several phpass hashes in the time of one. Mirrors `PasswordHash::HashPassword` of WordPress up to 6.7.

use md5::{Digest, Md5};

use super::hash::{HashError, MAX_LENGTH, Scheme};
use super::lanes::{LANES, Messages, blocks};
use super::unmatched::random;
use super::verify::encode;
use crate::wordpress::php::loose::trim;

/// The most passwords that are hashed together.
pub const TOGETHER: usize = LANES;

/// Base-2 logarithm of the rounds, as the crate `phpass` and WordPress have it; `B` in a hash.
const LOG_ROUNDS: u32 = 13;
const PREFIX: &[u8] = b"$P$B";

/// Bytes of a digest, with which each round's message begins.
const DIGEST: usize = 16;

/// Passwords with the same number take no longer together than one of them; `None` for one that is hashed alone.
pub fn company(password: &[u8], scheme: Scheme) -> Option<usize> {
    match scheme {
        Scheme::Phpass => Some(blocks(DIGEST + trim(password).len())),
        Scheme::Bcrypt { .. } => None,
    }
}

/// Hashes for phpass, as [`hash`](super::hash()) does one; at most [`TOGETHER`] passwords that are [`company`] for each other.
///
/// # Errors
/// Each has its own: [`HashError::TooLong`].
///
/// # Panics
/// If the operating system's generator fails, or the passwords are too many or too different.
pub fn hash_together(passwords: &[&[u8]]) -> Vec<Result<String, HashError>> {
    let salted: Vec<(Vec<u8>, &[u8])> = passwords
        .iter()
        .map(|password| (encode(&random::<6>()), trim(password)))
        .collect();
    let hashes = salted_hashes(&salted, 1 << LOG_ROUNDS);
    let is_short = |(_, password): &(Vec<u8>, &[u8])| password.len() <= MAX_LENGTH;
    let judge = |(hash, one)| {
        if is_short(one) {
            Ok(hash)
        } else {
            Err(HashError::TooLong)
        }
    };
    hashes.into_iter().zip(&salted).map(judge).collect()
}

/// Salts of eight characters, each with its password.
fn salted_hashes(salted: &[(Vec<u8>, &[u8])], rounds: u32) -> Vec<String> {
    let first = |salt: &[u8], password: &[u8]| {
        Md5::new_with_prefix(salt)
            .chain_update(password)
            .finalize()
            .into()
    };
    let parts: Vec<([u8; DIGEST], &[u8])> = salted
        .iter()
        .map(|(salt, password)| (first(salt, password), *password))
        .collect();
    let digests = Messages::new(&parts).digest(rounds);
    let written = salted.iter().zip(digests).map(|((salt, _), digest)| {
        let text = [PREFIX, salt, &encode(&digest)].concat();
        String::from_utf8(text).expect("phpass's alphabet is ASCII")
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use phpass::PhPass;
    use proptest::prelude::*;

    use super::super::{hash, verify};
    use super::*;

    /// The crate judges: it reads each hash, and hashes the password with its salt and rounds.
    fn is_judged_right(hash: &str, password: &[u8]) -> bool {
        PhPass::try_from(hash).unwrap().verify(password).is_ok()
    }

    #[test]
    fn each_of_several_hashes_is_the_one_that_phpass_makes() {
        let passwords: [&[u8]; TOGETHER] = [
            b"correct horse",
            "p\u{e4}ssw\u{f6}rd \u{1f600}".as_bytes(),
            b"",
            br#"it\'s \\ \"q\""#,
            b"\xff\0\xfe",
            b"twenty-nine letters and bytes",
            b" padded\t",
            b"x",
        ];
        for count in [1, 2, 3, TOGETHER] {
            let hashes = hash_together(&passwords[..count]);
            assert_eq!(hashes.len(), count);
            for (hash, password) in hashes.into_iter().zip(passwords) {
                let hash = hash.unwrap();
                assert_eq!(hash.len(), 34, "{hash}");
                assert!(is_judged_right(&hash, trim(password)), "{hash}");
                assert!(verify(password, &hash), "{hash}");
                assert!(!verify(b"another", &hash), "{hash}");
            }
        }
    }

    #[test]
    fn salts_differ() {
        let passwords: [&[u8]; TOGETHER] = [b"same"; TOGETHER];
        let mut hashes: Vec<String> = hash_together(&passwords)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), TOGETHER);
    }

    #[test]
    fn passwords_go_together_that_are_equally_many_blocks_long() {
        let of = |length: usize| company(&vec![b'x'; length], Scheme::Phpass);
        assert_eq!(of(0), of(39));
        assert_ne!(of(39), of(40));
        assert_eq!(of(40), of(103));
        assert_eq!(company(b"  x  ", Scheme::Phpass), of(1));
        assert_eq!(company(b"x", Scheme::Bcrypt { cost: 10 }), None);
    }

    #[test]
    fn overlong_passwords_are_refused_as_if_alone() {
        let lengths = [MAX_LENGTH, MAX_LENGTH + 1];
        let passwords = lengths.map(|length| vec![b'x'; length]);
        let together = [&passwords[0][..], &passwords[1]];
        let accepted: Vec<bool> = hash_together(&together).iter().map(Result::is_ok).collect();
        let alone = together.map(|password| hash(password, Scheme::Phpass).is_ok());
        assert_eq!(accepted, alone);
        assert_eq!(accepted, [true, false]);
    }

    /// In fewer rounds, whose number is a digit of the hash.
    fn judged(salted: &[(Vec<u8>, &[u8])]) -> Vec<bool> {
        let hashes = salted_hashes(salted, 1 << 4).into_iter().zip(salted);
        let judge = |(hash, (_, password)): (String, &(Vec<u8>, &[u8]))| {
            is_judged_right(&hash.replacen("$P$B", "$P$2", 1), password)
        };
        hashes.map(judge).collect()
    }

    #[test]
    fn passwords_of_any_length_are_hashed_as_phpass_does() {
        for length in [39, 40, 63, 64, 103, 104, 1000, MAX_LENGTH] {
            let passwords: Vec<Vec<u8>> = (0..3_u8).map(|byte| vec![0xc0 | byte; length]).collect();
            let salted: Vec<(Vec<u8>, &[u8])> = passwords
                .iter()
                .map(|password| (b"./AZaz09".to_vec(), &password[..]))
                .collect();
            assert_eq!(judged(&salted), [true; 3], "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_passwords_are_hashed_as_phpass_does(
            passwords in prop::collection::vec(("[./0-9A-Za-z]{8}", prop::collection::vec(any::<u8>(), 0..300)), 1..20),
        ) {
            let of = |password: &[u8]| blocks(DIGEST + password.len());
            for one in &passwords {
                let together: Vec<(Vec<u8>, &[u8])> = passwords
                    .iter()
                    .filter(|other| of(&other.1) == of(&one.1))
                    .map(|(salt, password)| (salt.clone().into_bytes(), &password[..]))
                    .take(TOGETHER)
                    .collect();
                prop_assert_eq!(judged(&together), vec![true; together.len()]);
            }
        }
    }
}
