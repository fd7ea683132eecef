//! The rules that apply to callers, which the operator can reload while the daemon runs. A request keeps the rules that
//! were in force when it arrived.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::TimeDelta;
use ipnet::IpNet;

use super::Limiter;
use super::admin::Access;
use crate::config::{self, Config, ForwardingHeader};
use crate::provision::{ProtectedWebhook, Protection, SourceRead};
use crate::source::Source;

/// The longest body that is read on the admin listener, in bytes.
pub(super) const LONGEST_READ: usize = 7 << 19;
/// Room for a form's other fields, in bytes.
const OTHER_FIELDS: usize = 64 << 10;

/// The rules that apply to callers.
pub struct CallerRules {
    /// Rates per client and per webhook.
    pub(super) limiter: Arc<Limiter>,
    rates: [Option<NonZeroU32>; 3],
    /// Peers whose forwarding headers are trusted.
    pub(super) trusted_proxies: Vec<IpNet>,
    /// The header in which they send the client's address.
    pub(super) forwarding_header: ForwardingHeader,
    /// What webhooks require of callers besides the key.
    pub(super) protections: Arc<[Protection]>,
    /// What the calls of webhooks look like, where it is not PHP's form.
    pub(super) sources: Arc<[Arc<Source>]>,
    /// Their webhooks.
    pub(super) sourced: Arc<[u64]>,
    /// Longest body, in bytes.
    pub(super) max_body_bytes: usize,
    /// Most fields in a body.
    pub(super) max_fields: usize,
    /// Whether run records include the client's address.
    pub(super) records_addresses: bool,
    /// Names under which the admin listener is reached.
    pub(super) admin_hosts: Vec<String>,
    /// Access to webhook management and the run log.
    pub(super) access: Arc<Access>,
    /// How long a webhook's old key stays valid after a rotation.
    pub(super) old_keys: TimeDelta,
    /// How long the names of executed calls are remembered.
    pub(super) remembered: TimeDelta,
}

impl CallerRules {
    /// Takes the rules from the configuration. If the rates are unchanged, their counts are kept: otherwise a reload
    /// would clear the record of clients that guess keys.
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
            sources: config.sources.clone().into(),
            sourced: config.sources.iter().map(|one| one.webhook_id).collect(),
            max_body_bytes: limits.max_body_bytes,
            max_fields: limits.max_fields,
            records_addresses: config.runs.client_addresses,
            admin_hosts: config.server.admin_hosts.clone(),
            access: Arc::new(Access::new(
                &config.admin,
                before.map(|before| &*before.access),
            )),
            old_keys: config.admin.old_keys,
            remembered: TimeDelta::hours(config.runs.idempotency_hours.into()),
        }
    }

    /// Whether calls of any webhook are in their sender's words.
    pub fn have_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// The longest body of a form in the console, in bytes: one of its fields may hold a sender's body, of which each byte may take three.
    pub(super) fn longest_form(&self) -> usize {
        let calls = self.max_body_bytes.saturating_mul(3);
        calls.saturating_add(OTHER_FIELDS).min(LONGEST_READ)
    }

    /// What the calls of this webhook look like, unless it is PHP's form.
    pub(super) fn source_of(&self, webhook_id: u64) -> Option<&Arc<Source>> {
        let mut sources = self.sources.iter();
        sources.find(|source| source.webhook_id == webhook_id)
    }

    /// What sources say about the calls of operators.
    pub(super) fn heeded(&self) -> Vec<SourceRead> {
        let sources = self.sources.iter();
        sources.map(|source| SourceRead::of(source)).collect()
    }

    /// Whether any webhook requires signed calls.
    pub(super) fn want_signatures(&self) -> bool {
        self.protections.iter().any(|one| one.secrets.is_some())
    }

    /// Whether this peer's forwarding headers are trusted. Those of a peer on the Unix socket are: the socket's
    /// permissions control who can connect.
    pub(super) fn trust(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|peer| self.is_proxy(&peer.to_canonical()))
    }

    /// The address, unless it is a trusted proxy's own. A proxy that does not forward the client's address stands for
    /// all clients behind it: none of them must wait because of what another one did.
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
