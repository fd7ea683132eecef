//! The daemon from outside: its binary, its configuration file, HTTP and the site's database.
//!
//! One private MariaDB server serves the whole run, in a time zone that is not UTC, because the daemon must not notice.
//! Every test gets a database of its own from a fixture, and every daemon its own ports. The daemon's harness
//! ([`harness::sidecar::Sidecar`]) records what was posted, so that each test also proves that none of it reached the log.
//!
//! Cases are in folders by what they prove:
//!
//! * `admin`: the admin listener: access, `OpenAPI`, management of webhooks
//! * `calls`: what a call answers and writes, compared with PHP
//! * `database`: own tables, statements, round trips, the private server
//! * `deploy`: listeners, sockets, units, web servers in front
//! * `documents`: what people read in place of the code, against the program
//! * `exactly_once`: collisions, repetitions, crashes, random faults
//! * `faults`: something is broken or overloaded; one file per thing that breaks
//! * `galera`: several nodes that write
//! * `harness`: what the cases are written with; no cases
//! * `mail`: the promise of a mail, and the SMTP server that gets it
//! * `operator`: commands, `check`, grants, metrics, reload, run log
//! * `otlp`: traces, and the collector that gets them
//! * `security`: hostile callers
//! * `wordpress`: a real WordPress judges what was written, and fires the hooks

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

mod admin;
mod calls;
mod database;
mod deploy;
mod documents;
mod exactly_once;
mod faults;
mod galera;
mod harness;
mod mail;
mod operator;
mod otlp;
mod security;
mod wordpress;
