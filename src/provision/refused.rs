//! Records refused calls with a valid key, so that an operator can tell what became of a call.
//!
//! A refusal must not wait for the database, which may be what is missing, and must not cost what it is to save. So
//! refusals are queued and written by one task, at a limited rate; what exceeds it is only counted.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{WebhookCall, WebhookKey};
use crate::db::{self, Connection, DatabaseError, Doing};
use crate::outcome::Outcome;
use crate::rate::Rate;
use crate::site::Site;
use crate::telemetry;

/// Refusals that wait to be written; those of an outage of some minutes.
const QUEUE: usize = 2_000;
/// Written at most, so that refusing stays cheaper than executing.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(600).expect("600 is not 0");
/// Delay between attempts while the database is away.
const RETRY: Duration = Duration::from_secs(1);
/// One row for all that were not kept in this time.
const SUMMARY: Duration = Duration::from_mins(1);
/// How long the end of the process may wait for what is queued.
const FAREWELL: Duration = Duration::from_secs(2);
/// The most rows that are kept; older ones are deleted whatever their age.
const MOST_ROWS: u64 = 100_000;

const DOING: &str = "record a refused call";

/// Who called, as far as a refusal is recorded with it.
#[derive(Clone)]
pub struct Asker {
    /// The key, which may be unknown.
    key: WebhookKey,
    /// The address in the form that WordPress would store.
    address: Option<String>,
}

impl Asker {
    /// Of a call.
    pub fn of(call: &WebhookCall) -> Self {
        let address = call.email.as_ref().ok();
        Self {
            key: call.key.clone(),
            address: address.map(|email| email.stored().to_owned()),
        }
    }

    /// Of a request whose form was not read.
    pub fn unread(key: WebhookKey) -> Self {
        Self { key, address: None }
    }
}

/// A request that was refused.
pub struct RefusedCall {
    /// Who called.
    pub asker: Asker,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub outcome: Outcome,
    /// The status of the answer.
    pub status: u16,
    /// The name of the request.
    pub request_id: Option<Arc<str>>,
}

/// Where refusals are handed in.
#[derive(Clone)]
pub struct Refusals {
    queue: mpsc::Sender<RefusedCall>,
    not_kept: Arc<AtomicU64>,
    is_wanted: Arc<AtomicBool>,
}

/// Writes them; see [`RefusalTask::run`].
pub struct RefusalTask {
    site: Arc<Site>,
    queue: mpsc::Receiver<RefusedCall>,
    not_kept: Arc<AtomicU64>,
}

impl Refusals {
    /// The queue and its task. `is_wanted`: whether refused calls are recorded.
    pub fn new(site: Arc<Site>, is_wanted: bool) -> (Self, RefusalTask) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let not_kept = Arc::<AtomicU64>::default();
        let task = RefusalTask {
            site,
            queue,
            not_kept: Arc::clone(&not_kept),
        };
        let refusals = Self {
            queue: sender,
            not_kept,
            is_wanted: Arc::new(AtomicBool::new(is_wanted)),
        };
        (refusals, task)
    }

    /// Whether refused calls are recorded from now on.
    pub fn set_wanted(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    /// Hands one in, if there is room for it; returns at once.
    pub fn note(&self, refused: impl FnOnce() -> Option<RefusedCall>) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let Ok(place) = self.queue.try_reserve() else {
            self.not_kept.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Some(refused) = refused() {
            place.send(refused);
        }
    }
}

impl RefusalTask {
    /// Writes until `stop` is cancelled, then what is queued, if the database takes it.
    pub async fn run(mut self, stop: CancellationToken) {
        let rate = Rate::new(PER_MINUTE, Duration::from_mins(1));
        let mut summary = tokio::time::interval(SUMMARY);
        let mut said = String::new();
        loop {
            tokio::select! {
                refused = self.queue.recv() => {
                    let Some(refused) = refused else { return };
                    if rate.take((), Instant::now()).is_err() {
                        self.not_kept.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    self.write(&refused, &stop, &mut said).await;
                }
                _ = summary.tick() => self.sum_up().await,
                () = stop.cancelled() => break,
            }
        }
        self.queue.close();
        let rest = async {
            while let Some(refused) = self.queue.recv().await {
                if rate.take((), Instant::now()).is_err() {
                    self.not_kept.fetch_add(1, Ordering::Relaxed);
                } else if self.insert(&refused).await.is_err() {
                    break;
                }
            }
            self.sum_up().await;
        };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }

    /// Waits for a database that is away. Another error is not the caller's business, and would come again.
    async fn write(&self, refused: &RefusedCall, stop: &CancellationToken, said: &mut String) {
        while let Err(error) = self.insert(refused).await {
            if error.is_unavailable() && error.remedy().is_none() {
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => continue,
                    () = stop.cancelled() => return,
                }
            }
            self.not_kept.fetch_add(1, Ordering::Relaxed);
            let reason = telemetry::chain(&error);
            if *said != reason {
                tracing::warn!("refused calls are not recorded: {reason}");
                *said = reason;
            }
            return;
        }
        said.clear();
    }

    async fn insert(&self, refused: &RefusedCall) -> Result<(), DatabaseError> {
        let site = &self.site;
        let Asker { key, address } = &refused.asker;
        let hash = address
            .as_ref()
            .map(|address| site.address_hashes.of(address));
        let now = site.clock.now().naive_utc();
        let inserted = site.pool.work(async |connection| {
            let inserted = sqlx::query(site.statements.insert_refused.sql())
                .bind(refused.at.naive_utc())
                .bind(refused.outcome.word())
                .bind(refused.status)
                .bind(hash.as_ref().map(|hash| &hash[..]))
                .bind(refused.request_id.as_deref())
                .bind(key.for_lookup())
                .bind(key.bytes())
                .bind(key.old_key_hash())
                .bind(now)
                .execute(connection)
                .await;
            // A key that the column cannot hold is no webhook's.
            db::found(inserted.map(drop).doing(DOING))
        });
        inserted.await
    }

    /// One row for those that were not kept.
    async fn sum_up(&self) {
        let calls = self.not_kept.swap(0, Ordering::Relaxed);
        if calls == 0 {
            return;
        }
        let site = &self.site;
        let now = site.clock.now().naive_utc();
        let inserted = site.pool.work(async |connection| {
            sqlx::query(site.statements.insert_refused_many.sql())
                .bind(now)
                .bind(calls)
                .execute(connection)
                .await
                .doing(DOING)
        });
        if inserted.await.is_err() {
            self.not_kept.fetch_add(calls, Ordering::Relaxed);
        }
    }
}

/// Deletes some of those recorded before `before`, or beyond the number that is kept at most; returns how many.
///
/// # Errors
/// A statement failed.
pub async fn prune_refused(site: &Site, before: DateTime<Utc>) -> Result<u64, DatabaseError> {
    let pruned = site.pool.work(async |connection| {
        let old = sqlx::query(site.statements.prune_refused.sql())
            .bind(before.naive_utc())
            .execute(&mut *connection)
            .await
            .doing("forget refused calls")?;
        Ok::<_, DatabaseError>(old.rows_affected() + prune_many(site, connection).await?)
    });
    pruned.await
}

async fn prune_many(site: &Site, connection: &mut Connection) -> Result<u64, DatabaseError> {
    const DOING: &str = "forget refused calls";
    let newest: Option<u64> = sqlx::query_scalar(site.statements.newest_refused.sql())
        .fetch_one(&mut *connection)
        .await
        .doing(DOING)?;
    let Some(last) = newest.and_then(|newest| newest.checked_sub(MOST_ROWS)) else {
        return Ok(0);
    };
    let many = sqlx::query(site.statements.prune_refused_many.sql())
        .bind(last)
        .execute(connection)
        .await
        .doing(DOING)?;
    Ok(many.rows_affected())
}
