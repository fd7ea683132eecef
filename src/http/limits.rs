//! Rates: how many calls a second one client may make, and one webhook may get.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::provision::WebhookKey;

/// Both rates; a call that is over one is told how long to wait.
pub struct Limiter {
    clients: Option<DefaultKeyedRateLimiter<IpAddr>>,
    webhooks: Option<DefaultKeyedRateLimiter<String>>,
}

impl Limiter {
    /// Calls per second, with bursts of one second; `None` means no limit.
    pub fn new(per_client: Option<NonZeroU32>, per_webhook: Option<NonZeroU32>) -> Self {
        Self {
            clients: keyed(per_client),
            webhooks: keyed(per_webhook),
        }
    }

    /// # Errors
    /// The time to wait.
    pub(super) fn check_client(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        let Some(address) = address else {
            return Ok(());
        };
        check(self.clients.as_ref(), &network(address))
    }

    /// # Errors
    /// The time to wait.
    pub(super) fn check_webhook(&self, key: &WebhookKey) -> Result<(), Duration> {
        if self.webhooks.is_none() {
            return Ok(());
        }
        check(self.webhooks.as_ref(), &key.fingerprint())
    }

    /// Forgets who has not called for a while; run it now and then.
    pub fn forget_the_quiet(&self) {
        if let Some(clients) = &self.clients {
            clients.retain_recent();
        }
        if let Some(webhooks) = &self.webhooks {
            webhooks.retain_recent();
        }
    }
}

fn keyed<K: Hash + Eq + Clone>(
    per_second: Option<NonZeroU32>,
) -> Option<DefaultKeyedRateLimiter<K>> {
    per_second.map(|rate| RateLimiter::keyed(Quota::per_second(rate)))
}

fn check<K: Hash + Eq + Clone>(
    limiter: Option<&DefaultKeyedRateLimiter<K>>,
    key: &K,
) -> Result<(), Duration> {
    let Some(limiter) = limiter else {
        return Ok(());
    };
    limiter
        .check_key(key)
        .map_err(|until| until.wait_time_from(DefaultClock::default().now()))
}

/// A client with an IPv6 network has as many addresses as it likes, so its /64 counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_over_its_rate_waits_and_others_do_not() {
        let limiter = Limiter::new(NonZeroU32::new(2), None);
        let one = "2001:db8::1".parse().ok();
        assert!(limiter.check_client(one).is_ok());
        assert!(limiter.check_client("2001:db8::2".parse().ok()).is_ok());
        let wait = limiter.check_client(one).unwrap_err();
        assert!(wait <= Duration::from_secs(1));
        assert!(limiter.check_client("2001:db8:0:1::1".parse().ok()).is_ok());
        assert!(limiter.check_client(None).is_ok());
    }
}
