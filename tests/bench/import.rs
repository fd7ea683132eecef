//! `fcom-sidecar import`: lines a second beside calls a second, and what calls lose while a list is imported.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::Options;
use crate::lab::{Lab, SATURATING};
use crate::load::Pace;
use crate::measure::{Row, Run};
use crate::processes::{self, Watched};
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::site::{Kind, PLAIN_HOOK_ID, Site};

pub(crate) const IMPORT: &str = "import";
pub(crate) const CALLS: &str = "new user without password, before an import";
/// Calls for known users at a constant rate.
pub(crate) const ALONE: &str = "known users, without an import";
pub(crate) const BESIDE: &str = "known users, beside an import";
pub(crate) const CONSTANT_CALLERS: usize = 64;
/// Of the new users' rate.
const CONSTANT: f64 = 0.2;
/// More than any machine imports.
const LINES_PER_SECOND: f64 = 10_000.0;
const PATIENCE: Duration = Duration::from_mins(10);

/// Measures both.
pub(crate) async fn measure(
    lab: &Lab,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    if !options.wants(IMPORT) {
        return Ok(());
    }
    let users = lab.site.users;
    let calls = |kind: Kind, prefix: &str| kind.calls(lab.sidecar.address, users, prefix);
    let known = Row::calls(ALONE, calls(Kind::Known, ""), &lab.watched);
    for repeat in 0..options.repeats {
        let new = calls(Kind::New { password: false }, &format!("early{repeat}x"));
        let new = Row::calls(CALLS, new, &lab.watched);
        let new = new
            .measure(SATURATING, Pace::Closed, options.seconds)
            .await?;
        report.add(CALLS, SATURATING, new);
        let pace = Pace::Rate(new.per_second * CONSTANT);
        let alone = known.measure(CONSTANT_CALLERS, pace, options.seconds);
        report.add(ALONE, CONSTANT_CALLERS, alone.await?);

        let list = List::new(&format!("line{repeat}x"), lines(options.seconds))?;
        let mut import = list.import(&lab.sidecar, &[])?;
        import.has_done(&lab.site, 1).await?;
        let run = import.measure(lab, options.seconds).await?;
        report.add(IMPORT, SATURATING, run);
        let beside = known.measure(CONSTANT_CALLERS, pace, options.seconds);
        report.add(BESIDE, CONSTANT_CALLERS, beside.await?);
        ensure!(!import.has_ended()?, "the list was too short");
        report.sample("import_peak_memory_mb", import.peak_memory()?);
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small and positive"
)]
fn lines(seconds: f64) -> u64 {
    (seconds.max(1.0) * LINES_PER_SECOND) as u64
}

/// A file with new members, in a folder of its own.
pub(crate) struct List {
    folder: TempDir,
}

impl List {
    pub(crate) fn new(prefix: &str, lines: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let list = Self { folder };
        let mut file = BufWriter::new(File::create(list.path())?);
        writeln!(file, "email;first_name;last_name")?;
        for number in 0..lines {
            writeln!(
                file,
                "{prefix}{number}@bench.example;{prefix}{number};Bench"
            )?;
        }
        file.flush()?;
        Ok(list)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("members.csv")
    }

    /// Starts to import it into the daemon's site.
    pub(crate) fn import(&self, sidecar: &Sidecar, more: &[&str]) -> anyhow::Result<Import> {
        self.import_copy(sidecar, &self.path(), more)
    }

    /// The same with a copy of it in another folder, where the result then is.
    pub(crate) fn import_copy(
        &self,
        sidecar: &Sidecar,
        copy: &Path,
        more: &[&str],
    ) -> anyhow::Result<Import> {
        let told = self.folder.path().join("told");
        let hook = PLAIN_HOOK_ID.to_string();
        let process = sidecar
            .command(&["import", "--json", "--webhook", &hook])
            .arg(copy)
            .args(more)
            .stdout(File::create(&told)?)
            .stderr(Stdio::inherit())
            .spawn()
            .context("the import cannot be started")?;
        Ok(Import { process, told })
    }
}

/// An import that runs; killed on drop.
pub(crate) struct Import {
    process: Child,
    told: PathBuf,
}

impl Import {
    /// Waits until so many runs have been recorded since the daemon's tables were made.
    pub(crate) async fn has_done(&mut self, site: &Site, more: u64) -> anyhow::Result<()> {
        let runs = runs(site).await?;
        let began = Instant::now();
        while self::runs(site).await? < runs + more {
            ensure!(!self.has_ended()?, "the import has ended early");
            ensure!(began.elapsed() < PATIENCE, "the import does not go on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn measure(&self, lab: &Lab, seconds: f64) -> anyhow::Result<Run> {
        let watched = Watched {
            servers: vec![self.process.id()],
            ..lab.watched.clone()
        };
        let (cpu, began, before) = (watched.cpu(), Instant::now(), runs(&lab.site).await?);
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let lines = runs(&lab.site).await? - before;
        Ok(Run::of_lines(
            lines,
            began.elapsed().as_secs_f64(),
            watched.cpu().since(cpu),
        ))
    }

    /// The most memory that it has had so far, in megabytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<f64> {
        processes::memory(self.process.id(), "VmHWM")
    }

    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.process.try_wait()?.is_some())
    }

    /// Waits for its end; its status, what it said, and the most memory that it had.
    pub(crate) async fn end(&mut self) -> anyhow::Result<(ExitStatus, String, f64)> {
        let mut memory = 0.0;
        loop {
            // A process that has ended tells no figure any more.
            memory = self.peak_memory().unwrap_or(memory);
            if let Some(status) = self.process.try_wait()? {
                return Ok((status, std::fs::read_to_string(&self.told)?, memory));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        // Fails only for a process that has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The number of the newest run: cheaper than to count them.
async fn runs(site: &Site) -> anyhow::Result<u64> {
    let newest = "SELECT COALESCE(MAX(id), 0) FROM wp_fcom_sidecar_runs";
    site.number(newest).await
}

/// The result's lines without its headings.
pub(crate) fn result(file: &Path) -> anyhow::Result<Vec<csv::StringRecord>> {
    let mut file = csv::Reader::from_path(file)?;
    Ok(file.records().collect::<Result<_, _>>()?)
}
