//! Registers the metrics with their names and descriptions.

use chrono::{DateTime, Utc};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use super::{Metrics, Seconds, unix};

impl Metrics {
    pub(super) fn register_process(&mut self, now: DateTime<Utc>) {
        let started = Seconds::default();
        started.set(unix(now));
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let registry = &mut self.registry;
        // The name that Prometheus's own libraries use.
        registry.register_with_unit(
            "process_start_time",
            "When the process started, since the epoch",
            Unit::Seconds,
            started,
        );
        let registry = registry.sub_registry_with_prefix("fcom_sidecar");
        registry.register("build", "What is running", build);
        registry.register(
            "config_reloads",
            "Configurations that were read again, by what became of them",
            self.reloads.clone(),
        );
    }

    pub(super) fn register_calls(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("fcom_sidecar");
        registry.register(
            "calls",
            "Requests to the public listener by how they ended",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "From a request's head to its answer, by whom it was for",
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        registry.register(
            "calls_in_flight",
            "Calls that are being executed",
            self.calls_in_flight.clone(),
        );
        registry.register(
            "calls_in_flight_limit",
            "Calls that may be executed at once",
            self.calls_in_flight_limit.clone(),
        );
        registry.register(
            "refusals",
            "Refused calls by whether they were recorded; those lost may include requests with unknown keys",
            self.refusals.clone(),
        );
        registry.register(
            "shadow_calls",
            "Calls in shadow mode, which PHP executes, by how they compare",
            self.shadowed.clone(),
        );
        registry.register(
            "call_retries",
            "Calls that were tried again as a whole",
            self.retries.clone(),
        );
        registry.register_with_unit(
            "password_hash_duration",
            "The time in which a password was hashed, without the wait for it; several that wait are hashed at once",
            Unit::Seconds,
            self.hash_seconds.clone(),
        );
        registry.register(
            "password_hash_waiting",
            "Calls that wait until a password may be hashed",
            self.waiting_for_hash.clone(),
        );
    }

    pub(super) fn register_work(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("fcom_sidecar");
        registry.register(
            "database_up",
            "Whether calls can be carried out: the database answers, and takes writes",
            self.database_up.clone(),
        );
        registry.register(
            "database_connections",
            "Open connections to the database",
            self.connections.clone(),
        );
        registry.register(
            "database_connections_limit",
            "Connections that may be open",
            self.connections_limit.clone(),
        );
        registry.register(
            "database_connection_waiting",
            "Pieces of work that wait for a connection",
            self.waiting_for_connection.clone(),
        );
        registry.register_with_unit(
            "database_connection_wait",
            "Until a piece of work got a connection, or none",
            Unit::Seconds,
            self.connection_wait_seconds.clone(),
        );
        registry.register(
            "database_errors",
            "Failed pieces of work with the database, whether or not they were tried again",
            self.database_errors.clone(),
        );
        registry.register_with_unit(
            "tally_wait",
            "From when a call was carried out but for its count until its run was counted",
            Unit::Seconds,
            self.tally_wait_seconds.clone(),
        );
        registry.register(
            "tally_batch_runs",
            "Runs that were counted together",
            self.tally_batch_runs.clone(),
        );
        registry.register(
            "tally_waiting_runs",
            "Runs that wait in this process to be counted",
            self.tally_waiting.clone(),
        );
        registry.register(
            "uncounted_runs",
            "Runs in the database that are not counted, at most 10000",
            self.uncounted_runs.clone(),
        );
        registry.register_with_unit(
            "uncounted_run_oldest_age",
            "Age of the oldest run that is not counted; 0 if there is none",
            Unit::Seconds,
            self.uncounted_age.clone(),
        );
        registry.register(
            "mails",
            "Mails in the outbox that were not sent, at most 10000 of a state",
            self.mails.clone(),
        );
        registry.register_with_unit(
            "mail_pending_oldest_age",
            "Age of the oldest mail that waits to be sent; 0 if there is none",
            Unit::Seconds,
            self.pending_age.clone(),
        );
        registry.register(
            "mail_attempts",
            "Attempts at a mail by what became of it",
            self.mail_attempts.clone(),
        );
        registry.register_with_unit(
            "mail_attempt_duration",
            "One attempt at a mail",
            Unit::Seconds,
            self.mail_seconds.clone(),
        );
        registry.register_with_unit(
            "backlog_read_timestamp",
            "When the database was last asked about runs and mails, since the epoch",
            Unit::Seconds,
            self.backlog_read.clone(),
        );
    }
}
