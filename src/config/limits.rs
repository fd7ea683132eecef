//! `[limits]`: limits on size, concurrency and rates. The body and field limits stand in for PHP's own
//! `post_max_size` and `max_input_vars`, which drop data silently where the daemon refuses the call.

use std::num::NonZeroU32;
use std::thread;

use super::problem::Reported;
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "limits.max_body_bytes",
    "limits.max_body_bytes_in_flight",
    "limits.max_fields",
    "limits.max_calls_in_flight",
    "limits.max_connections",
    "limits.hash_threads",
    "limits.calls_per_second_per_client",
    "limits.calls_per_second_per_webhook",
    "limits.unknown_keys_per_minute_per_client",
];

/// Resolved `[limits]` options.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Memory for all requests that arrive or are not answered, in bytes; room for two of the largest at least.
    pub max_body_bytes_in_flight: usize,
    /// The most form fields in one body.
    pub max_fields: usize,
    /// The most calls executed at the same time; further ones are refused with a time to retry.
    pub max_calls_in_flight: usize,
    /// The most open client connections on the public listener.
    pub max_connections: usize,
    /// Threads that hash passwords; at least 1, since the option's 0 resolves to the number of cores.
    pub hash_threads: usize,
    /// Calls a second from one client address; `None` means no limit.
    pub calls_per_second_per_client: Option<NonZeroU32>,
    /// Calls a second to one webhook; `None` means no limit.
    pub calls_per_second_per_webhook: Option<NonZeroU32>,
    /// Unknown keys a minute from one client address; `None` means no limit.
    pub unknown_keys_per_minute_per_client: Option<NonZeroU32>,
}

impl Limits {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let max_body_bytes = settings.number("limits.max_body_bytes", 1..=1 << 30);
        let in_flight = settings.number("limits.max_body_bytes_in_flight", 1..=1 << 40);
        let max_fields = settings.number("limits.max_fields", 1..=1_000_000);
        let max_calls_in_flight = settings.number("limits.max_calls_in_flight", 1..=100_000);
        let max_connections = settings.number("limits.max_connections", 1..=1_000_000);
        let hash_threads = settings.number("limits.hash_threads", 0..=1024);
        let per_client = settings.number("limits.calls_per_second_per_client", 0..=1_000_000);
        let per_webhook = settings.number("limits.calls_per_second_per_webhook", 0..=1_000_000);
        let unknown_keys =
            settings.number("limits.unknown_keys_per_minute_per_client", 0..=1_000_000);
        let max_body_bytes = max_body_bytes?;
        Ok(Self {
            max_body_bytes,
            max_body_bytes_in_flight: in_flight?.max(2 * max_body_bytes),
            max_fields: max_fields?,
            max_calls_in_flight: max_calls_in_flight?,
            max_connections: max_connections?,
            hash_threads: match hash_threads? {
                0 => thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            calls_per_second_per_client: NonZeroU32::new(per_client?),
            calls_per_second_per_webhook: NonZeroU32::new(per_webhook?),
            unknown_keys_per_minute_per_client: NonZeroU32::new(unknown_keys?),
        })
    }
}
