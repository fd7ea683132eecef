//! Generates random passwords and reset keys like `wp_generate_password` without special characters.

use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::SecretString;

const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Draws `length` characters `[a-zA-Z0-9]`, each independent and uniform: 20 for a reset key. Mirrors
/// `wp_generate_password( length, false )`, which does not force a digit or capital.
///
/// # Panics
///
/// If the operating system's generator fails; there is no safe way to go on without it.
#[must_use]
pub fn generate(length: usize) -> SecretString {
    let mut password = String::with_capacity(length);
    while password.len() < length {
        let word = SysRng
            .try_next_u32()
            .expect("the operating system provides random numbers");
        // Six bits select one of 64; the two values beyond the alphabet are discarded, which keeps the others equally
        // likely.
        let index = usize::try_from(word >> 26).unwrap_or(usize::MAX);
        if let Some(&character) = ALPHABET.get(index) {
            password.push(char::from(character));
        }
    }
    password.into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn passwords_have_the_length_asked_for_and_differ() {
        for length in [0, 1, 8, 20] {
            assert_eq!(generate(length).expose_secret().len(), length);
        }
        assert_ne!(generate(20).expose_secret(), generate(20).expose_secret());
    }

    #[test]
    fn every_character_is_about_equally_likely() {
        let sample = generate(62_000);
        for &character in ALPHABET {
            let count = sample
                .expose_secret()
                .bytes()
                .filter(|&byte| byte == character)
                .count();
            // Seven standard deviations around 1,000.
            assert!((780..1220).contains(&count), "{character}: {count}");
        }
        assert!(
            sample
                .expose_secret()
                .bytes()
                .all(|byte| ALPHABET.contains(&byte))
        );
    }
}
