//! Reads the options that control how a user is created. They are read anew for every call, so that a change in
//! wp-admin takes effect at once.

use super::php::{self, Value, loose};
use super::time::SiteZone;
use super::version::{DbVersion, Version};

/// Values of `{prefix}options` as stored.
#[derive(Clone, Debug, Default)]
pub struct SiteOptions {
    /// `default_role`; `None` if the row is missing.
    pub default_role: Option<String>,
    /// `timezone_string`.
    pub timezone_string: String,
    /// `gmt_offset`, hours.
    pub gmt_offset: String,
    /// `WPLANG`; `None` if the row is missing.
    pub wplang: Option<String>,
    /// The network's `WPLANG`, for sites that have none of their own.
    pub network_wplang: String,
    /// `db_version`.
    pub db_version: Option<u32>,
    /// `user_count`, as text.
    pub user_count: Option<Vec<u8>>,
    /// The network's `user_count`.
    pub network_user_count: Option<Vec<u8>>,
    /// The start of the transient that holds the running version.
    pub block_css_files: Vec<u8>,
    /// The serialised `{prefix}user_roles`.
    pub user_roles: Option<Vec<u8>>,
}

/// A row of options: name and value.
pub type OptionRow = (Vec<u8>, Option<Vec<u8>>);

impl SiteOptions {
    /// Reads rows of options; all other options are passed to `others`. The network's options are named `network/…`.
    pub fn read(
        prefix: &str,
        rows: impl IntoIterator<Item = OptionRow>,
        mut others: impl FnMut(&[u8], Vec<u8>),
    ) -> Self {
        let mut options = Self::default();
        for (name, value) in rows {
            let left = options.take_known(prefix, &name, value.unwrap_or_default());
            if let Some(value) = left {
                others(&name, value);
            }
        }
        options
    }

    /// Stores a row; ignores names that are not needed.
    pub fn take(&mut self, prefix: &str, name: &[u8], value: Vec<u8>) {
        let _ = self.take_known(prefix, name, value);
    }

    /// Returns the value back if the option is not one of these.
    fn take_known(&mut self, prefix: &str, name: &[u8], value: Vec<u8>) -> Option<Vec<u8>> {
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        match name {
            b"default_role" => self.default_role = Some(text(value)),
            b"timezone_string" => self.timezone_string = text(value),
            b"gmt_offset" => self.gmt_offset = text(value),
            b"WPLANG" => self.wplang = Some(text(value)),
            b"network/WPLANG" => self.network_wplang = text(value),
            b"db_version" => self.db_version = text(value).trim().parse().ok(),
            b"user_count" => self.user_count = Some(value),
            b"network/user_count" => self.network_user_count = Some(value),
            b"_transient_wp_core_block_css_files" => self.block_css_files = value,
            name if name.strip_prefix(prefix.as_bytes()) == Some(b"user_roles") => {
                self.user_roles = Some(value);
            }
            _ => return Some(value),
        }
        None
    }

    /// The role of new users. An empty row is an empty role; a missing row is `subscriber`.
    pub fn role(&self) -> &str {
        self.default_role.as_deref().unwrap_or("subscriber")
    }

    /// The site's locale, `en_US` if none is set. Mirrors `get_locale`.
    pub fn locale(&self) -> &str {
        let locale = self.wplang.as_deref().unwrap_or(&self.network_wplang);
        if locale.is_empty() { "en_US" } else { locale }
    }

    /// The site's time zone. Mirrors `wp_timezone`, except for an unknown zone: PHP dies, while we fall back to the
    /// numeric offset.
    pub fn zone(&self) -> SiteZone {
        SiteZone::from_options(&self.timezone_string, &self.gmt_offset)
            .unwrap_or_else(|_| SiteZone::from_gmt_offset(&self.gmt_offset))
    }

    /// The running version according to the database: exact if read from the [transient](Self::last_run); else derived from
    /// `db_version`, the older version if two share the number.
    pub fn version(&self) -> Option<DatabaseVersion> {
        if let Some(version) = self.last_run() {
            return Some(DatabaseVersion {
                version,
                exact: true,
            });
        }
        let found = self.installed()?;
        Some(DatabaseVersion {
            version: found.oldest,
            exact: !found.ambiguous,
        })
    }

    /// The version that last ran, from the transient `wp_core_block_css_files` that every version since 6.3 keeps. A row that is older
    /// than `db_version` is a remnant: with an object cache WordPress keeps its transients there, and no longer in this table.
    pub fn last_run(&self) -> Option<Version> {
        let version = version_in_transient(&self.block_css_files)?;
        let is_remnant = self.installed().is_some_and(|it| version < it.oldest);
        (!is_remnant).then_some(version)
    }

    fn installed(&self) -> Option<DbVersion> {
        Version::from_db_version(self.db_version?)
    }
}

/// The version according to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseVersion {
    /// The version, or the oldest possible one.
    pub version: Version,
    /// Whether nothing newer can be running.
    pub exact: bool,
}

/// The transient is a serialised array that begins with the key `version`; only its first bytes are read.
fn version_in_transient(beginning: &[u8]) -> Option<Version> {
    let after = beginning.splitn(2, |&byte| byte == b'{').nth(1)?;
    let after = after.strip_prefix(br#"s:7:"version";"#)?;
    let end = after.iter().position(|&byte| byte == b';')?;
    let Value::String(version) = php::parse(loose::trim(&after[..=end])).ok()? else {
        return None;
    };
    std::str::from_utf8(&version).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transient_tells_the_running_version() {
        let options = SiteOptions {
            block_css_files: br#"a:2:{s:7:"version";s:5:"6.8.2";s:5:"files";a:624:{i:0;s"#.to_vec(),
            db_version: Some(58975),
            ..SiteOptions::default()
        };
        let version = options.version().unwrap();
        assert_eq!(
            (version.version, version.exact),
            (Version::new(6, 8, 2), true)
        );
    }

    #[test]
    fn without_it_db_version_tells_the_oldest_possible_one() {
        let options = SiteOptions {
            db_version: Some(58975),
            ..SiteOptions::default()
        };
        let version = options.version().unwrap();
        assert!(version.version < Version::new(6, 8, 0) && !version.exact);
        assert_eq!(SiteOptions::default().version(), None);
    }

    #[test]
    fn the_networks_language_is_for_sites_that_have_none_of_their_own() {
        let mut options = SiteOptions::default();
        assert_eq!(options.locale(), "en_US");
        options.take("wp_", b"network/WPLANG", b"de_DE".to_vec());
        assert_eq!(options.locale(), "de_DE");
        options.take("wp_", b"WPLANG", Vec::new());
        assert_eq!(options.locale(), "en_US", "an empty row is one, too");
        options.take("wp_", b"WPLANG", b"da_DK".to_vec());
        assert_eq!(options.locale(), "da_DK");
    }

    #[test]
    fn a_missing_default_role_is_subscriber_and_an_empty_one_is_empty() {
        let mut options = SiteOptions::default();
        assert_eq!(options.role(), "subscriber");
        options.take("wp_", b"default_role", Vec::new());
        assert_eq!(options.role(), "");
    }
}
