//! The admin listener: for operators, their load balancers and Prometheus. Never proxied.

mod health;
mod metrics;
pub(super) mod runs;

pub(super) use health::{healthz, not_found, readyz};
pub(super) use metrics::metrics;
