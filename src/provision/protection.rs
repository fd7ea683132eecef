//! What the operator requires of a webhook's callers in addition to the key: allowed addresses and signatures.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use secrecy::SecretSlice;

use super::ProvisionError;
use super::signature::{SignatureFlaw, Signed};
use crate::fluentcommunity::webhook::Webhook;

/// Requirements for the callers of one webhook; if several protections name the webhook, all of them apply.
#[derive(Clone, Debug)]
pub struct Protection {
    /// The operator's name for the protection.
    pub name: String,
    /// The webhook that it protects.
    pub webhook: ProtectedWebhook,
    /// Allowed addresses; `None` allows any.
    pub allowed_networks: Option<Vec<IpNet>>,
    /// One of these keys must have signed the call; `None` requires no signature.
    pub secrets: Option<Vec<SecretSlice<u8>>>,
}

/// How a protection refers to a webhook: never by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtectedWebhook {
    /// Row id in `fcom_meta`.
    Id(u64),
    /// The title that FluentCommunity shows; matches every webhook with that title.
    Title(String),
}

/// What is known about the caller.
pub struct Caller {
    /// `None` over a Unix socket without a forwarded address.
    pub address: Option<IpAddr>,
    /// When the call came in, so that a retried call does not become too old.
    pub arrived: DateTime<Utc>,
    /// `None` if the call is not signed, or if no webhook requires signatures.
    pub signed: Option<Signed>,
    /// The webhooks that had sources when the call came in.
    pub sourced: Arc<[u64]>,
    /// The protections in force when the call came in.
    pub protections: Arc<[Protection]>,
    /// The request id.
    pub request_id: Option<Arc<str>>,
    /// Whether the run record may contain the caller's address.
    pub is_address_recorded: bool,
    /// Of a call that was kept: the names of the protections that it met when it came. Only these are met now.
    pub met: Option<Vec<String>>,
}

impl Caller {
    /// Whether the webhook's protections ask for a signature.
    pub(super) fn must_sign(&self, webhook: &Webhook) -> bool {
        let mut protections = self.protections.iter();
        protections.any(|one| one.secrets.is_some() && one.is_of(webhook))
    }

    /// The names of the protections that this caller meets, whichever webhook they are of, with a signature of any time.
    pub(super) fn meets(&self) -> Vec<String> {
        let is_met = |one: &&Protection| {
            let secrets = one.secrets.as_deref();
            let is_signed = secrets.is_none_or(|secrets| {
                let signed = self.signed.as_ref();
                signed.is_some_and(|signed| signed.verify_at_any_time(secrets).is_ok())
            });
            one.allows(self) && is_signed
        };
        let met = self.protections.iter().filter(is_met);
        met.map(|one| one.name.clone()).collect()
    }
}

/// Refuses a call that does not meet every requirement of its webhook's protections.
pub(super) fn check(webhook: &Webhook, caller: &Caller) -> Result<(), ProvisionError> {
    for protection in caller.protections.iter().filter(|one| one.is_of(webhook)) {
        let name = || protection.name.clone();
        if let Some(met) = &caller.met {
            if met.contains(&protection.name) {
                continue;
            }
            return Err(ProvisionError::ProtectionNotMet { protection: name() });
        }
        if !protection.allows(caller) {
            return Err(ProvisionError::AddressNotAllowed { protection: name() });
        }
        if let Some(secrets) = &protection.secrets {
            let signed = caller.signed.as_ref().ok_or(SignatureFlaw::Missing);
            signed
                .and_then(|signed| signed.verify(secrets, caller.arrived))
                .map_err(|flaw| ProvisionError::NotSigned {
                    protection: name(),
                    flaw,
                })?;
        }
    }
    Ok(())
}

impl Protection {
    /// Whether it allows the caller's address. A caller without one matches no allowed range.
    fn allows(&self, caller: &Caller) -> bool {
        let Some(networks) = &self.allowed_networks else {
            return true;
        };
        let is_within = |address| networks.iter().any(|network| network.contains(&address));
        caller.address.is_some_and(is_within)
    }

    /// Whether this protection applies to the webhook.
    pub fn is_of(&self, webhook: &Webhook) -> bool {
        match &self.webhook {
            ProtectedWebhook::Id(id) => webhook.id == *id,
            ProtectedWebhook::Title(title) => webhook.title == title.as_bytes(),
        }
    }
}
