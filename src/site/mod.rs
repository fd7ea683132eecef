//! Describes the WordPress site that this process works on: how to reach its database, the names of its tables, and its
//! WordPress version and languages. Everything here comes from the configuration, nothing from a call.

mod address_hashes;
mod examination;
mod readiness;
mod skew;
mod version;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

pub use self::address_hashes::AddressHashes;
pub use self::examination::{Examination, Examiner, Verdict};
pub use self::readiness::{Cause, Readiness, Reason};
pub use self::skew::Skew;
pub use self::version::VersionSource;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::db::{self, InvalidTableName, Observer, Pool, Statements, TableNames};
use crate::wordpress::catalogue::Catalogues;
use crate::wordpress::version::InvalidVersion;

/// One per process, shared by everything that reads or writes the site's tables.
pub struct Site {
    /// Connections to the site's database.
    pub pool: Pool,
    /// Every statement, with the site's table names in it.
    pub statements: Statements,
    /// The site's table names.
    pub tables: TableNames,
    /// Time of day.
    pub clock: Clock,
    /// How far that is from the database's.
    pub skew: Skew,
    /// Where the WordPress version comes from.
    pub version: VersionSource,
    /// Translations, used to format names and write mails.
    pub catalogues: Catalogues,
    /// Addresses as they are recorded with refused calls.
    pub address_hashes: AddressHashes,
    /// Whether calls can be carried out.
    pub readiness: Readiness,
    /// Tells this site from others; see [`fingerprint`].
    pub fingerprint: Option<String>,
    /// The newest run that this process has committed since somebody last asked.
    newest_run: AtomicU64,
}

/// A configuration that does not describe a usable site.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A name that is not safe to use in SQL.
    #[error("wordpress.table_prefix, users_table or usermeta_table cannot be used")]
    TableName(#[from] InvalidTableName),
    /// `wordpress.version` is not a version.
    #[error("wordpress.version cannot be read")]
    Version(#[from] InvalidVersion),
    /// Not a URL of a MySQL or MariaDB database.
    #[error("database.url cannot be used")]
    Database(#[source] sqlx::Error),
}

impl Site {
    /// The configured site, whose pool reports to `observer`. Opens no connection: the database need not be up yet.
    ///
    /// # Errors
    /// See [`SiteError`].
    pub fn new(config: &Config, observer: Arc<impl Observer + 'static>) -> Result<Self, SiteError> {
        let wordpress = &config.wordpress;
        let tables = table_names(wordpress)?;
        Ok(Self {
            pool: db::open(&config.database, observer).map_err(SiteError::Database)?,
            statements: Statements::render(&tables),
            fingerprint: fingerprint(config, &tables),
            tables,
            clock: Clock,
            skew: Skew::default(),
            version: VersionSource::new(wordpress)?,
            catalogues: catalogues(wordpress),
            address_hashes: AddressHashes::new(config.database.target.password()),
            readiness: Readiness::default(),
            newest_run: AtomicU64::default(),
        })
    }
}

impl Site {
    /// This run has been committed.
    pub fn note_run(&self, id: u64) {
        self.newest_run.fetch_max(id, Ordering::Relaxed);
    }

    /// The newest run since the last time that this was asked.
    pub fn take_newest_run(&self) -> Option<u64> {
        let newest = self.newest_run.swap(0, Ordering::Relaxed);
        (newest > 0).then_some(newest)
    }
}

/// The names of the configured site's tables.
///
/// # Errors
/// A name that is not safe to use in SQL.
pub fn table_names(wordpress: &config::WordPress) -> Result<TableNames, SiteError> {
    let names = TableNames::new(
        &wordpress.table_prefix,
        wordpress.users_table.as_deref(),
        wordpress.usermeta_table.as_deref(),
    )?;
    Ok(match &wordpress.blog {
        Some(blog) => names.of_blog(blog.id, &blog.prefix)?,
        None => names,
    })
}

/// The name of the configured database. `None` if its URL cannot be read.
pub fn database_name(config: &Config) -> Option<String> {
    let options = db::configured_options(&config.database).ok()?;
    options.get_database().map(str::to_owned)
}

/// Tells the tables that a configuration names from those of other sites, without naming them: a hash of where the
/// database is, of its name and of the prefix. `None` if the database's URL cannot be read.
pub fn fingerprint(config: &Config, tables: &TableNames) -> Option<String> {
    let options = db::configured_options(&config.database).ok()?;
    let socket = options.get_socket().map(|path| path.display().to_string());
    let named = format!(
        "{}\0{}\0{}\0{}\0{}",
        options.get_host(),
        options.get_port(),
        socket.unwrap_or_default(),
        options.get_database().unwrap_or_default(),
        tables.prefix()
    );
    Some(hex::encode(&Sha256::digest(named)[..8]))
}

/// WordPress's translations, from the configured folder or from the one among the site's files.
pub fn catalogues(wordpress: &config::WordPress) -> Catalogues {
    Catalogues::in_folder(wordpress.content.languages())
}
