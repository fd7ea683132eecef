//! Tells good keys from guesses for callers who share an address with a guesser: an integration platform's, a proxy's.
//!
//! Beyond the limit of unknown keys, a key is looked up here instead of in the database. So guesses cost next to nothing,
//! and a key that opens a webhook is never refused for the guesses of others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::fluentcommunity::webhooks::old_keys;
use crate::provision::WebhookKey;
use crate::site::Site;

/// A webhook that is younger than this may be taken for a guess, and a deleted one for good.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// The keys of all webhooks, as hashes, read when a guesser makes them necessary.
pub struct KnownKeys {
    site: Arc<Site>,
    /// The main runtime, which owns the database connections.
    runtime: Handle,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    hashes: HashSet<[u8; 32]>,
    asked: Option<Instant>,
}

impl KnownKeys {
    /// Reads nothing yet.
    pub fn new(site: Arc<Site>, runtime: Handle) -> Self {
        Self {
            site,
            runtime,
            read: Mutex::default(),
        }
    }

    /// Whether the key opens a webhook. Asks the database at most every five seconds; while it does not answer, what it
    /// said last holds.
    pub(super) async fn contains(&self, key: &WebhookKey) -> bool {
        let hash = key.hash();
        let mut read = self.read.lock().await;
        if read.asked.is_none_or(|at| at.elapsed() >= FRESH_FOR) {
            let site = Arc::clone(&self.site);
            let asking = self.runtime.spawn(async move {
                let (statements, now) = (&site.statements, site.clock.now());
                let hashes = site.pool.work(async |connection| {
                    old_keys::all_valid(connection, statements, now).await
                });
                hashes.await
            });
            if let Ok(Ok(hashes)) = asking.await {
                read.hashes = hashes;
            }
            read.asked = Some(Instant::now());
        }
        read.hashes.contains(&hash)
    }
}
