//! Tells whether a file of the site is still the one that was read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// Changes when a file is written or becomes readable, and when its path leads to another one: releases that a link chooses may all have
/// the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    modified: SystemTime,
    /// Of its mode or owner, too; in seconds and nanoseconds.
    changed: (i64, i64),
    device: u64,
    inode: u64,
    size: u64,
}

impl FileStamp {
    /// `None` if there is no file.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self {
            modified: metadata.modified().ok()?,
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
        })
    }
}
