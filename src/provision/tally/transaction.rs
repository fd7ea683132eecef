//! The transaction that counts runs, and records those that are not recorded yet.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{FromRow, Row};

use super::super::run::Run;
use super::super::runs::Uncounted;
use super::super::user_count::count_users;
use crate::db::{Answer, Batch, Cause, Connection, DatabaseError, Doing, Literal};
use crate::fluentcommunity::webhook::count_runs;
use crate::site::Site;
use crate::wordpress::options::{OptionRow, SiteOptions};
use crate::wordpress::time::format;

/// What one transaction counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Due<'a> {
    /// Runs whose calls have committed.
    pub(super) recorded: &'a [Uncounted],
    /// Runs of calls that change nothing else: their records are written here.
    pub(super) unrecorded: &'a [Run],
    /// Whether the users are counted, too.
    pub(super) counts_users: bool,
}

impl Due<'_> {
    /// The number of runs.
    pub(super) fn len(&self) -> usize {
        self.recorded.len() + self.unrecorded.len()
    }

    /// In ascending order of ids.
    pub(super) fn webhooks(&self) -> BTreeSet<u64> {
        let unrecorded = self.unrecorded.iter().map(|run| run.webhook_id);
        let recorded = self.recorded.iter().map(|run| run.webhook_id);
        recorded.chain(unrecorded).collect()
    }

    /// Ids of the webhook's recorded runs.
    fn recorded_of(&self, webhook_id: u64) -> Vec<Literal<'static>> {
        let of_webhook = |run: &&Uncounted| run.webhook_id == webhook_id;
        let runs = self.recorded.iter().filter(of_webhook);
        runs.map(|run| run.run_id.into()).collect()
    }

    /// The number of the webhook's other runs.
    fn unrecorded_of(&self, webhook_id: u64) -> u64 {
        let of_webhook = |run: &&Run| run.webhook_id == webhook_id;
        self.unrecorded.iter().filter(of_webhook).count() as u64
    }
}

/// One transaction in two round trips, plus a third to count users. Returns what was written.
pub(super) async fn count(
    connection: &mut Connection,
    site: &Site,
    due: &Due<'_>,
) -> Result<Written, CountError> {
    let begin = Batch::begin(&site.statements);
    let (mut last, written) = count_after(begin, connection, site, due).await?;
    last.commit("commit counted runs");
    last.run(connection).await?;
    Ok(written)
}

/// Counts one run within the caller's transaction.
pub(in super::super) async fn count_within(
    connection: &mut Connection,
    site: &Site,
    run: Uncounted,
    counts_users: bool,
) -> Result<(), DatabaseError> {
    let first = Batch::of(&site.statements);
    let due = Due {
        recorded: &[run],
        unrecorded: &[],
        counts_users,
    };
    let counted = count_after(first, connection, site, &due).await;
    let (last, _) = counted.map_err(CountError::into_inner)?;
    last.run(connection).await?;
    Ok(())
}

/// What a transaction has written.
#[derive(Default)]
pub(super) struct Written {
    /// Ids of webhooks, and their records with the runs counted.
    pub(super) webhooks: Vec<(u64, Vec<u8>)>,
    /// The first run that it has recorded.
    pub(super) run_id: Option<u64>,
}

/// Counts runs after the statements of `batch`. The batch that is returned still has to be sent; it writes the webhooks'
/// records. They are locked in ascending order of ids, and the user count last, so that instances do not deadlock. New runs
/// are inserted behind the locks: while one waits for a webhook that somebody holds for long, no call waits for its run.
async fn count_after(
    mut batch: Batch,
    connection: &mut Connection,
    site: &Site,
    due: &Due<'_>,
) -> Result<(Batch, Written), CountError> {
    let statements = &site.statements;
    let options = batch.add(&statements.tally_options, "read the time zone", &[]);
    let locked: BTreeMap<u64, usize> = due
        .webhooks()
        .into_iter()
        .map(|webhook_id| {
            let id = [webhook_id.into()];
            let lock = batch.add(&statements.lock_webhook, "lock the webhook", &id);
            (webhook_id, lock)
        })
        .collect();
    let new = (!due.unrecorded.is_empty())
        .then(|| Run::insert_counted_in(due.unrecorded, &mut batch, statements));
    let mut marked = BTreeMap::new();
    for &webhook_id in locked.keys() {
        let ids = due.recorded_of(webhook_id);
        if !ids.is_empty() {
            let mark = batch.add(&statements.mark_tallied, "mark runs as counted", &ids);
            marked.insert(webhook_id, mark);
        }
    }
    let answers = batch.run(connection).await?;
    let options = read_options(site, &answers[options])?;
    if due.counts_users {
        let users = count_users(connection, site, &options);
        users.await.map_err(CountError::Users)?;
    }

    let now = format(options.zone().local(site.clock.now()));
    let mut batch = Batch::of(statements);
    let mut written = Written {
        run_id: new.map(|new| answers[new].last_insert_id),
        ..Written::default()
    };
    for (webhook_id, lock) in locked {
        let marked = marked.get(&webhook_id);
        let marked = marked.map_or(0, |mark| answers[*mark].affected);
        let runs = marked + due.unrecorded_of(webhook_id);
        if let Some(value) = counted(webhook_id, &answers[lock], runs)? {
            // Bound as bytes, as it was read: text would be converted to the column's character set.
            let literals = [
                Literal::Bytes(&value),
                Literal::Text(&now),
                webhook_id.into(),
            ];
            let doing = "count runs of the webhook";
            batch.add(&statements.update_webhook, doing, &literals);
            written.webhooks.push((webhook_id, value));
        }
    }
    Ok((batch, written))
}

/// Why runs are not counted.
pub(super) enum CountError {
    Runs(DatabaseError),
    /// Only because counting the users, which happens in the same transaction, failed.
    Users(DatabaseError),
}

impl CountError {
    pub(super) fn into_inner(self) -> DatabaseError {
        match self {
            Self::Runs(error) | Self::Users(error) => error,
        }
    }
}

impl From<DatabaseError> for CountError {
    fn from(error: DatabaseError) -> Self {
        Self::Runs(error)
    }
}

impl Cause for CountError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Runs(error) | Self::Users(error) => Some(error),
        }
    }
}

fn read_options(site: &Site, answer: &Answer) -> Result<SiteOptions, DatabaseError> {
    let rows = answer.rows.iter().map(OptionRow::from_row);
    let rows: Result<Vec<_>, _> = rows.collect();
    let rows = rows.doing("read the time zone")?;
    Ok(SiteOptions::read(site.tables.prefix(), rows, |_, _| {}))
}

/// The record with its count raised by this many runs. A webhook that has been deleted or corrupted since has no
/// counter; its runs are still marked as counted.
fn counted(webhook_id: u64, record: &Answer, runs: u64) -> Result<Option<Vec<u8>>, DatabaseError> {
    let Some(row) = record.rows.first().filter(|_| runs > 0) else {
        return Ok(None);
    };
    let value: Option<Vec<u8>> = row.try_get(0).doing("read the webhook")?;
    let counted = value.map(|value| count_runs(webhook_id, &value, runs));
    Ok(counted.transpose().unwrap_or_else(|error| {
        tracing::warn!(webhook.id = webhook_id, "runs not counted: {error}");
        None
    }))
}
