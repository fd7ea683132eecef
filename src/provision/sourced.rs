//! Refuses and ignores calls by what their webhook's source says about them.

use super::{Caller, Ignored, ProvisionError, WebhookCall};
use crate::fluentcommunity::webhook::Webhook;

/// Refuses a call that was read with another source than its webhook's, or is not its sender's; ignores one that asks for nothing.
pub(super) fn check(webhook: &Webhook, call: &WebhookCall) -> Result<(), ProvisionError> {
    let Caller { sourced, .. } = &call.caller;
    let wanted = sourced.contains(&webhook.id).then_some(webhook.id);
    let read = call.source.as_ref();
    if read.map(|read| read.webhook_id) != wanted {
        return Err(ProvisionError::OtherSource);
    }
    let Some(read) = read else {
        return Ok(());
    };
    let source = || read.source.clone();
    if let Some(flaw) = read.flaw {
        return Err(ProvisionError::NotOfSource {
            source_name: source(),
            flaw,
        });
    }
    match read.ignored {
        Some(why) => Err(ProvisionError::Ignored {
            source_name: source(),
            why,
        }),
        None => Ok(()),
    }
}

/// Refuses to create a member for a source that only takes away.
pub(super) fn check_new(call: &WebhookCall) -> Result<(), ProvisionError> {
    match call.source.as_ref().filter(|read| read.known_only) {
        Some(read) => Err(ProvisionError::Ignored {
            source_name: read.source.clone(),
            why: Ignored::Nobody,
        }),
        None => Ok(()),
    }
}
