//! The credentials that the admin listener accepts, as configured, and the limit of guesses per client.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::config;
use crate::rate::Rate;

/// How many of the last good passwords are remembered.
const REMEMBERED: usize = 32;

/// Who sends a management request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) enum Peer {
    /// From an address.
    Address(IpAddr),
    /// A user of this machine, over the Unix socket.
    User(u32),
    Unknown,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::User(id) => write!(f, "the local user {id}"),
            Self::Unknown => f.write_str("an unknown client"),
        }
    }
}

/// How management requests authenticate.
pub(in crate::http) struct Access {
    pub(in crate::http) token: Option<[u8; 32]>,
    pub(in crate::http) application_passwords: bool,
    guesses: Arc<Guesses>,
    /// Verifies one password at a time: a client that sends many must not take CPU time from calls.
    pub(super) verifying: Arc<Semaphore>,
}

impl Access {
    /// Takes the credentials from the configuration. A reload keeps the failures counted so far and their limit.
    pub(in crate::http) fn new(config: &config::Admin, before: Option<&Self>) -> Self {
        let (token, most) = (&config.token, config.failures_per_minute_per_client);
        let token = token.as_ref();
        let fresh = || Arc::new(Guesses::new(most));
        Self {
            token: token.map(|token| Sha256::digest(token.expose_secret()).into()),
            application_passwords: config.application_passwords,
            guesses: before.map_or_else(fresh, |before| Arc::clone(&before.guesses)),
            verifying: before.map_or_else(
                || Arc::new(Semaphore::new(1)),
                |before| Arc::clone(&before.verifying),
            ),
        }
    }

    pub(in crate::http) fn is_closed(&self) -> bool {
        self.token.is_none() && !self.application_passwords
    }

    pub(super) fn guesses(&self) -> &Arc<Guesses> {
        &self.guesses
    }
}

/// Limits how often each client may be wrong. A guess counts from its beginning, so that guesses at the same time do not
/// all pass; it is taken back if it was none.
pub(super) struct Guesses {
    rate: Rate<Peer>,
    /// Hashes of passwords that were right lately: these do not count, whatever others of the same address do.
    right: Mutex<VecDeque<[u8; 32]>>,
}

impl Guesses {
    fn new(most: std::num::NonZeroU32) -> Self {
        Self {
            rate: Rate::new(most, Duration::from_mins(1)),
            right: Mutex::default(),
        }
    }

    /// Whether the client may try anything.
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn check(&self, peer: Peer) -> Result<(), Duration> {
        self.rate.check(&peer, Instant::now())
    }

    /// Counts these credentials until they turn out to be right.
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn begin(&self, peer: Peer, credentials: &str) -> Result<Guess<'_>, Duration> {
        let hash = Sha256::digest(credentials).into();
        let counted = if self.right().contains(&hash) {
            None
        } else {
            self.rate.take(peer, Instant::now())?;
            Some(peer)
        };
        Ok(Guess {
            guesses: self,
            hash,
            counted,
        })
    }

    fn right(&self) -> std::sync::MutexGuard<'_, VecDeque<[u8; 32]>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Credentials that are being checked. They count as wrong unless they turn out otherwise.
pub(super) struct Guess<'a> {
    guesses: &'a Guesses,
    hash: [u8; 32],
    counted: Option<Peer>,
}

impl Guess<'_> {
    /// They are right.
    pub(super) fn right(self) {
        let mut right = self.guesses.right();
        if !right.contains(&self.hash) {
            right.truncate(REMEMBERED - 1);
            right.push_front(self.hash);
        }
        drop(right);
        self.undecided();
    }

    /// Nobody can say whether they are right.
    pub(super) fn undecided(self) {
        if let Some(peer) = self.counted {
            self.guesses.rate.give_back(peer);
        }
    }

    /// They are wrong, or not enough.
    pub(super) fn wrong(self) {
        self.guesses.right().retain(|hash| *hash != self.hash);
    }
}
