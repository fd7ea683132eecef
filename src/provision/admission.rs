//! The first decision about a call, made from what was read before anything is locked: whom it is for, or why it is
//! refused. Pure.

use super::facts::Facts;
use super::{Email, Executed, ProvisionError, WebhookCall, protection};
use crate::db::TableNames;

/// Whom a call is for.
#[derive(Debug)]
pub(super) enum Whom<'a> {
    /// Nobody: an earlier call with the same `Idempotency-Key` has done it.
    Nobody(Executed),
    /// The user who has the address. Another call may delete him before he is locked.
    Known(u64),
    /// A new one. Another call may create him before his names are claimed.
    New(&'a Email),
}

/// Refuses a call, or says whom it is for. Who may call is judged first: nobody else is told about addresses and keys.
pub(super) fn admit<'a>(
    call: &'a WebhookCall,
    facts: &Facts,
    tables: &TableNames,
) -> Result<Whom<'a>, ProvisionError> {
    protection::check(&facts.webhook, &call.caller)?;
    check_site(facts, tables)?;
    if let (Some(earlier), Some(now)) = (&facts.earlier, &call.idempotency) {
        return if earlier.fields == now.fields {
            Ok(Whom::Nobody(earlier.executed.clone()))
        } else {
            Err(ProvisionError::IdempotencyConflict)
        };
    }
    match (&call.email, facts.user_id) {
        (Err(ProvisionError::EmailTooLong), _) => Err(ProvisionError::EmailTooLong),
        (Err(_), _) => Err(ProvisionError::EmailRequired),
        (Ok(_), Some(user_id)) => Ok(Whom::Known(user_id)),
        (Ok(email), None) => Ok(Whom::New(email)),
    }
}

/// Whether WordPress would answer here at all; a single site does.
fn check_site(facts: &Facts, tables: &TableNames) -> Result<(), ProvisionError> {
    match (&facts.blog, tables.blog_id()) {
        (None, Some(id)) => Err(ProvisionError::NoSuchSite(id)),
        (Some(blog), Some(id)) => blog
            .closed
            .map_or(Ok(()), |why| Err(ProvisionError::SiteClosed { id, why })),
        (_, None) => Ok(()),
    }
}
