//! The site's `wp-config.php`, found as `wp-load.php` (WordPress 7.1) finds it and read without running it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use super::php::{Cause, Definition, Outcome, Place, Surroundings, Value, evaluate};
use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;

/// A WordPress directory and its configuration file. Holds the database password, hence no `Debug`.
pub(super) struct WpConfig {
    /// The directory as configured, absolute, with its links: where they lead may change while the daemon runs.
    pub(super) root: PathBuf,
    path: PathBuf,
    outcome: Outcome,
}

const REMEDY: &str = "let wordpress.root name the directory with wp-load.php, \
    or remove it and set database.url, wordpress.table_prefix and wordpress.version";

impl WpConfig {
    /// What `wordpress.root` leads to; `None` if it is not set. `environment` stands for the one that PHP has.
    pub(super) fn read(
        settings: &mut Settings,
        environment: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, Reported> {
        settings.optional_parsed("wordpress.root", |root| {
            Self::open(Path::new(root), environment)
        })
    }

    fn open(given: &Path, environment: &BTreeMap<String, String>) -> Result<Self, Flaw> {
        // `dirname(ABSPATH)` is taken of a resolved path: ABSPATH comes from `__DIR__`.
        let root = given.canonicalize().map_err(|error| {
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
        let path = path.canonicalize().unwrap_or(path);
        let around = Surroundings {
            environment,
            constants: vec![("ABSPATH", absolute_path(&root))],
            folder: folder_of_site(&path),
            working_directory: root.clone(),
            follows_files: true,
        };
        let outcome = evaluate(&path, &content, &around);
        Ok(Self {
            root: std::path::absolute(given).unwrap_or(root),
            path,
            outcome,
        })
    }

    /// A path that the file computed from its own place, by the links of `wordpress.root`: with `/srv/current/wp` for that, and
    /// `current` a link to `releases/7`, `/srv/releases/7/app` is `/srv/current/app`, which stays right when the link changes.
    pub(super) fn by_links(&self, resolved: PathBuf) -> PathBuf {
        let by_link = |folder: &Path| {
            let real = folder.canonicalize().ok()?;
            let inside = resolved.strip_prefix(&real).ok()?;
            // Joining nothing would add a slash.
            Some(folder.components().chain(inside.components()).collect())
        };
        let linked = self.root.ancestors().find_map(by_link);
        linked.unwrap_or(resolved)
    }

    /// A constant (`DB_NAME`) or variable (`$table_prefix`) as text; `None` if the file does not set it.
    /// The error says, for the operator, why the file does not tell.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(found) = self.found(name) else {
            return Ok(None);
        };
        let Some(bytes) = found.value.to_text() else {
            return Err(self.why(name, found));
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(format!(
                "{} sets {name} in an encoding other than UTF-8",
                self.at(&found.place)
            )),
        }
    }

    /// Like [`Self::text`] for what WordPress cannot do without: not being set is an error too.
    pub(super) fn required_text(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| {
            let unseen = self.unseen().map(|what| format!(" ({what} may set it)"));
            format!("the file does not set {name}{}", unseen.unwrap_or_default())
        })
    }

    /// Why a name that the file does not set may be set all the same.
    pub(super) fn may_be_set(&self, name: &str) -> Option<String> {
        let what = self.unseen()?;
        Some(format!("{what} may set {name}"))
    }

    fn unseen(&self) -> Option<String> {
        let Cause { what, place } = self.outcome.unseen.as_deref()?;
        Some(format!("{what} on {}", self.at(place)))
    }

    /// The files that were read.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.outcome.files.clone()
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
        let truth = found.value.truth();
        truth.map_err(|_| self.why("MULTISITE", found))
    }

    /// Whether `MYSQL_CLIENT_FLAGS`, usually an expression of PHP's own constants, asks for TLS.
    pub(super) fn wants_tls(&self) -> bool {
        const MYSQLI_CLIENT_SSL: i64 = 2048;
        match self.found("MYSQL_CLIENT_FLAGS").map(|found| &found.value) {
            Some(Value::Int(flags)) => flags & MYSQLI_CLIENT_SSL != 0,
            _ => false,
        }
    }

    /// Names this file in front of what is wrong with it.
    pub(super) fn blame(&self, why: &str) -> String {
        format!("{}: {why}", self.path.display())
    }

    fn found(&self, name: &str) -> Option<&Definition> {
        match name.strip_prefix('$') {
            Some(variable) => self.outcome.variables.get(variable),
            None => self.outcome.constants.get(name),
        }
    }

    fn why(&self, name: &str, found: &Definition) -> String {
        let at = self.at(&found.place);
        let Value::Unknown(cause) = &found.value else {
            return format!("{at} sets {name} to a value that is no text");
        };
        let Cause { what, place } = &**cause;
        if *place == found.place {
            return format!("{at} sets {name}, which depends on {what}");
        }
        format!(
            "{at} sets {name}, which depends on {what} ({})",
            self.at(place)
        )
    }

    /// `line 7`, with the file's name if it is another file.
    fn at(&self, place: &Place) -> String {
        if *place.file == *self.path {
            return format!("line {}", place.line);
        }
        format!("{} line {}", place.file.display(), place.line)
    }
}

/// The constant `ABSPATH`, which `wp-load.php` defines.
fn absolute_path(root: &Path) -> Vec<u8> {
    let mut path = root.as_os_str().as_encoded_bytes().to_vec();
    if path != b"/" {
        path.push(b'/');
    }
    path
}

/// The folder whose files the daemon sees as PHP does: where `wp-config.php` is, and the one above, which frameworks
/// keep their own files in, unless it belongs to everybody.
fn folder_of_site(wp_config: &Path) -> PathBuf {
    let own = wp_config.parent().unwrap_or(Path::new("/"));
    let above = own.parent();
    let above = above.filter(|above| above.components().count() > 2);
    above.unwrap_or(own).to_path_buf()
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

#[cfg(any(test, fuzzing))]
impl WpConfig {
    /// A file that names no others.
    fn of(source: &[u8], environment: &BTreeMap<String, String>) -> Self {
        let path = PathBuf::from("/site/wp-config.php");
        let around = Surroundings {
            environment,
            constants: vec![("ABSPATH", b"/site/".to_vec())],
            folder: "/site".into(),
            working_directory: "/site".into(),
            follows_files: false,
        };
        Self {
            root: "/site".into(),
            outcome: evaluate(&path, source, &around),
            path,
        }
    }
}

/// Asks a file for everything that is asked of `wp-config.php`, and of `version.php`.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_php(source: &[u8]) {
    let config = WpConfig::of(source, &BTreeMap::from([("DB_NAME".into(), "site".into())]));
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
mod tests;
