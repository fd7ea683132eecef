//! Validates and sanitises e-mail addresses: `is_email`, `sanitize_email` and the filters on `user_email` (identical in
//! 5.9 – 7.1).

use crate::wordpress::php::loose::{is_trimmed, trim, trim_where};

/// WordPress's `is_email`. It does not trim or lower-case, and has no maximum length and no rule for the top-level
/// domain. PHP handlers pass the *slashed* form value, so an address with an apostrophe is rejected.
#[must_use]
pub fn is_email(address: &[u8]) -> bool {
    let Some((local, domain)) = split(address) else {
        return false;
    };
    // PHP's pattern for the local part ends in `$`, which allows one final line feed.
    let local = local.strip_suffix(b"\n").unwrap_or(local);
    if local.is_empty() || !local.iter().copied().all(is_local) {
        return false;
    }
    let at_limit = |byte: u8| is_trimmed(byte) || byte == b'.';
    if domain.windows(2).any(|pair| pair == b"..") || trim_where(domain, at_limit) != domain {
        return false;
    }
    let labels = || domain.split(|&byte| byte == b'.');
    labels().count() >= 2
        && labels().all(|label| {
            trim_where(label, is_label_limit) == label && label.iter().copied().all(is_label)
        })
}

/// WordPress's `sanitize_email`: drops characters that an address cannot contain; empty if no address is left.
#[must_use]
pub fn sanitize_email(address: &[u8]) -> String {
    sanitized(address).unwrap_or_default()
}

/// The value of the column `user_email`: trimmed, sanitised and filtered through kses, whose only effect on the
/// remaining text is that `&` becomes `&amp;`. Slashes make no difference, because sanitising removes every byte that
/// is slashed.
#[must_use]
pub fn stored_email(address: &[u8]) -> String {
    sanitize_email(trim(address)).replace('&', "&amp;")
}

fn sanitized(address: &[u8]) -> Option<String> {
    let (local, domain) = split(address)?;
    let local = keep(local, is_local);
    let domain = without_dot_runs(domain);
    let domain = trim_where(&domain, |byte| is_trimmed(byte) || byte == b'.');
    if local.is_empty() || domain.is_empty() {
        return None;
    }
    let labels: Vec<String> = domain
        .split(|&byte| byte == b'.')
        .map(|label| keep(trim_where(label, is_label_limit), is_label))
        .filter(|label| !label.is_empty())
        .collect();
    (labels.len() >= 2).then(|| format!("{local}@{}", labels.join(".")))
}

/// Splits at the first `@`, which must not be the first byte.
fn split(address: &[u8]) -> Option<(&[u8], &[u8])> {
    if address.len() < 6 || !address[1..].contains(&b'@') {
        return None;
    }
    let at = address.iter().position(|&byte| byte == b'@')?;
    Some((&address[..at], &address[at + 1..]))
}

/// A run of dots is removed; a single dot is kept.
fn without_dot_runs(domain: &[u8]) -> Vec<u8> {
    domain
        .chunk_by(|a, b| (*a == b'.') == (*b == b'.'))
        .filter(|run| run[0] != b'.' || run.len() == 1)
        .flatten()
        .copied()
        .collect()
}

fn keep(bytes: &[u8], allowed: fn(u8) -> bool) -> String {
    let kept = bytes.iter().copied().filter(|&byte| allowed(byte));
    kept.map(char::from).collect()
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte)
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn is_label_limit(byte: u8) -> bool {
    is_trimmed(byte) || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_wordpress_accepts() {
        let long = format!("{}@{}.example.com", "a".repeat(101), "b".repeat(52));
        assert_eq!(long.len(), 166);
        for address in [
            "a@b.co",
            "joe@127.0.0.1",
            "joe@example.123",
            "joe@xn--exmple-cua.com",
            "John.Doe@Example.COM",
            ".john.@example.com",
            "jo..hn@example.com",
            "joe%41@example.com",
            "o'brien@example.com",
            "joe\n@example.com",
            "x..y@x.co",
            ".x@x.co",
            "a#b!c@x.co",
            &long,
        ] {
            assert!(is_email(address.as_bytes()), "{address:?}");
        }
    }

    #[test]
    fn addresses_wordpress_refuses() {
        for address in [
            "a@b.c",
            "",
            "@example.com",
            "@a@example.com",
            "example.com",
            " john@example.com",
            "john@example.com ",
            "john@example.com\n",
            "john@example.com.",
            "john@.example.com",
            "john@exa..mple.com",
            "jörg@example.com",
            "\"john\"@example.com",
            "john doe@example.com",
            "joe<b>@example.com",
            "joe\n\n@example.com",
            "joe@exämple.com",
            "joe@ex_a.com",
            "joe@[127.0.0.1]",
            "a@b.com@x.org",
            "joe@exam ple.com",
            "joe@localhost",
            "a@-x.co",
            "x@x.c",
            "o\\'brien@example.com",
        ] {
            assert!(!is_email(address.as_bytes()), "{address:?}");
        }
    }

    #[test]
    fn sanitising_drops_what_does_not_belong() {
        for (address, sanitized) in [
            (" john@example.com", "john@example.com"),
            ("john@example.com.", "john@example.com"),
            ("john@exa..mple.com", "john@example.com"),
            ("john@example.com@x.org", "john@example.comx.org"),
            ("joe@exämple.com", "joe@exmple.com"),
            ("jörg@example.com", "jrg@example.com"),
            ("joe@-ex.com", "joe@ex.com"),
            ("joe@[127.0.0.1]", "joe@127.0.0.1"),
            ("joe@localhost", ""),
            ("joe@а.com", ""),
        ] {
            assert_eq!(sanitize_email(address.as_bytes()), sanitized, "{address}");
        }
    }

    #[test]
    fn the_stored_address_has_its_ampersands_escaped() {
        for (address, stored) in [
            ("John.Doe@Example.COM", "John.Doe@Example.COM"),
            ("o'b@example.com", "o'b@example.com"),
            ("o\\'b@example.com", "o'b@example.com"),
            ("a&b@example.com", "a&amp;b@example.com"),
            ("xx@localhost", ""),
        ] {
            assert_eq!(stored_email(address.as_bytes()), stored, "{address}");
        }
    }
}
