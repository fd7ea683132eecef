//! Hashes new passwords in the form that the site's WordPress would write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcrypt::{BcryptError, Version};
use hmac::{Hmac, KeyInit, Mac};
use phpass::PhPass;
use sha2::Sha384;

use crate::wordpress::php::loose::trim;

/// The longest password WordPress hashes, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// The key that WordPress applies to a password before bcrypt, to distinguish its hashes from plain bcrypt.
const PREHASH_KEY: &[u8] = b"wp-sha384";

/// The two kinds of hash WordPress writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `$P$B…`, up to WordPress 6.7; later versions accept it and rehash it at login.
    Phpass,
    /// `$wp$2y$10$…`, from WordPress 6.8 on; earlier versions reject it.
    Bcrypt {
        /// Base-2 logarithm of the rounds, the number in the hash. WordPress uses PHP's default: 10 up to PHP 8.3, 12
        /// from 8.4 on. A hash with a different cost is replaced at the next login.
        cost: u32,
    },
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Longer than [`MAX_LENGTH`]. WordPress then stores `*`, which no password matches.
    #[error("the password is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// The operating system provides no salt.
    #[error("could not make a bcrypt hash")]
    Bcrypt(#[source] BcryptError),
    /// The thread that was to hash it has panicked.
    #[error("the thread that hashes passwords has panicked")]
    Panicked,
}

/// Hashes a password that is already slashed, as `wp_hash_password` does.
///
/// Surrounding white space and NULs are insignificant. The bytes need not be UTF-8.
///
/// # Errors
///
/// [`HashError::TooLong`], counted after trimming for phpass and before it for bcrypt, as
/// WordPress does; [`HashError::Bcrypt`] if the system's random generator fails.
pub fn hash(password: &[u8], scheme: Scheme) -> Result<String, HashError> {
    let trimmed = trim(password);
    let counted = match scheme {
        Scheme::Phpass => trimmed,
        Scheme::Bcrypt { .. } => password,
    };
    if counted.len() > MAX_LENGTH {
        return Err(HashError::TooLong);
    }
    match scheme {
        Scheme::Phpass => Ok(phpass(trimmed)),
        Scheme::Bcrypt { cost } => {
            let parts =
                bcrypt::hash_with_result(prehash(trimmed), cost).map_err(HashError::Bcrypt)?;
            // Any letter other than `y` makes WordPress rehash at the first login.
            Ok(format!("$wp{}", parts.format_for_version(Version::TwoY)))
        }
    }
}

/// The crate draws salts from standard base64; its one letter that WordPress's alphabet lacks, `+`, is redrawn.
fn phpass(password: &[u8]) -> String {
    let drawn = std::iter::repeat_with(|| PhPass::new(password).to_string());
    drawn
        .into_iter()
        .find(|hash| !hash.contains('+'))
        .expect("an endless iterator")
}

/// The input that WordPress 6.8 and later pass to bcrypt: 64 ASCII characters, below bcrypt's limit of 72.
pub(super) fn prehash(password: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha384>::new_from_slice(PREHASH_KEY).expect("HMAC takes a key of any length");
    mac.update(password);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::verify;
    use super::*;

    #[test]
    fn the_prehash_is_that_of_wordpress() {
        for (password, expected) in [
            (
                "correct horse",
                "iyBH75fzLT2U6HINiIugTDa560xXZVCknyWH3hO2FoF2OCUm4PI014GDz4jYWTf1",
            ),
            (
                "pässwörd 😀",
                "+WG77K8O1kgI4nMS8wUKThak/wqBD5OenC3DkyKKc4x1NaNUkYnZpM68d7Iyf9nU",
            ),
            (
                r#"it\'s \\ \"q\""#,
                "/FSUpWb2TeaqforpxE1u99Z4z/O2Bg1BOtkrkaNCi2RqaEVAIQp9CHYFuso6vNST",
            ),
            (
                "padded",
                "ZlrjliGy2PE2S4qWi9j1OKqOezeSoyJzpv859p7VCMppSD/ZT1k2I4F7Q0RrnW6/",
            ),
        ] {
            assert_eq!(prehash(password.as_bytes()), expected);
        }
    }

    #[test]
    fn hashes_have_the_form_wordpress_expects_and_verify() {
        for (scheme, prefix, length) in [
            (Scheme::Phpass, "$P$B", 34),
            (Scheme::Bcrypt { cost: 10 }, "$wp$2y$10$", 63),
            (Scheme::Bcrypt { cost: 4 }, "$wp$2y$04$", 63),
        ] {
            for password in [&b"correct horse"[..], b" it\\'s\t", b"\xff\0\xfe", b""] {
                let stored = hash(password, scheme).unwrap();
                assert!(stored.starts_with(prefix), "{stored}");
                assert_eq!(stored.len(), length, "{stored}");
                assert!(verify(password, &stored), "{stored}");
                assert!(!verify(b"another", &stored), "{stored}");
            }
            assert_ne!(hash(b"a", scheme).unwrap(), hash(b"a", scheme).unwrap());
        }
    }

    #[test]
    fn overlong_passwords_are_refused_where_wordpress_refuses_them() {
        let exact = "x".repeat(MAX_LENGTH);
        let padded = format!("{exact} ");
        let long = format!("{exact}x");
        let bcrypt = Scheme::Bcrypt { cost: 4 };
        for (password, scheme, accepted) in [
            (&exact, Scheme::Phpass, true),
            (&padded, Scheme::Phpass, true),
            (&long, Scheme::Phpass, false),
            (&exact, bcrypt, true),
            (&padded, bcrypt, false),
            (&long, bcrypt, false),
        ] {
            let result = hash(password.as_bytes(), scheme);
            assert_eq!(result.is_ok(), accepted, "{scheme:?}");
        }
    }
}
