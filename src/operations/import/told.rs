//! What became of each line, told in the order of the lines.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::ImportError;
use super::patience::waits;
use crate::db::{DatabaseError, Doing};
use crate::outcome::Outcome;
use crate::provision::Executed;
use crate::site::Site;

/// Lines that are told at once, because the logins of their members are read at once.
const AT_ONCE: usize = 100;
/// How long a line waits for others to be told with.
const WAIT: Duration = Duration::from_millis(500);

/// The outcome of a line whose address stands in an earlier one.
pub(super) const TWICE: &str = "twice";
/// The outcome of a line that was carried out before, and whose member is not there any more.
const GONE: &str = "gone";
const GONE_SINCE: &str = "it was carried out before, and the member was deleted since: --again WORD carries it out again";

/// How a line ended.
#[derive(Debug)]
pub struct Ended {
    /// Its number in the file.
    pub line: u64,
    /// The member.
    pub user_id: Option<u64>,
    /// The member's login.
    pub login: Option<String>,
    /// `created` or `found`, also if the line was carried out before; `twice`, `gone`; or why it was refused.
    pub outcome: &'static str,
    /// Why it was not carried out, for people.
    pub reason: Option<String>,
    /// Whether it was carried out before.
    pub(super) before: bool,
}

impl Ended {
    pub(super) fn refused(line: u64, outcome: &'static str, reason: String) -> Self {
        Self {
            line,
            user_id: None,
            login: None,
            outcome,
            reason: Some(reason),
            before: false,
        }
    }

    pub(super) fn executed(line: u64, executed: &Executed) -> Self {
        let outcome = if executed.created {
            Outcome::Created
        } else {
            Outcome::Found
        };
        Self {
            line,
            user_id: Some(executed.user_id),
            login: None,
            outcome: outcome.word(),
            reason: None,
            before: executed.replayed,
        }
    }
}

/// What came of a list.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Summary {
    /// Lines that ended.
    pub lines: u64,
    /// Whose members are new.
    pub created: u64,
    /// Whose members the site knew.
    pub found: u64,
    /// Of these two, lines that had been carried out before.
    pub before: u64,
    /// Whose address stands in an earlier line.
    pub twice: u64,
    /// That were refused.
    pub refused: u64,
    /// Whether the list ended, and not the command before it.
    pub complete: bool,
}

impl Summary {
    fn add(&mut self, ended: &Ended) {
        self.lines += 1;
        self.before += u64::from(ended.before);
        let count = match ended.outcome {
            TWICE => &mut self.twice,
            _ if ended.user_id.is_none() => &mut self.refused,
            outcome if outcome == Outcome::Created.word() => &mut self.created,
            _ => &mut self.found,
        };
        *count += 1;
    }
}

/// Lines that ended, and of which nobody was told yet.
pub(super) struct Untold {
    lines: Vec<Ended>,
    told: Instant,
    /// Of those that were told.
    pub(super) summary: Summary,
}

impl Default for Untold {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            told: Instant::now(),
            summary: Summary::default(),
        }
    }
}

impl Untold {
    pub(super) fn add(&mut self, ended: Ended) {
        self.lines.push(ended);
    }

    pub(super) fn is_due(&self) -> bool {
        self.lines.len() >= AT_ONCE || self.told.elapsed() > WAIT
    }

    /// Tells all of them. Waits for a database that is away.
    pub(super) async fn tell(
        &mut self,
        site: &Site,
        stop: &CancellationToken,
        tell: &mut impl FnMut(&Ended, &Summary) -> io::Result<()>,
    ) -> Result<(), ImportError> {
        let Some(last) = self.lines.last().map(|ended| ended.line) else {
            return Ok(());
        };
        let ids: Vec<u64> = self.lines.iter().filter_map(|line| line.user_id).collect();
        let started = Instant::now();
        let logins = loop {
            match logins(site, &ids).await {
                Ok(logins) => break logins,
                Err(error) if error.is_unavailable() && waits(started, stop).await => {}
                Err(error) => return Err(ImportError::Database(last, error)),
            }
        };
        for mut ended in self.lines.drain(..) {
            ended.login = ended.user_id.and_then(|id| logins.get(&id).cloned());
            if ended.before && ended.login.is_none() {
                ended = Ended::refused(ended.line, GONE, GONE_SINCE.to_owned());
            }
            self.summary.add(&ended);
            tell(&ended, &self.summary)?;
        }
        self.told = Instant::now();
        Ok(())
    }
}

/// The logins of these users.
async fn logins(site: &Site, ids: &[u64]) -> Result<HashMap<u64, String>, DatabaseError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let read = site.pool.work(async |connection| {
        let mut query = sqlx::query_as(site.statements.logins_of_users.repeated(ids.len()));
        for id in ids {
            query = query.bind(id);
        }
        let rows: Vec<(u64, String)> = query
            .fetch_all(connection)
            .await
            .doing("read the logins of the members")?;
        Ok(rows.into_iter().collect())
    });
    read.await
}
