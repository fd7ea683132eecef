//! The site that calls are carried out for, and what they need to do it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::{Lanes, Readiness, Tally, WaitingRoom};
use crate::clock::Clock;
use crate::db::{Pool, Statements, TableNames};
use crate::telemetry::Metrics;
use crate::wordpress::catalogue::Catalogues;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::password;
use crate::wordpress::sanitize::Rules;
use crate::wordpress::version::Version;

/// Everything a call needs; one per process.
pub struct Site {
    /// Connections to the site's database.
    pub pool: Pool,
    /// Every statement, with the site's table names in it.
    pub statements: Statements,
    /// The site's table names.
    pub tables: TableNames,
    /// Time of day.
    pub clock: Clock,
    /// Where the WordPress version comes from.
    pub version: VersionSource,
    /// Locale and version of the last new user.
    pub last_rules: LastRules,
    /// The languages in which names are put together and mails are written.
    pub catalogues: Arc<Catalogues>,
    /// The hash for supplied passwords.
    pub password_scheme: PasswordScheme,
    /// How welcome mails leave.
    pub welcome_mail: WelcomeMail,
    /// Where new users who want the same name wait.
    pub waiting_room: WaitingRoom,
    /// Rung when a mail was promised.
    pub mail_bell: Arc<Notify>,
    /// Rung when events were committed; `None` while the relay is off, and then none are written.
    pub relay_bell: Option<Arc<Notify>>,
    /// Where new users queue.
    pub lanes: Lanes,
    /// Counts runs.
    pub tally: Tally,
    /// Calls under way: the process does not end before them.
    pub tasks: TaskTracker,
    /// Whether the database was found fit to be written to.
    pub readiness: Readiness,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// The main runtime: a web worker's own runtime dies with it.
    pub runtime: Handle,
}

/// How names were sanitised last. Good for guesses only: the site's settings are read with every call.
#[derive(Default)]
pub struct LastRules(RwLock<Option<(String, Version, bool)>>);

impl LastRules {
    pub(super) fn remember(&self, rules: Rules<'_>) {
        let Rules {
            locale,
            version,
            multisite,
        } = rules;
        let is_known = |known: &(String, Version, bool)| known.0 == locale && known.1 == version;
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(is_known) {
            drop(known);
            let mut last = self.0.write().unwrap_or_else(PoisonError::into_inner);
            *last = Some((locale.to_owned(), version, multisite));
        }
    }

    /// Nothing, before the first new user.
    pub(super) fn with<T: Default>(&self, ask: impl FnOnce(Rules<'_>) -> T) -> T {
        let last = self.0.read().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .map_or_else(T::default, |&(ref locale, version, multisite)| {
                ask(Rules {
                    locale,
                    version,
                    multisite,
                })
            })
    }
}

/// Which hash new passwords get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// `$P$B`: every WordPress verifies it.
    Phpass,
    /// What the running version writes itself, with this cost where that is bcrypt.
    WordPress {
        /// Of [`password::Scheme::Bcrypt`].
        bcrypt_cost: u32,
    },
}

impl PasswordScheme {
    /// The hash for a version.
    pub fn for_version(self, version: Version) -> password::Scheme {
        match self {
            Self::WordPress { bcrypt_cost: cost } if version.uses_bcrypt() => {
                password::Scheme::Bcrypt { cost }
            }
            _ => password::Scheme::Phpass,
        }
    }
}

/// How a new user's welcome mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WelcomeMail {
    /// From our outbox.
    Outbox,
    /// WordPress sends it: told by an event while the relay is on, else by a scheduled action to which FluentCommunity
    /// (2.5.0 and later) listens.
    WordPress,
    /// Not at all.
    Off,
}

/// Where the WordPress version comes from.
pub enum VersionSource {
    /// The configuration says it outright.
    Fixed(Version),
    /// `wp-includes/version.php`, read again when the file changes, so that an upgrade counts at once.
    File(VersionFile),
    /// The database, with every call.
    Database,
}

/// A version file with what it said last.
pub struct VersionFile {
    path: PathBuf,
    read: fn(&Path) -> Option<Version>,
    seen: Mutex<(Option<SystemTime>, Version)>,
}

impl VersionSource {
    /// The file's version is known already; `path` is looked at again for every call, and read when it has changed.
    pub fn file(path: PathBuf, version: Version, read: fn(&Path) -> Option<Version>) -> Self {
        let modified = modified(&path);
        Self::File(VersionFile {
            path,
            read,
            seen: Mutex::new((modified, version)),
        })
    }

    /// The version where it is known without asking the database.
    pub fn known(&self) -> Option<Version> {
        match self {
            Self::Fixed(version) => Some(*version),
            Self::File(file) => Some(file.version()),
            Self::Database => None,
        }
    }

    /// The version that new users are made for.
    pub fn version(&self, options: &SiteOptions) -> Option<Version> {
        self.known()
            .or_else(|| options.version().map(|found| found.version))
    }
}

impl VersionFile {
    /// Keeps the last version while the file is being replaced and cannot be read.
    fn version(&self) -> Version {
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let modified = modified(&self.path);
        if modified.is_some()
            && modified != seen.0
            && let Some(version) = (self.read)(&self.path)
        {
            *seen = (modified, version);
        }
        seen.1
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}
