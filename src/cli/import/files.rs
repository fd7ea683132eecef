//! The list, and the file that says what became of its lines.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::operations::import::Ended;

/// Lines after which the result is on its way to the disk.
const FLUSHED: u64 = 100;

/// Opens the list. It is read more than once, so standard input is copied to a file that has no name.
pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    if path != Path::new("-") {
        let opened = File::open(path);
        return opened.with_context(|| format!("cannot open {}", path.display()));
    }
    let spool = std::env::temp_dir().join(format!(
        "fcom-sidecar-import-{:032x}",
        rand::random::<u128>()
    ));
    let copied = (|| {
        let mut options = OpenOptions::new();
        let mut copy = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&spool)?;
        std::fs::remove_file(&spool)?;
        io::copy(&mut io::stdin().lock(), &mut copy)?;
        copy.seek(SeekFrom::Start(0))?;
        Ok::<_, io::Error>(copy)
    })();
    copied.with_context(|| format!("cannot copy standard input to {}", spool.display()))
}

/// `members.result.csv` beside `members.csv`.
pub(super) fn beside(list: &Path) -> PathBuf {
    list.with_extension("result.csv")
}

/// What became of each line. Anew with each start, and whole at its end: lines that were carried out before tell so again.
pub(super) struct ResultFile {
    file: csv::Writer<File>,
    unwritten: u64,
}

impl ResultFile {
    /// Only its owner can read it: it has logins. It must not be the list itself.
    pub(super) fn create(path: &Path, list: &File) -> anyhow::Result<Self> {
        let opened = (|| {
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(path)?;
            let is_list =
                |of: &Metadata, list: &Metadata| of.dev() == list.dev() && of.ino() == list.ino();
            let about = file.metadata()?;
            if is_list(&about, &list.metadata()?) {
                return Err(io::Error::other("it is the list itself"));
            }
            if about.is_file() {
                file.set_permissions(Permissions::from_mode(0o600))?;
                file.set_len(0)?;
            }
            Ok(file)
        })();
        let file = opened.with_context(|| {
            format!(
                "cannot write {}: name another file with --result",
                path.display()
            )
        })?;
        let mut file = csv::Writer::from_writer(file);
        file.write_record(["line", "user_id", "login", "outcome", "reason"])?;
        Ok(Self { file, unwritten: 0 })
    }

    pub(super) fn add(&mut self, ended: &Ended) -> io::Result<()> {
        let user = ended.user_id.map(|id| id.to_string());
        self.file.write_record([
            &*ended.line.to_string(),
            user.as_deref().unwrap_or_default(),
            ended.login.as_deref().unwrap_or_default(),
            ended.outcome,
            ended.reason.as_deref().unwrap_or_default(),
        ])?;
        self.unwritten += 1;
        if self.unwritten == FLUSHED {
            self.unwritten = 0;
            self.file.flush()?;
        }
        Ok(())
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
