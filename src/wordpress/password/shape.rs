//! Which texts are hashes of passwords: somebody who has read them from a table takes them for passwords.

/// Characters of phpass's and bcrypt's base 64.
fn is_base_64(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte))
}

/// Whether a text has the whole form of a hash that WordPress or a plugin of it stores: phpass, bcrypt or Argon2. Nobody has
/// such a password.
pub fn is_hash(text: &str) -> bool {
    let text = text.trim();
    if let Some(rest) = strip_any(text, &["$P$", "$H$"]) {
        return rest.len() == 31 && is_base_64(rest);
    }
    let bcrypt = text.strip_prefix("$wp").unwrap_or(text);
    if let Some(rest) = strip_any(bcrypt, &["$2a$", "$2b$", "$2x$", "$2y$"]) {
        return rest.split_once('$').is_some_and(|(cost, rest)| {
            let is_cost = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
            is_cost && rest.len() == 53 && is_base_64(rest)
        });
    }
    let argon2 = strip_any(text, &["$argon2i$", "$argon2d$", "$argon2id$"]);
    argon2.is_some_and(|rest| {
        let parts: Vec<&str> = rest.split('$').collect();
        matches!(parts[..], [version, costs, _, _] if version.starts_with("v=") && costs.starts_with("m="))
    })
}

/// Whether a text has the form of an MD5 hash, as very old user tables hold; so may a password.
pub fn is_md5(text: &str) -> bool {
    let text = text.trim();
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn strip_any<'a>(text: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))
}

#[cfg(test)]
mod tests {
    use super::super::{Scheme, unmatched_hash};
    use super::*;

    #[test]
    fn hashes_are_told_from_passwords() {
        for hash in [
            "$P$BabcdefghKfdE7H4Uy7ajxpijsjAJW0",
            "$H$BabcdefghKfdE7H4Uy7ajxpijsjAJW0",
            "$wp$2y$10$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
            "$2y$10$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK",
            " $2b$12$abcdefghijklmnopqrstuuA.NtWkdu8VmWC3ClnWUEHy4fqZrKNuK ",
            "$argon2id$v=19$m=65536,t=4,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
            &unmatched_hash(Scheme::Phpass),
            &unmatched_hash(Scheme::Bcrypt { cost: 10 }),
        ] {
            assert!(is_hash(hash) && !is_md5(hash), "{hash}");
        }
        for password in [
            "",
            "$P$",
            "$P$assword",
            "$P$BabcdefghKfdE7H4Uy7ajxpijsjAJW",
            "$P$Babcdefgh KfdE7H4Uy7ajxpijsjAJW",
            "$2y$ and more of it",
            "$wp$2y$10$abc",
            "$argon2id$",
            "5d41402abc4b2a76b9719d911017c592",
            "correct horse battery staple",
        ] {
            assert!(!is_hash(password), "{password}");
        }
        assert!(is_md5("5d41402abc4b2a76b9719d911017c592"));
        assert!(!is_md5("5d41402abc4b2a76b9719d911017c59") && !is_md5(&"g".repeat(32)));
    }
}
