//! The daemon from outside: its binary, its configuration file, HTTP and the site's database.
//!
//! One private MariaDB server serves the whole run, in a time zone that is not UTC, because the daemon must not notice.
//! Every test gets a database of its own from a fixture, and every daemon its own ports. The daemon's harness
//! ([`sidecar::Sidecar`]) records what was posted, so that each test also proves that none of it reached the log.

#![expect(
    clippy::unwrap_used,
    reason = "everything here is a test, also the functions that clippy does not take for one"
)]
#![expect(
    clippy::print_stderr,
    reason = "a failed test shows the end of the daemon's log"
)]
#![expect(
    clippy::format_push_string,
    reason = "requests and statements are put together where they read best"
)]

mod admin_access;
mod attacks;
mod check;
mod check_access;
mod client;
mod clock_faults;
mod command_line;
mod compare;
mod contract;
mod course_emails;
mod crash;
mod database_faults;
mod differences;
mod documents;
mod exactly_once;
mod faults;
mod galera;
mod grants;
mod handover;
mod http;
mod idempotency;
mod injection;
mod invariants;
mod listeners;
mod mail_faults;
mod mail_server;
mod mails;
mod mariadb;
mod memberships;
mod metrics;
mod names;
mod openapi;
mod original;
mod otlp;
mod overload;
mod own_tables;
mod passwords;
mod process;
mod protection;
mod proxy;
mod recording;
mod reload;
mod round_trips;
mod runs;
mod settings;
mod sidecar;
mod site;
mod smtp_peer;
mod snapshot;
mod statements;
mod storage_faults;
mod systemd;
mod time_zone;
mod torture;
mod user_count;
mod vectors;
mod web_servers;
mod webhook_record;
mod webhooks;
mod welcome_mail;
mod wordpress;
mod wordpress_root;
