//! Examines whether the database can and may be written to. `serve` does so at start and then again and again, `check`
//! once: both ask the same questions in the same order, so `check` is not content where `serve` does not get ready.

use std::time::{Duration, Instant};

use super::Site;
use super::readiness::{Cause, Reason};
use crate::db::{self, Cluster, DatabaseError, OwnTables, Probe, Weight};

/// How long a table may be missing before it is made again: a dump that is being restored drops a table and makes it
/// itself, and would fail if somebody else had made it in between.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the server may have no connection to spare before that is a state of its own: servers with few of them take a
/// moment to notice that one was closed, by the command that ran before, for example.
const FULL_PATIENCE: Duration = Duration::from_secs(5);

/// Where no statement is at fault, `check` looks at everything.
const CHECK: &str = "\"fcom-sidecar check\" tells more";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examiner {
    /// `serve`, which creates missing tables of our own.
    Serve,
    /// `check`, which changes nothing.
    Check,
}

/// The connection to examine the database with, and what earlier examinations found.
pub struct Examination {
    probe: Probe,
    examiner: Examiner,
    /// WordPress's own files have determined what kind of site it is.
    has_files: bool,
    /// An earlier examination found that the database may be written to.
    was_safe: bool,
    /// Since when tables of our own have been missing.
    missing_since: Option<Instant>,
    /// Since when the server has had no connection to spare.
    full_since: Option<Instant>,
}

/// What an examination found.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Calls can be carried out.
    Fit,
    /// They cannot.
    Obstructed(Cause, Reason),
    /// Nothing that tells more than what is known already.
    Unclear,
}

/// Why an examination ended early.
enum Halt {
    Found(Cause, Reason),
    Failed(Option<String>, DatabaseError),
}

impl From<DatabaseError> for Halt {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(None, error)
    }
}

impl Examination {
    /// Opens no connection yet.
    pub fn new(site: &Site, examiner: Examiner, has_files: bool) -> Self {
        Self {
            probe: site.pool.probe(),
            examiner,
            has_files,
            was_safe: false,
            missing_since: None,
            full_since: None,
        }
    }

    /// Whether the server answers. While connections are short, uses one only if the server has not answered other work
    /// in the last second, and only for a moment.
    pub async fn answers(&mut self, site: &Site) -> bool {
        if !site.pool.is_short() {
            return self.probe.answers().await;
        }
        let lately = Instant::now().checked_sub(Duration::from_secs(1));
        let answers = lately.is_some_and(|time| site.pool.was_heard_since(time))
            || match self.probe.connect().await {
                Ok(()) => true,
                Err(error) => error.is_full(),
            };
        self.probe.close().await;
        answers
    }

    /// Examines the database over a new connection.
    pub async fn examine(&mut self, site: &Site, weight: Weight) -> Verdict {
        let verdict = self.look(site, weight).await;
        if site.pool.is_short() {
            self.probe.close().await;
        }
        verdict
    }

    async fn look(&mut self, site: &Site, weight: Weight) -> Verdict {
        let asked = Instant::now();
        let halt = match self.probe.connect().await {
            Ok(()) => {
                self.full_since = None;
                match self.ask(site, weight).await {
                    Ok(()) => return Verdict::Fit,
                    Err(halt) => halt,
                }
            }
            Err(error) if error.is_lost_connection() || error.is_full() => error.into(),
            Err(error) => {
                let remedy = error.remedy().unwrap_or(CHECK);
                Halt::Found(
                    Cause::Away,
                    Reason::needs_operator(error.to_string(), remedy),
                )
            }
        };
        match halt {
            Halt::Found(cause, reason) => Verdict::Obstructed(cause, reason),
            Halt::Failed(table, error) => self.judge(site, table.as_deref(), &error, asked),
        }
    }

    async fn ask(&mut self, site: &Site, weight: Weight) -> Result<(), Halt> {
        let (tables, statements) = (&site.tables, &site.statements);
        let has_files = self.has_files;
        let looked = self.probe.ask(async |connection| {
            let obstacle = db::obstacle(connection, tables, has_files).await?;
            let cluster = Cluster::read(connection).await?;
            let own_tables = db::own_tables(connection, tables).await?;
            Ok((obstacle, cluster, own_tables))
        });
        let (obstacle, cluster, own_tables) = looked.await?;
        if let Some(obstacle) = obstacle {
            self.was_safe = false;
            let reason = Reason::needs_operator(obstacle.to_string(), obstacle.remedy());
            return Err(Halt::Found(Cause::Unsafe, reason));
        }
        statements.set_several_writers(cluster.has_several_writers());
        if !own_tables.is_complete() {
            self.migrate(site, &own_tables).await?;
        }
        self.missing_since = None;
        self.was_safe = true;
        let tried = self.probe.ask(async |connection| {
            Ok(db::test_write(connection, statements, tables, weight).await)
        });
        tried
            .await?
            .map_err(|refusal| Halt::Failed(Some(refusal.table), refusal.error))
    }

    async fn migrate(&mut self, site: &Site, own_tables: &OwnTables) -> Result<(), Halt> {
        let since = *self.missing_since.get_or_insert_with(Instant::now);
        if self.examiner == Examiner::Serve && self.was_safe && since.elapsed() < PATIENCE {
            let what = format!("{own_tables}; it is made again if nobody else does");
            return Err(Halt::Found(Cause::Unfit, Reason::passing(what)));
        }
        let what = match self.examiner {
            Examiner::Check => own_tables.to_string(),
            Examiner::Serve => match db::migrate(&site.pool, &site.tables).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_lost_connection() || error.is_lock_timeout() => {
                    return Err(error.into());
                }
                Err(error) => format!("{own_tables}, and the daemon {error}"),
            },
        };
        let reason = Reason::needs_operator(what, OwnTables::REMEDY);
        Err(Halt::Found(Cause::Unsafe, reason))
    }

    /// What an error of the examination says about calls. Until the database has been found safe, no call is tried.
    fn judge(
        &mut self,
        site: &Site,
        table: Option<&str>,
        error: &DatabaseError,
        asked: Instant,
    ) -> Verdict {
        let cause = if self.was_safe {
            Cause::Unfit
        } else {
            Cause::Unsafe
        };
        let obstructed = |reason| Verdict::Obstructed(cause, reason);
        if error.is_lost_connection() {
            return if site.pool.was_heard_since(asked) {
                // The server is only slow.
                Verdict::Fit
            } else {
                let what = format!("the database does not answer: {error}");
                // A certificate that is not accepted, for example, stays so.
                let reason = match error.remedy() {
                    Some(remedy) => Reason::needs_operator(what, remedy),
                    None => Reason::passing(what),
                };
                Verdict::Obstructed(Cause::Away, reason)
            };
        }
        if error.is_full() && (self.may_pass() || self.was_safe && site.pool.status().open > 0) {
            return Verdict::Unclear;
        }
        if error.is_lock_timeout() {
            let table = table.unwrap_or("a table");
            return obstructed(Reason::passing(format!(
                "{table} is locked, and calls wait for it: a backup (FLUSH TABLES WITH READ LOCK, LOCK TABLES), ALTER TABLE \
                 or OPTIMIZE TABLE holds it"
            )));
        }
        match (error.remedy(), table) {
            // Another transaction was in the way; the next examination tells more.
            (None, _) if error.is_lock_conflict() => Verdict::Unclear,
            (remedy, table) => {
                let what = match table {
                    Some(table) => format!("calls cannot use {table}: {}", error.reason()),
                    None => error.to_string(),
                };
                obstructed(Reason::needs_operator(what, remedy.unwrap_or(CHECK)))
            }
        }
    }

    /// Whether a connection may yet become free by itself. `check` has no time to wait for that.
    fn may_pass(&mut self) -> bool {
        let since = *self.full_since.get_or_insert_with(Instant::now);
        self.examiner == Examiner::Serve && since.elapsed() < FULL_PATIENCE
    }
}
