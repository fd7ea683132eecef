//! Tells good keys from guesses for callers who share an address with a guesser: an integration platform's, a proxy's.
//!
//! Beyond the limit of unknown keys, a key is looked up here instead of in the database. So guesses cost next to nothing,
//! and a key that opens a webhook is never refused for the guesses of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::fluentcommunity::webhooks::old_keys;
use crate::provision::WebhookKey;
use crate::site::Site;

/// A webhook that is younger than this may be taken for a guess, and a deleted one for good.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// The pause between two readings for long bodies.
const PAUSE: Duration = Duration::from_secs(1);

/// The keys of all webhooks, as hashes, read when a guesser or a long body makes them necessary.
pub struct KnownKeys {
    site: Arc<Site>,
    /// The main runtime, which owns the database connections.
    runtime: Handle,
    last: Mutex<Reading>,
    /// Held while the keys are read.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Reading {
    hashes: Arc<HashMap<[u8; 32], u64>>,
    /// When the database was asked. If it did not answer: when that was known, so that all who waited share the failure
    /// instead of asking one after another.
    as_of: Option<Instant>,
    failed: bool,
}

impl KnownKeys {
    /// Reads nothing yet.
    pub fn new(site: Arc<Site>, runtime: Handle) -> Self {
        Self {
            site,
            runtime,
            last: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Reads the keys, so that they are known when the database goes away. Waits for one that is away now.
    pub async fn learn(&self) {
        loop {
            let reading = self.reading.lock().await;
            if !self.read().await.failed {
                return;
            }
            drop(reading);
            tokio::time::sleep(FRESH_FOR).await;
        }
    }

    /// Notes that the key opens this webhook.
    pub(super) fn note(&self, key: &WebhookKey, webhook_id: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = key.hash();
        if last.hashes.get(&hash) != Some(&webhook_id) {
            Arc::make_mut(&mut last.hashes).insert(hash, webhook_id);
        }
    }

    /// The webhook that the key was last known to open.
    pub(super) fn last_webhook_of(&self, key: &WebhookKey) -> Option<u64> {
        self.last().hashes.get(&key.hash()).copied()
    }

    /// Whether the key opened a webhook when keys were last read. Says no at first, and to a webhook that is new.
    pub(super) fn has_seen(&self, key: &WebhookKey) -> bool {
        self.last().hashes.contains_key(&key.hash())
    }

    /// Whether the key opens a webhook. Asks the database at most every five seconds; while it does not answer, what it
    /// said last holds.
    pub(super) async fn contains(&self, key: &WebhookKey) -> bool {
        let is_fresh = |last: &Reading| last.as_of.is_some_and(|at| at.elapsed() < FRESH_FOR);
        let mut last = self.last();
        if !is_fresh(&last) {
            let _reading = self.reading.lock().await;
            last = self.last();
            if !is_fresh(&last) {
                last = self.read().await;
            }
        }
        last.hashes.contains_key(&key.hash())
    }

    /// The same; but while others ask the database, only those wait who come before its first answer. The rest goes by its
    /// last one.
    pub(super) async fn contains_by_now(&self, key: &WebhookKey) -> bool {
        if self.last().as_of.is_some() && self.reading.try_lock().is_err() {
            return self.has_seen(key);
        }
        self.contains(key).await
    }

    /// Whether the key opens a webhook, or may open one: a key that is not known is asked for again, so that a webhook
    /// of this moment has its calls. Those who wait share one question, at most one each second. While the database does
    /// not answer, nobody can say.
    ///
    /// Whoever guesses learns nothing here that the answer to a short call would not tell.
    pub(super) async fn may_open(&self, key: &WebhookKey) -> bool {
        let (hash, since) = (key.hash(), Instant::now());
        if self.last().hashes.contains_key(&hash) {
            return true;
        }
        let _reading = self.reading.lock().await;
        let mut last = self.last();
        if last.as_of.is_none_or(|at| at < since) {
            let wait = last.as_of.map(|at| PAUSE.saturating_sub(at.elapsed()));
            tokio::time::sleep(wait.unwrap_or_default()).await;
            last = self.read().await;
        }
        last.failed || last.hashes.contains_key(&hash)
    }

    fn last(&self) -> Reading {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    async fn read(&self) -> Reading {
        let began = Instant::now();
        let site = Arc::clone(&self.site);
        let asking = self.runtime.spawn(async move {
            let (statements, now) = (&site.statements, site.clock.now());
            let hashes = site
                .pool
                .work(async |connection| old_keys::all_valid(connection, statements, now).await);
            hashes.await
        });
        let hashes = asking.await.ok().and_then(Result::ok);
        let failed = hashes.is_none();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Reading {
            hashes: hashes.map_or_else(|| Arc::clone(&last.hashes), Arc::new),
            as_of: Some(if failed { Instant::now() } else { began }),
            failed,
        };
        last.clone()
    }
}
