//! The site's `wp-config.php`, found as `wp-load.php` (WordPress 7.1) finds it and read without running it.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use super::php::{Found, PhpSource, Value};
use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;

/// A WordPress directory and its configuration file. Holds the database password, hence no `Debug`.
pub(super) struct WpConfig {
    /// The directory as PHP's `__DIR__` has it: absolute, links resolved.
    pub(super) root: PathBuf,
    path: PathBuf,
    source: PhpSource,
}

const REMEDY: &str = "let wordpress.root name the directory with wp-load.php, \
    or remove it and set database.url, wordpress.table_prefix and wordpress.version";

impl WpConfig {
    /// What `wordpress.root` leads to; `None` if it is not set.
    pub(super) fn read(settings: &mut Settings) -> Result<Option<Self>, Reported> {
        settings.optional_parsed("wordpress.root", |root| Self::open(Path::new(root)))
    }

    fn open(root: &Path) -> Result<Self, Flaw> {
        // `dirname(ABSPATH)` is taken of a resolved path: ABSPATH comes from `__DIR__`.
        let root = root.canonicalize().map_err(|error| {
            let what = match error.kind() {
                ErrorKind::NotFound => "does not exist".to_owned(),
                _ => format!("cannot be opened: {error}"),
            };
            Flaw::new(what, REMEDY)
        })?;
        if !root.is_dir() {
            return Err(Flaw::new("is not a directory", REMEDY));
        }
        let (path, content) = match read_if_there(root.join("wp-config.php"))? {
            Some(found) => found,
            None => above(&root)?.ok_or_else(|| {
                Flaw::new("has no wp-config.php, nor has the directory above", REMEDY)
            })?,
        };
        let source = PhpSource::read(&content);
        Ok(Self { root, path, source })
    }

    /// A constant (`DB_NAME`) or variable (`$table_prefix`) as text; `None` if the file does not set it.
    /// The error says, for the operator, why the file does not tell.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(found) = self.found(name) else {
            return Ok(None);
        };
        match &found.value {
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Int(number) => Ok(Some(number.to_string())),
            // What PHP makes of a bool where a text is wanted.
            Value::Bool(yes) => Ok(Some(if *yes { "1" } else { "" }.to_owned())),
            unknown => Err(self.why(name, found.line, unknown)),
        }
    }

    /// Like [`Self::text`] for what WordPress cannot do without: not being set is an error too.
    pub(super) fn required_text(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| {
            let include =
                self.source.includes.first().map(|line| {
                    format!(" (line {line} includes another file, which is not followed)")
                });
            format!(
                "the file does not set {name}{}",
                include.unwrap_or_default()
            )
        })
    }

    /// Whether the file sets a constant or variable, to whatever.
    pub(super) fn sets(&self, name: &str) -> bool {
        self.found(name).is_some()
    }

    /// Whether the site is a multisite network; mirrors `is_multisite`.
    pub(super) fn is_multisite(&self) -> Result<bool, String> {
        let Some(found) = self.found("MULTISITE") else {
            let hints = ["SUBDOMAIN_INSTALL", "VHOST", "SUNRISE"];
            return Ok(hints.iter().any(|name| self.found(name).is_some()));
        };
        match &found.value {
            Value::Bool(yes) => Ok(*yes),
            Value::Int(number) => Ok(*number != 0),
            Value::Text(text) => Ok(!matches!(text.as_str(), "" | "0")),
            unknown => Err(self.why("MULTISITE", found.line, unknown)),
        }
    }

    /// Whether `MYSQL_CLIENT_FLAGS`, usually an expression of PHP's own constants, asks for TLS.
    pub(super) fn wants_tls(&self) -> bool {
        const MYSQLI_CLIENT_SSL: i64 = 2048;
        match self.found("MYSQL_CLIENT_FLAGS").map(|found| &found.value) {
            Some(Value::Int(flags)) => flags & MYSQLI_CLIENT_SSL != 0,
            Some(Value::Computed(names)) => names.iter().any(|name| name == "MYSQLI_CLIENT_SSL"),
            _ => false,
        }
    }

    /// Names this file in front of what is wrong with it.
    pub(super) fn blame(&self, why: &str) -> String {
        format!("{}: {why}", self.path.display())
    }

    fn found(&self, name: &str) -> Option<&Found> {
        match name.strip_prefix('$') {
            Some(variable) => self.source.variable(variable),
            None => self.source.constant(name),
        }
    }

    fn why(&self, name: &str, line: usize, unknown: &Value) -> String {
        match unknown {
            Value::Several => {
                format!("line {line} sets {name}, but another line may set it differently")
            }
            Value::Fallback => {
                let include = self.source.includes.first().unwrap_or(&line);
                format!("line {line} sets {name} unless a file included on line {include} has")
            }
            Value::Undecodable => {
                format!("line {line} sets {name} in an encoding other than UTF-8")
            }
            _ => format!("line {line} computes {name}"),
        }
    }
}

/// `wp-config.php` one directory up counts, unless that directory is a WordPress of its own.
fn above(root: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, Flaw> {
    match root.parent() {
        Some(parent) if !parent.join("wp-settings.php").exists() => {
            read_if_there(parent.join("wp-config.php"))
        }
        _ => Ok(None),
    }
}

fn read_if_there(path: PathBuf) -> Result<Option<(PathBuf, Vec<u8>)>, Flaw> {
    match fs::read(&path) {
        Ok(content) => Ok(Some((path, content))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, &error)),
    }
}

fn unreadable(path: &Path, error: &Error) -> Flaw {
    Flaw::new(
        format!("leads to {}, which cannot be read: {error}", path.display()),
        "let the daemon's user read it (often by joining the group www-data), \
         or remove wordpress.root and set database.url, wordpress.table_prefix and wordpress.version",
    )
}

/// A problem with what the file says about an option, and the option to set instead.
pub(super) fn unusable(key: &str, what: String) -> Problem {
    Problem::new(key, what, format!("set {key} instead"))
}

/// Asks a file for everything that is asked of `wp-config.php`, and of `version.php`.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_php(source: &[u8]) {
    let config = WpConfig {
        root: PathBuf::new(),
        path: PathBuf::new(),
        source: PhpSource::read(source),
    };
    for name in [
        "DB_HOST",
        "DB_PASSWORD",
        "DB_CHARSET",
        "$table_prefix",
        "$wp_version",
    ] {
        let known = config.required_text(name);
        assert!(known.is_err() || config.text(name).is_ok());
        if let Ok(host) = known {
            let _ = super::db_host::Host::parse(&host, super::db_host::DEFAULT_SOCKETS);
            let _ = super::wp_version::parse(&host);
        }
    }
    let _ = (config.is_multisite(), config.wants_tls());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an installation looks like after years of plugins and hosters.
    const LIVED_IN: &str = r#"<?php
/** The base configuration. define( 'DB_NAME', 'from_a_comment' ); */
define('WP_CACHE', true); // Added by a cache plugin
#define( 'DB_NAME', 'old' );
define( 'DB_NAME', 'site' );
define( "DB_USER", "site_user" );
define( 'DB_PASSWORD', 'it\'s "so" $ecret\\#' );
/* define( 'DB_HOST', 'elsewhere' ); */ define( 'DB_HOST', 'db.example:3307' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'AUTH_KEY', 'x<?php {$a} ?> /* // # <<<E "' );
define( 'MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT );
$note = "define( 'DB_NAME', 'in a string' ); {$_SERVER["HTTP_HOST"]}";
$table_prefix = 'site1_';
if ( $_SERVER['HTTP_X_FORWARDED_PROTO'] === 'https' ) { $_SERVER['HTTPS'] = 'on'; }
define( 'WP_HOME', 'https://' . $_SERVER['HTTP_HOST'] );
define( 'WP_SITEURL', 'https://' . 'example.com' );
const FLUENT_COMMUNITY_PORTAL_SLUG = 'community';
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
define( 'CUSTOM_USER_TABLE', 'shared_users' );
"#;

    fn config(content: &str) -> WpConfig {
        WpConfig {
            root: "/site".into(),
            path: "/site/wp-config.php".into(),
            source: PhpSource::read(content.as_bytes()),
        }
    }

    #[test]
    fn a_lived_in_file_tells_everything_it_says_in_literals() {
        let config = config(LIVED_IN);
        for (name, text) in [
            ("DB_NAME", "site"),
            ("DB_USER", "site_user"),
            ("DB_PASSWORD", r#"it's "so" $ecret\#"#),
            ("DB_HOST", "db.example:3307"),
            ("$table_prefix", "site1_"),
            ("WP_SITEURL", "https://example.com"),
            ("FLUENT_COMMUNITY_PORTAL_SLUG", "community"),
            ("CUSTOM_USER_TABLE", "shared_users"),
        ] {
            assert_eq!(config.text(name), Ok(Some(text.to_owned())), "{name}");
        }
        assert_eq!(
            config.text("WP_HOME"),
            Err("line 15 computes WP_HOME".to_owned())
        );
        assert_eq!(config.text("CUSTOM_USER_META_TABLE"), Ok(None));
        assert!(config.wants_tls());
        assert_eq!(config.is_multisite(), Ok(false));
    }

    #[test]
    fn every_prefix_of_a_file_is_read_without_panic() {
        for end in 0..LIVED_IN.len() {
            PhpSource::read(&LIVED_IN.as_bytes()[..end]);
        }
    }

    #[test]
    fn what_the_file_does_not_tell_is_explained() {
        for (content, why) in [
            ("<?php\n\ndefine('A', getenv('A'));", "line 3 computes A"),
            ("<?php define('A', \"x$y\");", "line 1 computes A"),
            (
                "<?php if ($l) { define('A', 1); } else { define('A', 2); }",
                "line 1 sets A, but another line",
            ),
            (
                "<?php include $f;\nif (!defined('A')) define('A', 1);",
                "line 2 sets A unless a file included on line 1 has",
            ),
            ("<?php", "the file does not set A"),
            (
                "<?php\ninclude $f;",
                "the file does not set A (line 2 includes another file, which is not followed)",
            ),
        ] {
            let found = config(content).required_text("A").unwrap_err();
            assert!(found.starts_with(why), "{content}: {found}");
        }
    }

    #[test]
    fn a_network_is_recognised_as_is_multisite_recognises_it() {
        for (code, expected) in [
            ("", Some(false)),
            ("define('MULTISITE', true);", Some(true)),
            ("define('MULTISITE', 1);", Some(true)),
            ("define('MULTISITE', 'yes');", Some(true)),
            ("define('MULTISITE', '0');", Some(false)),
            (
                "define('MULTISITE', false); define('SUNRISE', true);",
                Some(false),
            ),
            ("define('SUBDOMAIN_INSTALL', false);", Some(true)),
            ("define('WP_ALLOW_MULTISITE', true);", Some(false)),
            ("define('MULTISITE', $x);", None),
        ] {
            let config = config(&format!("<?php {code}"));
            assert_eq!(config.is_multisite().ok(), expected, "{code}");
        }
    }

    #[test]
    fn tls_is_wanted_when_the_client_flags_say_so() {
        for (flags, expected) in [
            ("MYSQLI_CLIENT_SSL", true),
            ("\\MYSQLI_CLIENT_SSL|MYSQLI_CLIENT_COMPRESS", true),
            ("2048", true),
            ("32", false),
            ("MYSQLI_CLIENT_COMPRESS", false),
        ] {
            let config = config(&format!("<?php define('MYSQL_CLIENT_FLAGS', {flags});"));
            assert_eq!(config.wants_tls(), expected, "{flags}");
        }
    }

    #[test]
    fn the_file_is_looked_for_where_wordpress_looks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("site");
        let refused = |root: &Path| WpConfig::open(root).map(|_| ()).unwrap_err().what;

        assert_eq!(refused(&root), "does not exist");
        fs::create_dir(&root).unwrap();
        assert!(refused(&root).starts_with("has no wp-config.php"));

        let above = folder.path().join("wp-config.php");
        fs::write(&above, "<?php define('A', 'above');").unwrap();
        let text = || WpConfig::open(&root).unwrap().text("A").unwrap().unwrap();
        assert_eq!(text(), "above");
        fs::write(folder.path().join("wp-settings.php"), "").unwrap();
        assert!(refused(&root).starts_with("has no wp-config.php"));
        assert_eq!(refused(&above), "is not a directory");

        fs::write(root.join("wp-config.php"), "<?php define('A', 'inside');").unwrap();
        assert_eq!(text(), "inside");
        fs::remove_file(root.join("wp-config.php")).unwrap();
        fs::create_dir(root.join("wp-config.php")).unwrap();
        assert!(refused(&root).contains("cannot be read"));
    }
}
