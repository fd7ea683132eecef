//! Maps WordPress releases to their differences in behaviour.
//!
//! Every difference that matters to the rest of the crate is a predicate here, so no other module compares version
//! numbers. Releases after [`Version::NEWEST`] are assumed to behave like it.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A WordPress release, such as 6.8.2; `patch` is 0 where WordPress writes only two numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
}

/// The text is not a WordPress version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a WordPress version such as 6.8 or 6.8.2")]
pub struct InvalidVersion(String);

/// The release in use according to the option `db_version`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct DbVersion {
    /// The oldest release with this `db_version`. All of them accept what this release would write.
    pub oldest: Version,
    /// Whether a newer release has the same number and would have written something different.
    pub ambiguous: bool,
}

impl Version {
    /// The oldest release whose behaviour is known.
    pub const OLDEST: Self = Self::new(5, 9, 0);
    /// The newest release whose behaviour is known; later ones are treated the same.
    pub const NEWEST: Self = Self::new(7, 1, 0);

    /// The release `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    fn since(self, major: u16, minor: u16) -> bool {
        self >= Self::new(major, minor, 0)
    }

    /// Reads the option `db_version`. `None` below the number of 5.9; a number between two known ones belongs to a
    /// development build and counts as the lower one.
    ///
    /// The file update precedes the database upgrade, so the number can lag behind the running release.
    #[must_use]
    pub fn from_db_version(number: u32) -> Option<DbVersion> {
        let (known, oldest, shared) = match number {
            ..51_917 => return None,
            51_917..53_496 => (51_917, Self::new(5, 9, 0), true),
            53_496..55_853 => (53_496, Self::new(6, 0, 1), true),
            55_853..56_657 => (55_853, Self::new(6, 3, 0), false),
            56_657..57_155 => (56_657, Self::new(6, 4, 0), false),
            57_155..58_975 => (57_155, Self::new(6, 5, 0), true),
            58_975..60_421 => (58_975, Self::new(6, 7, 0), true),
            60_421..60_717 => (60_421, Self::new(6, 8, 2), false),
            60_717..61_833 => (60_717, Self::new(6, 9, 0), false),
            61_833 => (61_833, Self::new(7, 0, 0), true),
            // 7.1 still has 61833: a higher number is a later release.
            61_834.. => (number, Self::NEWEST, false),
        };
        Some(DbVersion {
            oldest,
            ambiguous: shared || number != known,
        })
    }

    /// The `db_version` in this release's files; `None` for unknown releases.
    #[must_use]
    pub fn db_version(self) -> Option<u32> {
        let number = match (self.major, self.minor, self.patch) {
            (5, 9, _) | (6, 0, 0) => 51_917,
            (6, 0..=2, _) => 53_496,
            (6, 3, _) => 55_853,
            (6, 4, _) => 56_657,
            (6, 5 | 6, _) => 57_155,
            (6, 7, _) | (6, 8, 0 | 1) => 58_975,
            (6, 8, _) => 60_421,
            (6, 9, _) => 60_717,
            (7, 0 | 1, _) => 61_833,
            _ => return None,
        };
        Some(number)
    }

    /// Whether the release is newer than any whose behaviour is known; patches of the newest one are not.
    #[must_use]
    pub fn is_unknown(self) -> bool {
        (self.major, self.minor) > (Self::NEWEST.major, Self::NEWEST.minor)
    }

    /// 6.8: answers with no-cache headers also say `no-store, private`.
    #[must_use]
    pub fn forbids_storing_replies(self) -> bool {
        self.since(6, 8)
    }

    /// 6.0: the option `user_count` is recounted when a user is created on a single site.
    #[must_use]
    pub fn counts_users_on_creation(self) -> bool {
        self.since(6, 0)
    }

    /// 6.0: every locale starting with `de` is transliterated as German; before, only five named ones.
    #[must_use]
    pub fn treats_every_german_locale_alike(self) -> bool {
        self.since(6, 0)
    }

    /// 6.1: `remove_accents` composes the text (NFC) first. Assumes that PHP has its intl extension.
    #[must_use]
    pub fn normalises_to_nfc(self) -> bool {
        self.since(6, 1)
    }

    /// 6.1: `is_serialized` recognises enum cases (`E:`).
    #[must_use]
    pub fn serialised_enums(self) -> bool {
        self.since(6, 1)
    }

    /// The `autoload` value of an option that is not loaded on every request.
    #[must_use]
    pub fn autoload_off(self) -> &'static str {
        if self.since(6, 6) { "off" } else { "no" }
    }

    /// 6.7: the set-password link reads `login, key, action`; before, `action, key, login`.
    #[must_use]
    pub fn puts_login_first_in_reset_link(self) -> bool {
        self.since(6, 7)
    }

    /// 6.8: passwords are stored as `$wp$2y$…` and reset keys as `$generic$…`; before, both as phpass `$P$…`.
    #[must_use]
    pub fn uses_bcrypt(self) -> bool {
        self.since(6, 8)
    }

    /// 6.9: a user whose nicename would be empty is refused; before, it was stored.
    #[must_use]
    pub fn refuses_empty_nicename(self) -> bool {
        self.since(6, 9)
    }

    /// 6.9: only well-formed UTF-8 counts as UTF-8; before, overlong forms and surrogates did too.
    #[must_use]
    pub fn requires_well_formed_utf8(self) -> bool {
        self.since(6, 9)
    }

    /// 7.0, and security releases of 6.8 and 6.9 (6.8.8 and 6.9.7 are the oldest tested): `&#0;` in a name is escaped;
    /// before, it was removed.
    #[must_use]
    pub fn keeps_null_reference(self) -> bool {
        let oldest_patch = match (self.major, self.minor) {
            (6, 8) => 8,
            (6, 9) => 7,
            _ => return self.since(7, 0),
        };
        self.patch >= oldest_patch
    }

    /// The usermeta `admin_color` of a new user.
    #[must_use]
    pub fn default_admin_color(self) -> &'static str {
        if self.since(7, 0) { "modern" } else { "fresh" }
    }

    /// Up to 6.9 the e-mail to a new user has a line with the log-in address.
    #[must_use]
    pub fn mails_login_url(self) -> bool {
        !self.since(7, 0)
    }

    /// Up to 7.0 the e-mail to a new user has a line `Username: …`.
    #[must_use]
    pub fn mails_user_name(self) -> bool {
        !self.since(7, 1)
    }

    /// 7.1: new users get the usermeta `infinite_scrolling`, after `syntax_highlighting`.
    #[must_use]
    pub fn has_infinite_scrolling_meta(self) -> bool {
        self.since(7, 1)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    /// Parses `7.1`, `6.8.2` or `6.9-beta1-12345`; anything after the numbers is ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .find(|c: char| c != '.' && !c.is_ascii_digit())
            .map_or(text, |end| &text[..end]);
        let mut parts = numbers.split('.').map(str::parse::<u16>);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), None) => Ok(Self::new(major, minor, 0)),
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => {
                Ok(Self::new(major, minor, patch))
            }
            _ => Err(InvalidVersion(text.to_owned())),
        }
    }
}

impl fmt::Display for Version {
    /// As WordPress writes it: no third number when it is 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        match self.patch {
            0 => Ok(()),
            patch => write!(f, ".{patch}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_written_as_wordpress_writes_them() {
        for (text, version, shown) in [
            ("7.1", Version::new(7, 1, 0), "7.1"),
            ("7.1.0", Version::new(7, 1, 0), "7.1"),
            ("6.8.2", Version::new(6, 8, 2), "6.8.2"),
            ("6.9-beta1-12345", Version::new(6, 9, 0), "6.9"),
            ("6.9.1-RC1", Version::new(6, 9, 1), "6.9.1"),
        ] {
            assert_eq!(text.parse(), Ok(version), "{text}");
            assert_eq!(version.to_string(), shown);
        }
        for text in ["", "6", "6.", "6.x", "v6.8", "6.99999", "-beta"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_ambiguous_db_version_gives_the_older_release() {
        for (number, oldest, ambiguous) in [
            (51_917, "5.9", true),
            (53_496, "6.0.1", true),
            (55_853, "6.3", false),
            (56_657, "6.4", false),
            (57_155, "6.5", true),
            (58_975, "6.7", true),
            (59_000, "6.7", true),
            (60_421, "6.8.2", false),
            (60_717, "6.9", false),
            (61_833, "7.0", true),
            (62_000, "7.1", false),
        ] {
            let oldest = oldest.parse().unwrap();
            let expected = DbVersion { oldest, ambiguous };
            assert_eq!(Version::from_db_version(number), Some(expected), "{number}");
        }
        assert_eq!(Version::from_db_version(49_752), None);
    }

    #[test]
    fn every_release_carries_a_db_version_that_leads_back_to_it() {
        for (release, number) in [
            ("5.9.16", 51_917),
            ("6.0", 51_917),
            ("6.0.1", 53_496),
            ("6.2.9", 53_496),
            ("6.3", 55_853),
            ("6.4.8", 56_657),
            ("6.6.5", 57_155),
            ("6.7.7", 58_975),
            ("6.8.1", 58_975),
            ("6.8.2", 60_421),
            ("6.9.4", 60_717),
            ("7.0.4", 61_833),
            ("7.1", 61_833),
        ] {
            let release: Version = release.parse().unwrap();
            assert_eq!(release.db_version(), Some(number), "{release}");
            let oldest = Version::from_db_version(number).unwrap().oldest;
            assert!(oldest <= release, "{release}");
        }
        for (release, unknown) in [("5.8.3", false), ("7.2", true), ("8.0", true)] {
            let release: Version = release.parse().unwrap();
            assert_eq!(
                (release.db_version(), release.is_unknown()),
                (None, unknown)
            );
        }
        assert!(!Version::new(7, 1, 3).is_unknown());
    }

    #[test]
    fn behaviour_changes_with_the_release_that_changed_it() {
        let [v59, v67, v68, v70, v71] =
            [(5, 9), (6, 7), (6, 8), (7, 0), (7, 1)].map(|(a, b)| Version::new(a, b, 0));
        assert_eq!(
            [v59, v67, v70].map(Version::default_admin_color),
            ["fresh", "fresh", "modern"]
        );
        assert_eq!([v59, v68].map(Version::autoload_off), ["no", "off"]);
        assert_eq!([v67, v68].map(Version::uses_bcrypt), [false, true]);
        assert_eq!(
            [v70, v71].map(Version::has_infinite_scrolling_meta),
            [false, true]
        );
        assert_eq!([v70, v71].map(Version::mails_user_name), [true, false]);
        assert!(Version::new(6, 8, 1).uses_bcrypt());
        for (old, new) in [
            ((6, 7, 99), (6, 8, 8)),
            ((6, 8, 7), (6, 8, 12)),
            ((6, 9, 6), (6, 9, 7)),
        ] {
            let [old, new] = [old, new].map(|(a, b, c)| Version::new(a, b, c));
            let keep = [old, new, v70].map(Version::keeps_null_reference);
            assert_eq!(keep, [false, true, true], "{old} {new}");
        }
    }
}
