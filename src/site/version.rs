//! Finds the WordPress version: in the configuration, in WordPress's own file, or in the database.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::config;
use crate::wordpress::file_stamp::FileStamp;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::version::{InvalidVersion, Version};

/// Where the WordPress version comes from.
pub enum VersionSource {
    /// Set in the configuration.
    Fixed(Version),
    /// `wp-includes/version.php`, read again when the file or a link to it changes, so that an upgrade takes effect at once.
    File(VersionFile),
    /// The database, read with every call.
    Database,
}

/// A version file and its last known content.
pub struct VersionFile {
    path: PathBuf,
    /// The file as it was read, and the version in it.
    seen: Mutex<(Option<FileStamp>, Version)>,
}

impl VersionSource {
    /// The configured source.
    ///
    /// # Errors
    /// `wordpress.version` is not a version.
    pub(super) fn new(wordpress: &config::WordPress) -> Result<Self, InvalidVersion> {
        let Some(text) = &wordpress.version else {
            return Ok(Self::Database);
        };
        let version = text.parse()?;
        Ok(match &wordpress.version_file {
            Some(path) => Self::File(VersionFile::new(path.clone(), version)),
            None => Self::Fixed(version),
        })
    }

    /// The version if it is known without a database query.
    pub fn known(&self) -> Option<Version> {
        match self {
            Self::Fixed(version) => Some(*version),
            Self::File(file) => Some(file.version()),
            Self::Database => None,
        }
    }

    /// The version for which new users are created.
    pub fn version(&self, options: &SiteOptions) -> Option<Version> {
        self.known()
            .or_else(|| options.version().map(|found| found.version))
    }
}

impl VersionFile {
    fn new(path: PathBuf, version: Version) -> Self {
        let stamp = FileStamp::of(&path);
        Self {
            path,
            seen: Mutex::new((stamp, version)),
        }
    }

    /// Keeps the last version while the file is being replaced and cannot be read.
    fn version(&self) -> Version {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = FileStamp::of(&self.path);
        if stamp.is_some()
            && stamp != seen.0
            && let Some(version) = read(&self.path)
        {
            *seen = (stamp, version);
        }
        seen.1
    }
}

fn read(path: &Path) -> Option<Version> {
    config::read_version_file(path)?.parse().ok()
}
