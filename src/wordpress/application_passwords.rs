//! Verifies application passwords. Mirrors `wp_authenticate_application_password` and `WP_Application_Passwords`,
//! WordPress 5.9 to 7.1, but does not record the last use: this module never writes credentials.

use sha2::{Digest, Sha256};
use sqlx::FromRow;
use subtle::ConstantTimeEq;

use super::password;
use super::php::{self, Value, loose};
use super::reset_key::fast_hash;
use super::sanitize::email::is_email;
use crate::db::{self, Connection, DatabaseError, Doing, Statements};

/// Matches no known password, and costs as much to check as a stored hash.
const DECOY_PHPASS: &str = "$P$BabcdefghAAAAAAAAAAAAAAAAAAAAA.";
const DECOY_FAST: &str = "$generic$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A user who may have application passwords. No `Debug`: it holds hashes.
pub struct Candidate {
    user_id: u64,
    hashes: Vec<String>,
}

/// A user whose password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The user.
    pub user_id: u64,
    /// SHA-256 of the hash that is stored for the password: tells later whether the user still has it.
    mark: [u8; 32],
}

#[cfg(test)]
impl Verified {
    pub(crate) fn of_user(user_id: u64) -> Self {
        let mark = [0; 32];
        Self { user_id, mark }
    }
}

impl Candidate {
    /// Whether this is the same user, who still has the same password.
    pub fn still_has(&self, verified: &Verified) -> bool {
        let mut hashes = self.hashes.iter();
        self.user_id == verified.user_id && hashes.any(|hash| mark(hash) == verified.mark)
    }
}

fn mark(hash: &str) -> [u8; 32] {
    Sha256::digest(hash).into()
}

#[derive(FromRow)]
struct Row {
    place: i64,
    user_id: u64,
    passwords: Option<Vec<u8>>,
}

/// Finds the user for a name: a login, or else an e-mail address.
///
/// # Errors
/// The statement failed.
pub async fn candidate(
    connection: &mut Connection,
    statements: &Statements,
    name: &str,
) -> Result<Option<Candidate>, DatabaseError> {
    let rows = sqlx::query_as(statements.application_passwords.sql());
    let rows = rows.bind(name).bind(name).fetch_all(connection).await;
    let mut rows: Vec<Row> = db::found(rows.doing("read the user's application passwords"))?;
    rows.retain(|row| row.place == 1 || is_email(name.as_bytes()));
    rows.sort_by_key(|row| (row.place, row.user_id));
    Ok(rows.into_iter().next().map(|row| Candidate {
        user_id: row.user_id,
        hashes: hashes(row.passwords.as_deref().unwrap_or_default()),
    }))
}

/// Returns the user if this is one of their application passwords. Takes milliseconds; an unknown user takes as long as
/// a user with one password. `fast` selects the kind of hash that the site writes.
pub fn verify(candidate: Option<&Candidate>, given: &str, fast: bool) -> Option<Verified> {
    // WordPress displays passwords in groups of four, and accepts them with or without the spaces.
    let password: Vec<u8> = given.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let hashes = candidate.map_or(&[][..], |candidate| &candidate.hashes);
    if hashes.is_empty() {
        matches(&password, if fast { DECOY_FAST } else { DECOY_PHPASS });
        return None;
    }
    let found = hashes.iter().find(|hash| matches(&password, hash));
    let found = found.filter(|_| !password.is_empty())?;
    Some(Verified {
        user_id: candidate?.user_id,
        mark: mark(found),
    })
}

fn matches(password: &[u8], stored: &str) -> bool {
    if stored.starts_with("$generic$") {
        return fast_hash(password)
            .as_bytes()
            .ct_eq(stored.as_bytes())
            .into();
    }
    password::verify(password, stored)
}

/// The hashes in the user meta `_application_passwords`, a serialised list of arrays.
fn hashes(meta: &[u8]) -> Vec<String> {
    let list = php::parse(loose::trim(meta)).ok();
    let items = list.as_ref().and_then(Value::as_array);
    let items = items.into_iter().flat_map(php::Array::values);
    items
        .filter_map(|item| item.as_array()?.get("password")?.as_bytes())
        .map(|hash| String::from_utf8_lossy(hash).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(hashes: &[&str]) -> Candidate {
        Candidate {
            user_id: 7,
            hashes: hashes.iter().map(|&hash| hash.to_owned()).collect(),
        }
    }

    /// Hashes as WordPress wrote them.
    #[test]
    fn every_kind_of_hash_opens_and_nothing_else_does() {
        for (password, hash) in [
            (
                "ABCDEFGHIJKLMNOPQRST",
                "$generic$UfGbgbsqeDuSn8PJFpjz07u2zubyNUvlCRO1D3XA",
            ),
            ("ABCDEFGHIJKLMNOPQRST", "$P$BabcdefghDlZSpS7e9/Cw1C6huQxKZ."),
            ("hello", "5d41402abc4b2a76b9719d911017c592"),
        ] {
            let user = candidate(&["$P$", hash]);
            let verified = verify(Some(&user), password, true).unwrap();
            assert_eq!(verified.user_id, 7, "{hash}");
            let spaced: String = password.chars().flat_map(|letter| [letter, ' ']).collect();
            assert_eq!(verify(Some(&user), &spaced, true), Some(verified), "{hash}");
            assert!(user.still_has(&verified), "{hash}");
            assert!(!candidate(&["$P$", ""]).still_has(&verified), "{hash}");
            assert_eq!(verify(Some(&user), "wrong", true), None, "{hash}");
            assert_eq!(verify(Some(&user), "", true), None, "{hash}");
        }
        assert_eq!(verify(Some(&candidate(&[])), "hello", true), None);
        assert_eq!(verify(None, "hello", false), None);
        let empty = candidate(&["d41d8cd98f00b204e9800998ecf8427e"]);
        assert_eq!(verify(Some(&empty), " ", true), None);
    }

    #[test]
    fn hashes_are_read_from_the_serialised_list() {
        let meta = br#"a:2:{i:0;a:2:{s:4:"name";s:1:"x";s:8:"password";s:3:"abc";}i:1;s:1:"y";}"#;
        assert_eq!(hashes(meta), ["abc"]);
        assert!(hashes(b"").is_empty() && hashes(b"N;").is_empty());
    }
}
