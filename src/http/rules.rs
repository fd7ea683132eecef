//! What the operator may change while the daemon runs: how callers are judged. A request is judged by the rules that held
//! when it came in, to its end.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::TimeDelta;
use ipnet::IpNet;

use super::Limiter;
use super::admin::Access;
use crate::config::{self, Config, ForwardingHeader};
use crate::provision::{ProtectedWebhook, Protection};

/// How callers are judged.
pub struct CallerRules {
    /// Rates per client and per webhook.
    pub(super) limiter: Arc<Limiter>,
    rates: [Option<NonZeroU32>; 3],
    /// Peers whose headers about the client are believed.
    pub(super) trusted_proxies: Vec<IpNet>,
    /// The header in which they say whom they call for.
    pub(super) forwarding_header: ForwardingHeader,
    /// What webhooks ask of their callers beside the key.
    pub(super) protections: Arc<[Protection]>,
    /// Longest body, in bytes.
    pub(super) max_body_bytes: usize,
    /// Most fields in a body.
    pub(super) max_fields: usize,
    /// Whether run records say where calls came from.
    pub(super) records_addresses: bool,
    /// Who may manage webhooks and read the run log.
    pub(super) access: Arc<Access>,
    /// How long a webhook's key is valid after it was replaced.
    pub(super) old_keys: TimeDelta,
}

impl CallerRules {
    /// As configured. Rates that stay the same go on from where they are: otherwise a reload would forgive every guesser.
    pub fn new(config: &Config, before: Option<&Self>) -> Self {
        let limits = &config.limits;
        let rates = [
            limits.calls_per_second_per_client,
            limits.calls_per_second_per_webhook,
            limits.unknown_keys_per_minute_per_client,
        ];
        let [client, webhook, unknown_keys] = rates;
        let kept = before.filter(|before| before.rates == rates);
        let limiter = kept.map_or_else(
            || Arc::new(Limiter::new(client, webhook, unknown_keys)),
            |before| Arc::clone(&before.limiter),
        );
        Self {
            limiter,
            rates,
            trusted_proxies: config.server.trusted_proxies.clone(),
            forwarding_header: config.server.forwarding_header,
            protections: config.protections.iter().map(Protection::from).collect(),
            max_body_bytes: limits.max_body_bytes,
            max_fields: limits.max_fields,
            records_addresses: config.runs.client_addresses,
            access: Arc::new(Access::new(
                &config.admin,
                before.map(|before| &*before.access),
            )),
            old_keys: config.admin.old_keys,
        }
    }

    /// Whether some webhook asks for signed calls.
    pub(super) fn want_signatures(&self) -> bool {
        self.protections.iter().any(|one| one.secrets.is_some())
    }

    /// Whether this peer is believed about whom it calls for. One on the Unix socket is: the socket's permissions say who
    /// may connect.
    pub(super) fn trust(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|peer| self.is_proxy(&peer.to_canonical()))
    }

    /// The address, unless it is a trusted proxy's own. A proxy that does not say whom it calls for stands for
    /// everybody behind it: nobody there is to wait for what a stranger has done.
    pub(super) fn stranger(&self, address: Option<IpAddr>) -> Option<IpAddr> {
        address.filter(|address| !self.is_proxy(address))
    }

    fn is_proxy(&self, address: &IpAddr) -> bool {
        self.trusted_proxies.iter().any(|n| n.contains(address))
    }
}

impl From<&config::Protection> for Protection {
    fn from(configured: &config::Protection) -> Self {
        Self {
            name: configured.name.clone(),
            webhook: match &configured.webhook {
                config::ProtectedWebhook::Id(id) => ProtectedWebhook::Id(*id),
                config::ProtectedWebhook::Title(title) => ProtectedWebhook::Title(title.clone()),
            },
            allowed_networks: configured.allowed_networks.clone(),
            secrets: configured.secrets.clone(),
        }
    }
}
