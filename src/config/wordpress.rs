//! `[wordpress]`: the site whose users the daemon provisions, and what its `wp-config.php` adds to the options.

use std::path::PathBuf;

use super::address;
use super::content::Content;
use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;
use super::wp_config::{WpConfig, unusable};
use super::wp_version;

pub(super) const KEYS: &[&str] = &[
    "wordpress.root",
    "wordpress.table_prefix",
    "wordpress.blog_id",
    "wordpress.version",
    "wordpress.password_hash",
    "wordpress.bcrypt_cost",
    "wordpress.users_table",
    "wordpress.usermeta_table",
    "wordpress.content",
    "wordpress.languages",
    "wordpress.home",
    "wordpress.site_url",
];

/// The option that says the version outright.
const VERSION_OPTION: &str = "wordpress.version";

/// Resolved `[wordpress]` options; what is not set outright comes from the files in `root`.
#[derive(Debug, Clone)]
pub struct WordPress {
    /// The WordPress directory, as configured.
    pub root: Option<PathBuf>,
    /// What table names begin with, in a network those that its sites share: ASCII letters, digits and underscores, not
    /// empty.
    pub table_prefix: String,
    /// The site of a multisite network that is served; `None` for a single site.
    pub blog: Option<Blog>,
    /// `digits.digits[.digits][-suffix]`; `None` leaves it to be recognised in the database.
    pub version: Option<String>,
    /// What says so: `wordpress.version` or the path of `wp-includes/version.php`.
    pub version_source: Option<String>,
    /// `wp-includes/version.php`, if the version comes from there.
    pub version_file: Option<PathBuf>,
    /// How supplied passwords are stored.
    pub password_hash: PasswordHash,
    /// Cost of the bcrypt hashes among them, 10 to 16. The database does not tell PHP's version, which decides it for
    /// WordPress, and the hashes that are there do not either: the daemon's own are among them.
    pub bcrypt_cost: u32,
    /// Full name of the users table, if it is not the prefix and `users` (`CUSTOM_USER_TABLE`).
    pub users_table: Option<String>,
    /// Full name of the usermeta table, if it is not the prefix and `usermeta` (`CUSTOM_USER_META_TABLE`).
    pub usermeta_table: Option<String>,
    /// Where `wp-content` and the translations are.
    pub content: Content,
    /// The constant `FLUENT_COMMUNITY_PORTAL_SLUG`.
    pub portal_slug: Option<String>,
    /// The site's address, which overrides the option `home`: `wordpress.home`, or the constant `WP_HOME` where WordPress
    /// heeds it.
    pub home_url: Option<String>,
    /// The address of WordPress, which overrides the option `siteurl`: `wordpress.site_url`, or the constant
    /// `WP_SITEURL` where WordPress heeds it.
    pub site_url: Option<String>,
    /// Whether `site_url` was set outright.
    pub has_given_site_url: bool,
    /// The constant `FORCE_SSL_ADMIN` or its older form: login pages are https, whatever the site's address is.
    pub forces_https: bool,
    /// The files of configuration that were read below `root`.
    pub config_files: Vec<PathBuf>,
    /// What `wp-config.php` sets in a way that only PHP could tell and the daemon does without; one sentence each.
    pub notes: Vec<String>,
}

/// A site of a multisite network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blog {
    /// Its id, `blog_id` in the table `blogs`.
    pub id: u64,
    /// What the names of its own tables begin with; mirrors `wpdb::get_blog_prefix`.
    pub prefix: String,
    /// The constants that say which address the network has, if they are there; the database may have others.
    pub network: Option<NetworkAddress>,
}

/// What `DOMAIN_CURRENT_SITE`, `PATH_CURRENT_SITE` and `SITE_ID_CURRENT_SITE` say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the constant of its name")]
pub struct NetworkAddress {
    pub id: u64,
    pub domain: String,
    pub path: String,
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
        let bcrypt_cost = settings.number("wordpress.bcrypt_cost", 10..=16);
        let users_table = user_table(settings, "wordpress.users_table", site, "CUSTOM_USER_TABLE");
        let usermeta_table = user_table(
            settings,
            "wordpress.usermeta_table",
            site,
            "CUSTOM_USER_META_TABLE",
        );
        let content = Content::read(settings, site);
        let given_home = settings.optional_parsed("wordpress.home", address::of_folder);
        let given_site_url = settings.optional_parsed("wordpress.site_url", address::of_folder);
        let blog = blog(settings, site, table_prefix.as_deref().unwrap_or_default());

        let (site, blog) = (site?, blog?);
        let (given_home, given_site_url) = (given_home?, given_site_url?);
        let mut notes = Vec::new();
        let mut optional = |name: &str| match site?.text(name) {
            Ok(text) => text.filter(|text| !text.is_empty()),
            Err(why) => {
                notes.push(site?.blame(&format!("{why}; the daemon does without it")));
                None
            }
        };
        let portal_slug = optional("FLUENT_COMMUNITY_PORTAL_SLUG");
        let has_given_site_url = given_site_url.is_some();
        // On a network WordPress heeds neither constant.
        let mut address = |given: Option<String>, name: &str| match &blog {
            None => given.or_else(|| optional(name)),
            Some(_) => given,
        };
        let home_url = address(given_home, "WP_HOME");
        let site_url = address(given_site_url, "WP_SITEURL");
        let mut is_set = |name: &str| optional(name).is_some_and(|text| text != "0");
        let forces_https = is_set("FORCE_SSL_ADMIN") || is_set("FORCE_SSL_LOGIN");
        let (version, version_source) = version?.unzip();
        Ok(Self {
            root: root?.map(PathBuf::from),
            table_prefix: table_prefix?,
            blog,
            version,
            version_file: version_source
                .as_deref()
                .filter(|source| *source != VERSION_OPTION)
                .map(PathBuf::from),
            version_source,
            password_hash: password_hash?,
            bcrypt_cost: bcrypt_cost?,
            users_table: users_table?,
            usermeta_table: usermeta_table?,
            content: content?,
            portal_slug,
            home_url,
            site_url,
            has_given_site_url,
            forces_https,
            config_files: site.map(WpConfig::files).unwrap_or_default(),
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

const BLOG_OPTION: &str = "wordpress.blog_id";

/// Which site of a network is served: the one that is set outright, else the main one of the network that `wp-config.php`
/// declares.
fn blog(
    settings: &mut Settings,
    site: Result<Option<&WpConfig>, Reported>,
    table_prefix: &str,
) -> Result<Option<Blog>, Reported> {
    let given = settings
        .is_given(BLOG_OPTION)
        .then(|| settings.number(BLOG_OPTION, 1..=u64::from(u32::MAX)))
        .transpose()?;
    let numbered = |id: u64| format!("{table_prefix}{id}_");
    let Some(config) = site? else {
        return Ok(given.map(|id| Blog {
            id,
            prefix: if id == 1 {
                table_prefix.to_owned()
            } else {
                numbered(id)
            },
            network: None,
        }));
    };
    let is_network = match (config.is_multisite(), given) {
        (Ok(false), Some(_)) => {
            let found = config.blame("the file declares a single site");
            let what = format!("is set, but {found}");
            return Err(settings.note(Problem::new(BLOG_OPTION, what, "remove it")));
        }
        (Ok(is_network), _) => is_network,
        (Err(_), Some(_)) => true,
        (Err(why), None) => {
            return Err(settings.note(Problem::new(
                "wordpress.root",
                config.blame(&why),
                "write true or false there, which PHP reads just the same: define( 'MULTISITE', true ); or set \
                 wordpress.blog_id, if it is a network",
            )));
        }
    };
    if !is_network {
        return Ok(None);
    }
    let id = match given {
        Some(id) => id,
        None => main_site(config)
            .map_err(|why| settings.note(unusable(BLOG_OPTION, config.blame(&why))))?,
    };
    // Networks that were WordPress MU have no MULTISITE, and number the first site's tables, too.
    let is_unnumbered = id == 1 && config.sets("MULTISITE");
    Ok(Some(Blog {
        id,
        prefix: if is_unnumbered {
            table_prefix.to_owned()
        } else {
            numbered(id)
        },
        network: network_address(config),
    }))
}

/// The network's main site; WordPress takes the first one where nothing is said.
fn main_site(config: &WpConfig) -> Result<u64, String> {
    for name in ["BLOG_ID_CURRENT_SITE", "BLOGID_CURRENT_SITE"] {
        if let Some(text) = config.text(name)? {
            let id = text.parse().ok().filter(|id| *id > 0);
            return id.ok_or_else(|| format!("{name} is {text:?}, which is no site's id"));
        }
    }
    Ok(1)
}

/// Only where all of it is said in words: the table `site` tells it too.
fn network_address(config: &WpConfig) -> Option<NetworkAddress> {
    let text = |name| config.text(name).ok().flatten();
    if config.sets("SUNRISE") {
        return None;
    }
    Some(NetworkAddress {
        id: text("SITE_ID_CURRENT_SITE").map_or(Some(1), |id| id.parse().ok())?,
        domain: text("DOMAIN_CURRENT_SITE")?,
        path: text("PATH_CURRENT_SITE")?,
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
