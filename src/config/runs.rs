//! `[runs]`: the record of executed calls. Mirrors nothing in PHP.

use super::problem::Reported;
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "runs.retention_days",
    "runs.idempotency_hours",
    "runs.client_addresses",
];

/// Resolved `[runs]` options.
#[derive(Debug, Clone)]
pub struct Runs {
    /// Days after which the record of a call is deleted; at least 1.
    pub retention_days: u32,
    /// Hours for which an `Idempotency-Key` is remembered; at least 1.
    pub idempotency_hours: u32,
    /// Whether the record of a call includes the client's address.
    pub client_addresses: bool,
}

impl Runs {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let retention_days = settings.number("runs.retention_days", 1..=36_500);
        let idempotency_hours = settings.number("runs.idempotency_hours", 1..=8760);
        let client_addresses = settings.flag("runs.client_addresses");
        Ok(Self {
            retention_days: retention_days?,
            idempotency_hours: idempotency_hours?,
            client_addresses: client_addresses?,
        })
    }
}
