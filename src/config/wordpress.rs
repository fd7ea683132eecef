//! `[wordpress]`: the site whose users the daemon provisions, and what its `wp-config.php` adds to the options.

use std::path::PathBuf;

use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;
use super::wp_config::{WpConfig, unusable};
use super::wp_version;

pub(super) const KEYS: &[&str] = &[
    "wordpress.root",
    "wordpress.table_prefix",
    "wordpress.version",
    "wordpress.password_hash",
    "wordpress.users_table",
    "wordpress.usermeta_table",
];

/// The option that says the version outright.
const VERSION_OPTION: &str = "wordpress.version";

/// Resolved `[wordpress]` options; what is not set outright comes from the files in `root`.
#[derive(Debug, Clone)]
pub struct WordPress {
    /// The WordPress directory, as configured.
    pub root: Option<PathBuf>,
    /// What table names begin with: ASCII letters, digits and underscores, not empty.
    pub table_prefix: String,
    /// `digits.digits[.digits][-suffix]`; `None` leaves it to be recognised in the database.
    pub version: Option<String>,
    /// What says so: `wordpress.version` or the path of `wp-includes/version.php`.
    pub version_source: Option<String>,
    /// `wp-includes/version.php`, if the version comes from there.
    pub version_file: Option<PathBuf>,
    /// How supplied passwords are stored.
    pub password_hash: PasswordHash,
    /// Full name of the users table, if it is not the prefix and `users` (`CUSTOM_USER_TABLE`).
    pub users_table: Option<String>,
    /// Full name of the usermeta table, if it is not the prefix and `usermeta` (`CUSTOM_USER_META_TABLE`).
    pub usermeta_table: Option<String>,
    /// Whether the site is a multisite network, as far as `wp-config.php` is known; mirrors `is_multisite`.
    pub multisite: bool,
    /// The constant `FLUENT_COMMUNITY_PORTAL_SLUG`.
    pub portal_slug: Option<String>,
    /// The constant `WP_HOME`, which overrides the option `home`.
    pub home_url: Option<String>,
    /// The constant `WP_SITEURL`, which overrides the option `siteurl`.
    pub site_url: Option<String>,
    /// What `wp-config.php` sets in a way that only PHP could tell and the daemon does without; one sentence each.
    pub notes: Vec<String>,
}

/// How passwords supplied with a call are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$P$B…`, verified by every WordPress.
    Phpass,
    /// What this version of WordPress writes itself.
    WordPress,
}

fn parse_table_name(text: &str) -> Result<String, Flaw> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err(Flaw::new(
        "is not a table name or prefix",
        "write ASCII letters, digits and underscores only",
    ))
}

impl WordPress {
    /// `site` is what `wordpress.root` leads to, or the problem already noted with it.
    pub(super) fn read(
        settings: &mut Settings,
        site: Result<Option<&WpConfig>, Reported>,
    ) -> Result<Self, Reported> {
        let root = settings.optional("wordpress.root");
        let table_prefix = table_prefix(settings, site);
        let version = version(settings, site);
        let hashes = [
            ("phpass", PasswordHash::Phpass),
            ("wordpress", PasswordHash::WordPress),
        ];
        let password_hash = settings.one_of("wordpress.password_hash", &hashes);
        let users_table = user_table(settings, "wordpress.users_table", site, "CUSTOM_USER_TABLE");
        let usermeta_table = user_table(
            settings,
            "wordpress.usermeta_table",
            site,
            "CUSTOM_USER_META_TABLE",
        );
        let multisite = multisite(settings, site);

        let site = site?;
        let mut notes = Vec::new();
        let mut optional = |name: &str| match site?.text(name) {
            Ok(text) => text.filter(|text| !text.is_empty()),
            Err(why) => {
                notes.push(site?.blame(&format!("{why}; the daemon does without it")));
                None
            }
        };
        let portal_slug = optional("FLUENT_COMMUNITY_PORTAL_SLUG");
        let home_url = optional("WP_HOME");
        let site_url = optional("WP_SITEURL");
        let (version, version_source) = version?.unzip();
        Ok(Self {
            root: root?.map(PathBuf::from),
            table_prefix: table_prefix?,
            version,
            version_file: version_source
                .as_deref()
                .filter(|source| *source != VERSION_OPTION)
                .map(PathBuf::from),
            version_source,
            password_hash: password_hash?,
            users_table: users_table?,
            usermeta_table: usermeta_table?,
            multisite: multisite?,
            portal_slug,
            home_url,
            site_url,
            notes,
        })
    }
}

fn table_prefix(
    settings: &mut Settings,
    site: Result<Option<&WpConfig>, Reported>,
) -> Result<String, Reported> {
    const KEY: &str = "wordpress.table_prefix";
    match site {
        _ if settings.is_given(KEY) => settings.parsed(KEY, parse_table_name),
        Ok(None) => settings.parsed(KEY, parse_table_name),
        Ok(Some(config)) => {
            let prefix = config.required_text("$table_prefix");
            let prefix = prefix.and_then(|text| named(&text, "$table_prefix"));
            prefix.map_err(|why| settings.note(unusable(KEY, config.blame(&why))))
        }
        Err(reported) => Err(reported),
    }
}

fn user_table(
    settings: &mut Settings,
    key: &str,
    site: Result<Option<&WpConfig>, Reported>,
    constant: &str,
) -> Result<Option<String>, Reported> {
    let given = settings.optional_parsed(key, parse_table_name)?;
    match site? {
        Some(config) if given.is_none() => {
            let table = config.text(constant);
            table
                .and_then(|text| text.map(|text| named(&text, constant)).transpose())
                .map_err(|why| settings.note(unusable(key, config.blame(&why))))
        }
        _ => Ok(given),
    }
}

fn named(text: &str, name: &str) -> Result<String, String> {
    parse_table_name(text).map_err(|flaw| format!("{name} is {text:?}, which {}", flaw.what))
}

/// The version and what says so.
fn version(
    settings: &mut Settings,
    site: Result<Option<&WpConfig>, Reported>,
) -> Result<Option<(String, String)>, Reported> {
    let given = settings.optional_parsed("wordpress.version", wp_version::parse)?;
    if let Some(version) = given {
        return Ok(Some((version, VERSION_OPTION.to_owned())));
    }
    let Some(config) = site? else {
        return Ok(None);
    };
    match wp_version::read(&config.root) {
        Ok((version, path)) => Ok(Some((version, path.display().to_string()))),
        Err(problem) => Err(settings.note(problem)),
    }
}

fn multisite(
    settings: &mut Settings,
    site: Result<Option<&WpConfig>, Reported>,
) -> Result<bool, Reported> {
    let Some(config) = site? else {
        return Ok(false);
    };
    config.is_multisite().map_err(|why| {
        settings.note(Problem::new(
            "wordpress.root",
            config.blame(&why),
            "write true or false there, which PHP reads just the same: define( 'MULTISITE', true );",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_ascii_letters_digits_and_underscores() {
        for text in ["wp_", "WP2_x", "_", "0"] {
            assert_eq!(parse_table_name(text).as_deref(), Ok(text));
        }
        for text in [
            "", "wp-", "wp_;", "wp`", "wp\u{e9}", "a.b", " wp_", "{prefix}",
        ] {
            assert!(parse_table_name(text).is_err(), "{text}");
        }
    }
}
