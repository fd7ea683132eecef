//! The credentials that the admin listener accepts, as configured, and the rate of failures per client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::config;
use crate::rate::Rate;

/// How management requests authenticate.
pub(in crate::http) struct Access {
    pub(super) token: Option<[u8; 32]>,
    pub(super) application_passwords: bool,
    pub(super) failures: Arc<Rate<IpAddr>>,
    /// Verifies one password at a time: a client that sends many must not take CPU time from calls.
    pub(super) verifying: Arc<Semaphore>,
}

impl Access {
    /// Takes the credentials from the configuration. A reload keeps the failures counted so far and their limit.
    pub(in crate::http) fn new(config: &config::Admin, before: Option<&Self>) -> Self {
        let (token, most) = (&config.token, config.failures_per_minute_per_client);
        let token = token.as_ref();
        let fresh = || Arc::new(Rate::new(most, Duration::from_mins(1)));
        Self {
            token: token.map(|token| Sha256::digest(token.expose_secret()).into()),
            application_passwords: config.application_passwords,
            failures: before.map_or_else(fresh, |before| Arc::clone(&before.failures)),
            verifying: before.map_or_else(
                || Arc::new(Semaphore::new(1)),
                |before| Arc::clone(&before.verifying),
            ),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.token.is_none() && !self.application_passwords
    }
}
