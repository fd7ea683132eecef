//! Exports the connection pool's measurements as metrics.

use std::time::Duration;

use crate::db::{ErrorKind, Observer};
use crate::telemetry::Metrics;

impl Observer for Metrics {
    fn waited(&self, wait: Duration) {
        self.connection_wait_seconds.observe(wait.as_secs_f64());
    }

    fn failed(&self, kind: ErrorKind) {
        self.database_failed(kind.word());
    }
}
