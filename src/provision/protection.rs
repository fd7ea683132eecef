//! What the operator asks of a webhook's callers beside the key: where they call from, and that they sign.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use secrecy::SecretSlice;

use super::ProvisionError;
use super::signature::{SignatureFlaw, Signed};
use crate::fluentcommunity::webhook::Webhook;

/// What callers of one webhook have to fulfil; of several protections of one webhook, all.
#[derive(Clone, Debug)]
pub struct Protection {
    /// As the operator calls it.
    pub name: String,
    /// Whose callers.
    pub webhook: ProtectedWebhook,
    /// Where calls may come from; `None` is anywhere.
    pub allowed_networks: Option<Vec<IpNet>>,
    /// Keys of which one must have signed the call; `None` asks for no signature.
    pub secrets: Option<Vec<SecretSlice<u8>>>,
}

/// How a webhook is named: never by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtectedWebhook {
    /// Row id in `fcom_meta`.
    Id(u64),
    /// As FluentCommunity shows it; all that are called so.
    Title(String),
}

/// What is known about the caller.
pub struct Caller {
    /// `None` over a Unix socket without a forwarded address.
    pub address: Option<IpAddr>,
    /// When the call came in: tried again, it does not become too old.
    pub arrived: DateTime<Utc>,
    /// `None` if it is not signed, or if no webhook asks for it.
    pub signed: Option<Signed>,
    /// What webhooks asked of their callers when it came in.
    pub protections: Arc<[Protection]>,
    /// The name of the request.
    pub request_id: Option<Arc<str>>,
    /// Whether the run record may say where the call came from.
    pub is_address_recorded: bool,
}

/// Refuses a call that does not fulfil everything that its webhook's protections ask for.
pub(super) fn check(webhook: &Webhook, caller: &Caller) -> Result<(), ProvisionError> {
    for protection in caller.protections.iter().filter(|one| one.is_of(webhook)) {
        let name = || protection.name.clone();
        if let Some(networks) = &protection.allowed_networks {
            // A caller without an address is nowhere.
            let is_within = |address| networks.iter().any(|network| network.contains(&address));
            if !caller.address.is_some_and(is_within) {
                return Err(ProvisionError::AddressNotAllowed { protection: name() });
            }
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
    /// Whether it is about this webhook.
    pub fn is_of(&self, webhook: &Webhook) -> bool {
        match &self.webhook {
            ProtectedWebhook::Id(id) => webhook.id == *id,
            ProtectedWebhook::Title(title) => webhook.title == title.as_bytes(),
        }
    }
}
