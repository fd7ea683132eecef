//! Finds secrets in a log, in every spelling in which a library might write them.

use std::collections::{BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The number of bytes of a spelling that are looked up at each place of the log; no spelling is shorter.
const PREFIX: usize = 6;

/// The log lines that contain one of these secrets, in any case, each with the secret.
pub(crate) fn found_in(log: &str, secrets: &BTreeSet<String>) -> Vec<String> {
    let mut spellings: HashMap<[u8; PREFIX], Vec<(Vec<u8>, &str)>> = HashMap::new();
    for secret in secrets {
        for spelling in spellings_of(secret) {
            if let Some(prefix) = spelling.first_chunk() {
                let others = spellings.entry(*prefix).or_default();
                others.push((spelling, secret));
            }
        }
    }
    let mut found = BTreeSet::new();
    for line in log.lines() {
        let bytes = line.to_ascii_lowercase().into_bytes();
        for (place, window) in bytes.windows(PREFIX).enumerate() {
            let here = spellings.get(window).into_iter().flatten();
            for (_, secret) in here.filter(|(spelling, _)| bytes[place..].starts_with(spelling)) {
                found.insert(format!("{secret} in: {line}"));
            }
        }
    }
    found.into_iter().collect()
}

/// The secret as it is, as `Debug` and JSON quote it, in hexadecimal (statements), and in Base64 at any offset in the
/// encoded text (logins).
fn spellings_of(secret: &str) -> Vec<Vec<u8>> {
    let quoted = format!("{secret:?}");
    let hexadecimal = secret.bytes().map(|byte| format!("{byte:02x}"));
    let mut spellings = vec![
        secret.to_owned(),
        quoted[1..quoted.len() - 1].to_owned(),
        hexadecimal.collect(),
    ];
    for before in 0..3 {
        let encoded = STANDARD_NO_PAD.encode("\0".repeat(before) + secret);
        // The characters at both ends also depend on the adjacent bytes.
        let start = (before * 8).div_ceil(6);
        let end = (before + secret.len()) * 8 / 6;
        spellings.push(encoded[start..end].to_owned());
    }
    let lower = |spelling: String| spelling.to_ascii_lowercase().into_bytes();
    spellings.into_iter().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_any_case_and_spelling() {
        let secrets = BTreeSet::from(["Ann@Example.com".to_owned(), "q\"uoted".to_owned()]);
        for line in [
            "INFO created ann@example.com",
            "INSERT x'416e6e404578616d706c652e636f6d'",
            "INSERT X'416E6E404578616D706C652E636F6D'",
            "AUTH PLAIN QW5uQEV4YW1wbGUuY29t",
            "AUTH PLAIN AEFubkBFeGFtcGxlLmNvbQBz",
            "AUTH PLAIN AABBbm5ARXhhbXBsZS5jb20AcHc=",
            r#"password: "q\"uoted""#,
        ] {
            let found = found_in(&format!("before\n{line}\nafter"), &secrets);
            assert_eq!(found.len(), 1, "{line}");
            assert!(found[0].ends_with(line), "{found:?}");
        }
        assert_eq!(found_in("anne@example.com\nuoted", &secrets), [""; 0]);
    }
}
