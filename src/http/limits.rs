//! Rate limits: calls a second from one client and to one webhook, and unknown keys a minute from one client.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::provision::WebhookKey;
use crate::rate::Rate;

/// All rate limits. A call over a limit gets the time to wait.
pub struct Limiter {
    clients: Option<Rate<IpAddr>>,
    /// By the hash of the whole key: for a part of it, as the log shows, another key could be found that shares the rate.
    webhooks: Option<Rate<[u8; 32]>>,
    unknown_keys: Option<Rate<IpAddr>>,
}

impl Limiter {
    /// Calls per second, with bursts of one second, and unknown keys per minute; `None` means no limit.
    pub fn new(
        calls_per_client: Option<NonZeroU32>,
        calls_per_webhook: Option<NonZeroU32>,
        unknown_keys_per_client: Option<NonZeroU32>,
    ) -> Self {
        let second = Duration::from_secs(1);
        Self {
            clients: calls_per_client.map(|calls| Rate::new(calls, second)),
            webhooks: calls_per_webhook.map(|calls| Rate::new(calls, second)),
            unknown_keys: unknown_keys_per_client.map(|keys| Rate::new(keys, 60 * second)),
        }
    }

    /// # Errors
    /// The time to wait.
    pub(super) fn check_client(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        match (&self.clients, address) {
            (Some(rate), Some(address)) => rate.take(network(address), Instant::now()),
            _ => Ok(()),
        }
    }

    /// Limited by key, because the database has not been queried yet: a webhook whose old key is still valid has two
    /// rates.
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn check_webhook(&self, key: &WebhookKey) -> Result<(), Duration> {
        match &self.webhooks {
            Some(rate) => rate.take(key.hash(), Instant::now()),
            None => Ok(()),
        }
    }

    /// Checks whether this client may try any key. After too many wrong ones, only a good one lets its calls pass.
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn check_keys(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        match (&self.unknown_keys, address) {
            (Some(rate), Some(address)) => rate.check(&network(address), Instant::now()),
            _ => Ok(()),
        }
    }

    /// Notes that this client tried an unknown key. Counted only once the key is known to be wrong, so concurrent calls
    /// may exceed the rate; the client then waits longer.
    pub(super) fn note_unknown_key(&self, address: Option<IpAddr>) {
        if let (Some(rate), Some(address)) = (&self.unknown_keys, address) {
            rate.note(network(address), Instant::now());
        }
    }
}

/// A client with an IPv6 network can use any number of addresses, so its /64 counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_over_its_rate_waits_and_others_do_not() {
        let limiter = Limiter::new(NonZeroU32::new(2), None, None);
        let one = "2001:db8::1".parse().ok();
        assert!(limiter.check_client(one).is_ok());
        assert!(limiter.check_client("2001:db8::2".parse().ok()).is_ok());
        let wait = limiter.check_client(one).unwrap_err();
        assert!(wait <= Duration::from_secs(1));
        assert!(limiter.check_client("2001:db8:0:1::1".parse().ok()).is_ok());
        assert!(limiter.check_client(None).is_ok());
    }

    #[test]
    fn a_client_that_guesses_keys_waits_and_its_network_with_it() {
        let limiter = Limiter::new(None, None, NonZeroU32::new(30));
        for host in 0..30 {
            let guesser = format!("2001:db8::{host}").parse().ok();
            assert!(limiter.check_keys(guesser).is_ok());
            limiter.note_unknown_key(guesser);
        }
        let wait = limiter.check_keys("2001:db8::1".parse().ok()).unwrap_err();
        assert!(wait <= Duration::from_secs(2));
        for other in ["2001:db8:0:1::1", "192.0.2.1"] {
            assert!(limiter.check_keys(other.parse().ok()).is_ok());
        }
        let unlimited = Limiter::new(None, None, None);
        unlimited.note_unknown_key("192.0.2.1".parse().ok());
        assert!(unlimited.check_keys("192.0.2.1".parse().ok()).is_ok());
    }
}
