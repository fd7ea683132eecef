//! `[database]`: the site's database, from a URL or from the `DB_…` constants that WordPress's `wpdb` connects with.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::db_host::{DEFAULT_SOCKETS, Host, Sockets};
use super::problem::{Problem, Reported};
use super::settings::Settings;
use super::wp_config::WpConfig;

pub(super) const KEYS: &[&str] = &[
    "database.url",
    "database.url_file",
    "database.max_connections",
    "database.acquire_timeout_seconds",
    "database.lock_wait_timeout_seconds",
    "database.restore_pause_seconds",
];

/// Resolved `[database]` options.
#[derive(Debug, Clone)]
pub struct Database {
    /// Location of the site's tables.
    pub target: Target,
    /// The most connections to open; at least 1.
    pub max_connections: u32,
    /// How long a call waits for a free connection; whole seconds, at least 1.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a locked row or table; whole seconds, at least 1 (`innodb_lock_wait_timeout`,
    /// `lock_wait_timeout`).
    pub lock_wait_timeout: Duration,
    /// How long calls wait after the site's tables were last made again, as by a restored dump; zero: not at all.
    pub restore_pause: Duration,
}

/// Location of the site's tables, with the credentials.
#[derive(Debug, Clone)]
pub enum Target {
    /// `database.url`: `mysql://` or `mariadb://`, with a host and a database name.
    Url(SecretString),
    /// The constants of `wp-config.php`.
    Parts {
        /// `DB_HOST`.
        host: Host,
        /// `DB_USER`.
        user: String,
        /// `DB_PASSWORD`; may be empty.
        password: SecretString,
        /// `DB_NAME`.
        database: String,
        /// Whether `MYSQL_CLIENT_FLAGS` asks for TLS.
        tls: bool,
    },
}

const REMEDY: &str = "write mysql://user:password@host:3306/database; \
    reserved characters in the user or the password must be percent-encoded, e.g. @ as %40, / as %2F, # as %23";

impl Database {
    /// `site` is the configuration found under `wordpress.root`, or the problem already noted with it.
    pub(super) fn read(
        settings: &mut Settings,
        site: Result<Option<&WpConfig>, Reported>,
    ) -> Result<Self, Reported> {
        let target = match &site {
            Ok(Some(config)) => speaks_unicode(config).map_err(|problem| settings.note(problem)),
            _ => Ok(()),
        }
        .and_then(|()| target(settings, site));
        let max_connections = settings.number("database.max_connections", 1..=10_000);
        let acquire = settings.number("database.acquire_timeout_seconds", 1..=3600);
        let lock_wait = settings.number("database.lock_wait_timeout_seconds", 1..=3600);
        let restore_pause = settings.number("database.restore_pause_seconds", 0..=3600);
        Ok(Self {
            target: target?,
            max_connections: max_connections?,
            acquire_timeout: Duration::from_secs(acquire?),
            lock_wait_timeout: Duration::from_secs(lock_wait?),
            restore_pause: Duration::from_secs(restore_pause?),
        })
    }
}

impl Target {
    /// The account's password; empty if it has none.
    pub fn password(&self) -> SecretString {
        match self {
            Self::Url(url) => {
                let url = Url::parse(url.expose_secret()).ok();
                let password = url.as_ref().and_then(Url::password);
                password.unwrap_or_default().to_owned().into()
            }
            Self::Parts { password, .. } => password.clone(),
        }
    }

    /// Where the socket is that the host `localhost` stands for, in `DB_HOST` and in a URL without port or socket: the first
    /// one that exists when a connection is opened. Empty for any other host.
    pub fn local_sockets(&self) -> Sockets {
        match self {
            Self::Url(url) if names_localhost(url.expose_secret()) => DEFAULT_SOCKETS,
            Self::Parts {
                host: Host::Local { sockets, .. },
                ..
            } => sockets,
            _ => &[],
        }
    }

    /// Whether another one leads to the same database with the same account.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.content() == other.content()
    }

    /// All values, including the password, to detect changes.
    fn content(&self) -> String {
        match self {
            Self::Url(url) => url.expose_secret().to_owned(),
            Self::Parts {
                host,
                user,
                password,
                database,
                tls,
            } => format!(
                "{host:?} {user} {} {database} {tls}",
                password.expose_secret()
            ),
        }
    }
}

/// Refuses a `DB_CHARSET` other than UTF-8: PHP's connection then declares the wrong encoding, so the tables hold text
/// that only PHP reads correctly. An empty one means PHP's default, utf8mb4.
fn speaks_unicode(config: &WpConfig) -> Result<(), Problem> {
    // A computed value is accepted: computing it is rare.
    let charset = config.text("DB_CHARSET").ok().flatten().unwrap_or_default();
    if charset.is_empty() || charset.to_ascii_lowercase().starts_with("utf8") {
        return Ok(());
    }
    Err(Problem::new(
        "wordpress.root",
        config.blame(&format!("DB_CHARSET is {charset:?}, so PHP and this daemon would read each other's names wrongly")),
        "convert the site's tables to utf8mb4 as the WordPress handbook describes, then set DB_CHARSET to utf8mb4",
    ))
}

fn target(
    settings: &mut Settings,
    site: Result<Option<&WpConfig>, Reported>,
) -> Result<Target, Reported> {
    if let Some(url) = settings.secret("database.url")? {
        return match flaw(url.expose_secret()) {
            None => Ok(Target::Url(url)),
            Some(what) => Err(settings.note(Problem::new("database.url", what, REMEDY))),
        };
    }
    let problem = match site? {
        Some(config) => match parts(config) {
            Ok(target) => {
                settings.note_content("wp-config.php", &target.content());
                return Ok(target);
            }
            Err(why) => Problem::new(
                "database.url",
                config.blame(&why),
                "set database.url (or database.url_file) instead: mysql://user:password@host:3306/database",
            ),
        },
        None => Problem::new(
            "database.url",
            "is not set, and neither is wordpress.root",
            "set database.url (or database.url_file) to mysql://user:password@host:3306/database, \
             or wordpress.root to the WordPress directory, whose wp-config.php says where the database is",
        ),
    };
    Err(settings.note(problem))
}

fn names_localhost(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let names_socket = url.query_pairs().any(|(name, _)| name == "socket");
    let host = url.host_str().unwrap_or_default();
    url.port().is_none() && !names_socket && host.eq_ignore_ascii_case("localhost")
}

fn flaw(url: &str) -> Option<String> {
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => return Some(format!("is not a URL ({error})")),
    };
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return Some("has a scheme other than mysql and mariadb".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Some("names no host".to_owned());
    }
    // An unencoded # or ? in the password ends the URL before its database.
    let database = url.path().trim_start_matches('/');
    if database.is_empty() || database.contains('/') || url.fragment().is_some() {
        return Some("names no database".to_owned());
    }
    None
}

/// Reads the four constants of `wp-config.php`, or reports every problem with them.
fn parts(config: &WpConfig) -> Result<Target, String> {
    let names = ["DB_HOST", "DB_USER", "DB_PASSWORD", "DB_NAME"];
    let [host, user, password, database] = names.map(|name| config.required_text(name));
    let host = host.and_then(|text| {
        Host::parse(&text, DEFAULT_SOCKETS).ok_or_else(|| {
            format!("DB_HOST is {text:?}, which is not host, host:port or host:/socket")
        })
    });
    match (host, user, password, database) {
        (Ok(host), Ok(user), Ok(password), Ok(database)) => Ok(Target::Parts {
            host,
            user,
            password: password.into(),
            database,
            tls: config.wants_tls(),
        }),
        (host, user, password, database) => {
            let flaws = [host.err(), user.err(), password.err(), database.err()];
            Err(flaws.into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_without_a_port_is_the_socket_as_for_php() {
        let of = |url: &str| Target::Url(url.to_owned().into()).local_sockets();
        for url in [
            "mysql://user:p%40ss@localhost/site",
            "mariadb://user@LocalHost/site?ssl-mode=disabled",
        ] {
            assert_eq!(of(url), DEFAULT_SOCKETS, "{url}");
        }
        for url in [
            "mysql://user@localhost:3306/site",
            "mysql://user@127.0.0.1/site",
            "mysql://user@[::1]/site",
            "mysql://user@db.example/site",
            "mysql://user@localhost/site?socket=/s/m.sock",
        ] {
            assert_eq!(of(url), [""; 0], "{url}");
        }
    }

    /// A server takes its socket away while it is down.
    #[test]
    fn a_socket_that_comes_and_goes_makes_no_other_database() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mysqld.sock");
        let path: &'static str = socket.display().to_string().leak();
        let sockets: Sockets = vec![path].leak();
        let target = |host: &str| Target::Parts {
            host: Host::parse(host, sockets).unwrap(),
            user: "keeper".to_owned(),
            password: "hunter2".to_owned().into(),
            database: "site".to_owned(),
            tls: false,
        };
        let before = target("localhost");
        std::fs::write(&socket, "").unwrap();
        assert!(target("localhost").is_same(&before));
        assert_eq!(target("localhost").local_sockets(), [path]);
        std::fs::remove_file(&socket).unwrap();
        assert!(target("localhost").is_same(&before));
        for other in ["127.0.0.1", "localhost:3307", "localhost:/s/m.sock"] {
            assert!(!target(other).is_same(&before), "{other}");
        }
    }

    #[test]
    fn database_urls_need_a_scheme_a_host_and_a_database() {
        for url in [
            "mysql://user:p%40ss@127.0.0.1:3306/site",
            "mariadb://user@[::1]/site",
            "mysql://user:p@ss@db.example/site?ssl-mode=required",
            "mysql://user@localhost/site?socket=/run/mysqld/mysqld.sock",
        ] {
            assert_eq!(flaw(url), None, "{url}");
        }
        for (url, what) in [
            ("postgres://user@host/site", "scheme"),
            ("host/site", "not a URL"),
            ("mysql://user:p#w@host/site", "not a URL"),
            ("mysql://user:p/w@host/site", "not a URL"),
            ("mysql://user:12/34@host/site", "no database"),
            ("mysql://user:12#34@host/site", "no database"),
            ("mysql://user:12?34@host/site", "no database"),
            ("mysql://user:w@host", "no database"),
            ("mysql://user:w@host/", "no database"),
            ("mysql:///site", "no host"),
        ] {
            assert!(
                flaw(url).is_some_and(|flaw| flaw.contains(what)),
                "{url}: {:?}",
                flaw(url)
            );
        }
    }
}
