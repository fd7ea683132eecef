//! The admin listener.

mod health;

pub(super) use health::{healthz, not_found, readyz};
