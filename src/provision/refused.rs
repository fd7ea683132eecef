//! Records refused calls with a valid key, so that an operator can tell what became of a call, and why.
//!
//! A refusal must not wait for the database, which may be what is missing, and must not cost what it is to save. So
//! refusals are queued and written by one task, many at once. Strangers, whose keys open nothing, cost one look at all
//! keys for many of theirs and leave no row. Each webhook's rows have a limited rate; what exceeds it is only counted.

mod call;
mod rows;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::rows::{DOING, insert_all};
use super::{IfKept, KeptCall, WebhookCall};
use crate::db::{DatabaseError, Doing, ErrorKind};
use crate::fluentcommunity::webhooks::old_keys;
use crate::rate::Rate;
use crate::site::Site;
use crate::telemetry::{self, Metrics};

pub use self::call::{Asker, FormSeen, RefusedCall};
pub use self::rows::prune_refused;

/// Refusals that wait to be written; those of an outage of some minutes.
const QUEUE: usize = 2_000;
/// Of these, for calls whose fields are kept, if fields are kept: no others can crowd them out.
const FOR_KEPT: usize = QUEUE / 2;
/// Bytes of fields that wait to be written, if fields are kept.
const ROOM: usize = 4 << 20;
/// Taken from the queue at once.
const TAKEN: usize = 500;
/// Rows of one statement.
const ROWS: usize = 100;
/// Between two times that the database is asked for keys and given rows.
const PAUSE: Duration = Duration::from_millis(200);
/// Written at most of a webhook's calls that came in one minute, so that refusing stays cheaper than executing; and as many of those whose
/// fields are kept.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(600).expect("600 is not 0");
/// Delay between attempts while the database takes nothing.
const RETRY: Duration = Duration::from_secs(1);
/// For this long an error of which nothing is known may still pass.
const PATIENCE: Duration = Duration::from_mins(1);
/// One row for all that were not kept in this time.
const SUMMARY: Duration = Duration::from_mins(1);
/// How long the end of the process may wait for what is queued.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where refusals are handed in.
#[derive(Clone)]
pub struct Refusals {
    queue: mpsc::Sender<Noted>,
    losses: Arc<Losses>,
    is_wanted: Arc<AtomicBool>,
    keeping: Arc<watch::Sender<IfKept>>,
    room: Arc<Semaphore>,
}

/// A refusal, and when it was handed in.
type Noted = (Instant, RefusedCall);

/// Counts what is not recorded.
struct Losses {
    /// Since the last row that says so.
    unsaid: AtomicU64,
    metrics: Arc<Metrics>,
}

impl Losses {
    fn add(&self, calls: usize) {
        self.unsaid.fetch_add(calls as u64, Ordering::Relaxed);
        self.metrics.refusals_lost(calls as u64);
    }
}

/// Writes them; see [`RefusalTask::run`].
pub struct RefusalTask {
    site: Arc<Site>,
    queue: mpsc::Receiver<Noted>,
    losses: Arc<Losses>,
    keeping: watch::Receiver<IfKept>,
    /// Of each webhook, apart for calls whose fields are kept.
    rate: Rate<(u64, bool)>,
    /// Taken from the queue; whose they are is not known yet.
    arrived: Vec<Noted>,
    /// To be written, with the webhook's id.
    known: Vec<(u64, RefusedCall)>,
    /// Rows of the next statement.
    at_once: usize,
    /// Since when writing has failed.
    failing: Option<Instant>,
    /// What the log was told of it last.
    said: String,
}

impl Refusals {
    /// The queue and its task. `is_wanted`: whether refused calls are recorded, `keeping`: whether with their fields.
    pub fn new(
        site: Arc<Site>,
        is_wanted: bool,
        keeping: IfKept,
        metrics: Arc<Metrics>,
    ) -> (Self, RefusalTask) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let (keeping_sender, keeping) = watch::channel(keeping);
        let losses = Arc::new(Losses {
            unsaid: AtomicU64::default(),
            metrics,
        });
        let task = RefusalTask {
            site,
            queue,
            losses: Arc::clone(&losses),
            keeping,
            rate: Rate::new(PER_MINUTE, Duration::from_mins(1)),
            arrived: Vec::new(),
            known: Vec::new(),
            at_once: ROWS,
            failing: None,
            said: String::new(),
        };
        let refusals = Self {
            queue: sender,
            losses,
            is_wanted: Arc::new(AtomicBool::new(is_wanted)),
            keeping: Arc::new(keeping_sender),
            room: Arc::new(Semaphore::new(ROOM)),
        };
        (refusals, task)
    }

    /// Whether refused calls are recorded from now on.
    pub fn set_wanted(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    /// How fields are kept from now on.
    pub fn set_keeping(&self, keeping: IfKept) {
        self.keeping.send_replace(keeping);
    }

    /// How fields are kept.
    pub fn keeping(&self) -> IfKept {
        self.keeping.borrow().clone()
    }

    /// A copy of a call that is about to be carried out, in case it is refused and fields are kept.
    pub fn copy(&self, call: &WebhookCall) -> Option<KeptCall> {
        let keeping = self.keeping.borrow();
        KeptCall::of(call, keeping.as_ref()?.passwords)
    }

    /// Reserves memory for what is kept of a call until it is written; without it nothing is kept.
    fn with_room(&self, mut kept: KeptCall) -> Option<KeptCall> {
        let bytes = u32::try_from(kept.length()).ok()?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes);
        kept.room = Some(room.ok()?);
        Some(kept)
    }

    /// Hands one in, if there is room for it; returns at once.
    pub fn note(&self, refused: impl FnOnce() -> Option<RefusedCall>) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let Ok(place) = self.queue.try_reserve() else {
            self.losses.add(1);
            return;
        };
        let Some(mut refused) = refused() else {
            return;
        };
        refused.kept = refused.kept.and_then(|kept| self.with_room(kept));
        let is_one_too_many = self.queue.capacity() < FOR_KEPT
            && refused.kept.is_none()
            && self.keeping.borrow().is_some();
        if is_one_too_many {
            self.losses.add(1);
        } else {
            place.send((Instant::now(), refused));
        }
    }
}

impl RefusalTask {
    /// Writes until `stop` is cancelled, then what is queued, if the database takes it.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut summary = tokio::time::interval(SUMMARY);
        loop {
            tokio::select! {
                taken = self.queue.recv_many(&mut self.arrived, TAKEN) => {
                    if taken == 0 {
                        break;
                    }
                    self.write(&stop).await;
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = stop.cancelled() => break,
                    }
                }
                _ = summary.tick() => self.sum_up().await,
                () = stop.cancelled() => break,
            }
        }
        self.queue.close();
        let rest = async {
            loop {
                self.write(&CancellationToken::new()).await;
                if self.queue.recv_many(&mut self.arrived, TAKEN).await == 0 {
                    break;
                }
            }
            self.sum_up().await;
        };
        if tokio::time::timeout(FAREWELL, rest).await.is_err() {
            self.give_up();
        }
    }

    /// Says what is lost with the process.
    fn give_up(mut self) {
        while let Ok(noted) = self.queue.try_recv() {
            self.arrived.push(noted);
        }
        let arrived = self.arrived.iter().map(|(_, refused)| refused);
        let left = arrived.chain(self.known.iter().map(|(_, refused)| refused));
        let fields = left.clone().filter(|refused| refused.kept.is_some());
        let (calls, fields) = (left.clone().count(), fields.count());
        if calls > 0 {
            tracing::warn!(
                "{calls} refused calls were not recorded before the end, {fields} of them with their fields: the database did not take them"
            );
        }
    }

    /// Waits while the database takes nothing, whatever the reason: it is away or full, a backup has locked it, a privilege is missing. Only
    /// a row that cannot be stored is dropped.
    async fn write(&mut self, stop: &CancellationToken) {
        while let Err(error) = self.record().await {
            let is_again = self.failing.is_some();
            self.failing.get_or_insert_with(Instant::now);
            if self.is_a_rows_own(&error) {
                self.drop_a_row(&error);
                continue;
            }
            // What passes at once is not worth a line, and a database that is away has its own.
            let is_told = is_again && (error.remedy().is_some() || !error.is_unavailable());
            if is_told && let Some(reason) = self.unsaid(&error) {
                tracing::warn!("refused calls wait in memory to be recorded: {reason}");
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = stop.cancelled() => return,
            }
        }
        self.at_once = ROWS;
        self.failing = None;
        self.said.clear();
    }

    /// Whether a row is why the database did not take some: it would not take it later either.
    fn is_a_rows_own(&self, error: &DatabaseError) -> bool {
        let is_unknown =
            || self.at_once > 1 || self.failing.is_some_and(|at| at.elapsed() > PATIENCE);
        !self.known.is_empty()
            && match error.kind() {
                ErrorKind::Unstorable => true,
                ErrorKind::Duplicate | ErrorKind::Other => is_unknown(),
                _ => false,
            }
    }

    /// Drops the row that the database does not take; if it may be one of several, these are tried one by one first.
    fn drop_a_row(&mut self, error: &DatabaseError) {
        if self.at_once > 1 {
            self.at_once = 1;
            return;
        }
        self.known.remove(0);
        self.failing = None;
        self.losses.add(1);
        if let Some(reason) = self.unsaid(error) {
            tracing::warn!("refused calls are not recorded: {reason}");
        }
    }

    /// The reason, unless it was the last one that the log was told.
    fn unsaid(&mut self, error: &DatabaseError) -> Option<String> {
        let reason = telemetry::chain(error);
        let is_new = self.said != reason;
        self.said.clone_from(&reason);
        is_new.then_some(reason)
    }

    /// Writes what was taken from the queue; what it has not written when it fails is left.
    async fn record(&mut self) -> Result<(), DatabaseError> {
        let site = Arc::clone(&self.site);
        if !self.arrived.is_empty() {
            let keys = site.pool.work(async |connection| {
                let now = site.clock.now();
                old_keys::all_valid(connection, &site.statements, now).await
            });
            self.sort_out(&keys.await?);
        }
        let keeping = self.keeping.borrow_and_update().clone();
        while !self.known.is_empty() {
            let rows = &self.known[..self.at_once.min(self.known.len())];
            let keeping = keeping.as_deref();
            site.pool
                .work(async |connection| insert_all(connection, &site, rows, keeping).await)
                .await?;
            self.losses.metrics.refusals_recorded(rows.len() as u64);
            let written = rows.len();
            self.known.drain(..written);
        }
        Ok(())
    }

    /// Drops what strangers sent, and what was beyond a webhook's rate when it came.
    fn sort_out(&mut self, keys: &HashMap<[u8; 32], u64>) {
        let mut lost = 0;
        for (at, refused) in self.arrived.drain(..) {
            let Some(&id) = keys.get(&refused.asker.key) else {
                continue;
            };
            match self.rate.take((id, refused.kept.is_some()), at) {
                Ok(()) => self.known.push((id, refused)),
                Err(_) => lost += 1,
            }
        }
        if lost > 0 {
            self.losses.add(lost);
        }
    }

    /// One row for those that were not kept.
    async fn sum_up(&self) {
        let calls = self.losses.unsaid.swap(0, Ordering::Relaxed);
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
            self.losses.unsaid.fetch_add(calls, Ordering::Relaxed);
        }
    }
}
