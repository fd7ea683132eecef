//! What a request asks for, and what the sidecar would do.

use std::sync::Arc;
use std::time::Instant;

use super::agreed::Sent;
use super::exchange::Told;
use crate::outcome::Outcome;
use crate::provision::rehearsal::{Rehearsal, rehearse};
use crate::provision::{Calls, ProvisionError, WebhookCall, WebhookKey};
use crate::telemetry;

/// What the sidecar makes of a request.
pub enum Wanted {
    /// A call, or why there is no place to rehearse it.
    Call(Box<WebhookCall>, Sent, Option<&'static str>),
    /// The sidecar would refuse it without asking the database, as documented in this line.
    Agreed(Told, &'static str, WebhookKey),
}

/// What the sidecar would do, and the milliseconds until that was known.
pub(super) enum Plan {
    Executed(Box<Rehearsal>, Told, u32),
    Refused(Told, u32),
    Agreed(Told, &'static str),
    None(String),
}

impl Wanted {
    /// The key that was sent.
    pub fn key(&self) -> &WebhookKey {
        match self {
            Self::Call(call, ..) => &call.key,
            Self::Agreed(_, _, key) => key,
        }
    }
}

impl Plan {
    pub(super) async fn of(
        calls: &Arc<Calls>,
        wanted: Wanted,
        tell: impl Fn(&Result<Rehearsal, ProvisionError>) -> (u16, String),
    ) -> Self {
        let call = match wanted {
            Wanted::Agreed(told, line, _) => return Self::Agreed(told, line),
            Wanted::Call(_, _, Some(why)) => return Self::None(why.to_owned()),
            Wanted::Call(call, _, None) => *call,
        };
        let began = Instant::now();
        let rehearsed = rehearse(Arc::clone(calls), call).await;
        let took = milliseconds(began);
        let (status, message) = tell(&rehearsed);
        let told = |outcome| Told {
            status,
            message,
            outcome,
        };
        match rehearsed {
            Ok(rehearsal) => {
                let told = told(rehearsal.executed.outcome());
                Self::Executed(Box::new(rehearsal), told, took)
            }
            Err(error) if error.is_unavailable() => Self::None(telemetry::chain(&error)),
            Err(error) => Self::Refused(told(error.outcome()), took),
        }
    }

    /// What would be answered, and the milliseconds until that was known, if the database was asked.
    pub(super) fn told(&self) -> (Option<&Told>, Option<u32>) {
        match self {
            Self::Executed(_, told, took) | Self::Refused(told, took) => (Some(told), Some(*took)),
            Self::Agreed(told, _) => (Some(told), None),
            Self::None(_) => (None, None),
        }
    }

    /// Whether the call's key is known to be a webhook's.
    pub(super) fn has_webhook(&self) -> bool {
        match self {
            Self::Executed(..) => true,
            Self::Refused(told, _) => told.outcome != Outcome::UnknownWebhook,
            Self::Agreed(..) | Self::None(_) => false,
        }
    }
}

fn milliseconds(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}
