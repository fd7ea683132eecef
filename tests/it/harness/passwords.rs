//! Checks a stored password as wp-login.php would (`wp_signon`, `wp_authenticate`, `wp_check_password`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use phpass::PhPass;
use sha2::Sha384;

/// Whether the login form accepts a password as typed. The form never unslashes the password, and `wp_authenticate`
/// trims it. A release below 6.8 does not support `$wp$` hashes.
pub(crate) fn accepts(hash: &str, typed: &str, wordpress: &str) -> bool {
    let password = compared_with(typed);
    if let Some(bcrypt) = hash.strip_prefix("$wp") {
        let mut mac = Hmac::<Sha384>::new_from_slice(b"wp-sha384").unwrap();
        mac.update(password.as_bytes());
        let digest = STANDARD.encode(mac.finalize().into_bytes());
        return knows_bcrypt(wordpress) && bcrypt::verify(digest, bcrypt).unwrap_or(false);
    }
    // The crate accepts any cost and panics on other characters, so the format is checked first.
    is_phpass(hash) && PhPass::try_from(hash).is_ok_and(|hash| hash.verify(password).is_ok())
}

/// The text that WordPress compares with the stored hash for this input: slashed and trimmed.
pub(crate) fn compared_with(typed: &str) -> String {
    let slashed = add_slashes(typed);
    slashed
        .trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b'])
        .to_owned()
}

/// Whether the release can have written or can verify a hash of this format.
pub(crate) fn has_known_shape(hash: &str, wordpress: &str) -> bool {
    let is_bcrypt = hash.len() == 63 && hash.starts_with("$wp$2y$") && hash.is_ascii();
    is_phpass(hash) || (is_bcrypt && knows_bcrypt(wordpress))
}

/// Whether this is a hash of a reset key in the release's format.
pub(crate) fn is_key_hash(hash: &str, wordpress: &str) -> bool {
    if knows_bcrypt(wordpress) {
        hash.len() == 49 && hash.starts_with("$generic$")
    } else {
        is_phpass(hash)
    }
}

fn is_phpass(hash: &str) -> bool {
    // Any text can be a salt; ours may contain a plus sign, which PHP's never do but which PHP accepts.
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"./+".contains(&byte);
    hash.len() == 34
        && hash.starts_with("$P$B")
        && hash.bytes().skip(4).all(is_letter)
        && !hash[12..].contains('+')
}

/// Compares versions such as `6.8` by number.
fn knows_bcrypt(wordpress: &str) -> bool {
    let mut numbers = wordpress.split('.').map(|part| part.parse().unwrap_or(0));
    let release: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    release >= (6, 8)
}

/// PHP's `addslashes`, which WordPress applies to every posted value.
fn add_slashes(text: &str) -> String {
    let mut slashed = String::new();
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' => slashed.extend(['\\', character]),
            '\0' => slashed.push_str("\\0"),
            _ => slashed.push(character),
        }
    }
    slashed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_made_by_php_verify_and_others_do_not() {
        for (typed, phpass, bcrypt) in [
            (
                "correct horse",
                "$P$BabcdefghKfdE7H4Uy7ajxpijsjAJW0",
                "$wp$2y$10$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
            ),
            (
                "pässwörd 😀",
                "$P$B./01ABYZd8FQpOQkum48yRPQbQJej/",
                "$wp$2y$10$N9qo8uLOickgx2ZMRZoMyeJBqRGAmAXxezgIBET14Go.97IppXbfS",
            ),
            (
                r#"it's \ "q""#,
                "$P$BzZ9./aB3j0DIVJmH./k7n5cuBHOYk0",
                "$wp$2y$10$./ABCDEFGHIJKLMNOPQRSOyXkLxhBHWFe0d8Vlpvg0Ot6rmAnumpW",
            ),
            (
                " padded\t",
                "$P$B123456782f2U9pajvIp6MmfJeQ/s90",
                "$wp$2y$10$123456789012345678901u/Sr3Auk9OlJEJK2OUdvFKCW7SHGFkGC",
            ),
        ] {
            assert!(accepts(phpass, typed, "6.1"), "{typed}");
            assert!(!accepts(phpass, &format!("{typed}x"), "7.1"), "{typed}");
            assert!(accepts(bcrypt, typed, "6.8"), "{typed}");
            assert!(!accepts(bcrypt, &format!("{typed}x"), "7.1"), "{typed}");
            assert!(!accepts(bcrypt, typed, "6.7.7"), "{typed}");
            assert!(has_known_shape(phpass, "6.1") && has_known_shape(bcrypt, "6.8.8"));
            assert!(!has_known_shape(bcrypt, "6.7.7"));
        }
        assert!(!has_known_shape("*", "7.1"));
        assert!(!has_known_shape("", "7.1"));
    }
}
